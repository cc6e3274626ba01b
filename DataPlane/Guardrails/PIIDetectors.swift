internal import Matching

/// Numbers and addresses that identify people in India, told by their check digits where they have
/// some (UIDAI: Verhoeff for Aadhaar; ISO/IEC 7812: Luhn for cards).
struct PIIDetectors: Sendable {
  enum Kind: String, CaseIterable, Sendable {
    // In this order: a phone number often passes for an Aadhaar.
    case phone
    case aadhaar
    case pan
    case card
    case upi
    case email
  }

  private let detectors: [(kind: Kind, pattern: Pattern)]
  private static let handles: Set<String> = [
    "upi", "ybl", "ibl", "axl", "okhdfcbank", "okicici", "oksbi", "okaxis", "paytm", "apl", "yapl",
    "axisbank", "hdfcbank", "icici", "sbi", "kotak", "idfcbank", "airtel", "fbl", "ptsbi", "pthdfc",
  ]

  /// - Parameter names: of kinds; none means all.
  init(_ names: [String]) throws(PatternError) {
    let wanted =
      names.isEmpty ? Kind.allCases : Kind.allCases.filter { names.contains($0.rawValue) }
    var detectors: [(kind: Kind, pattern: Pattern)] = []
    for kind in wanted { detectors.append((kind, try Pattern(Self.source(of: kind)))) }
    // Phones are looked for in any case, so that they aren't taken for something else.
    if wanted.contains(.aadhaar), !wanted.contains(.phone) {
      detectors.insert((.phone, try Pattern(Self.source(of: .phone))), at: 0)
    }
    self.detectors = detectors
    isPhoneWanted = wanted.contains(.phone)
  }

  private let isPhoneWanted: Bool

  private static func source(of kind: Kind) -> String {
    switch kind {
    case .phone: #"(?:\+?91[ -]?|\b0)?\b[6-9]\d{4}[ -]?\d{5}\b"#
    case .aadhaar: #"\b[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}\b"#
    case .pan: #"\b[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]\b"#
    case .card: #"\b\d(?:[ -]?\d){12,18}\b"#
    case .upi: #"[A-Za-z0-9._-]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}"#
    case .email: #"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"#
    }
  }

  func hits(in text: String) -> [Range<Int>] {
    let normal = NormalisedDigits(text)
    var taken: [Range<Int>] = []
    var hits: [Range<Int>] = []
    for (kind, pattern) in detectors {
      for range in pattern.matches(in: normal.text)
      where !taken.contains(where: { $0.overlaps(range) }) {
        guard Self.isValid(normal.slice(range), kind) else { continue }
        taken.append(range)
        if kind != .phone || isPhoneWanted { hits.append(normal.original(range)) }
      }
    }
    return hits.sorted { $0.lowerBound < $1.lowerBound }
  }

  private static func isValid(_ text: String, _ kind: Kind) -> Bool {
    let digits = text.compactMap(\.wholeNumberValue)
    switch kind {
    case .aadhaar: return digits.count == 12 && verhoeff(digits)
    case .card: return (13 ... 19).contains(digits.count) && luhn(digits)
    case .upi: return handles.contains(String(text.split(separator: "@").last ?? "").lowercased())
    case .phone, .pan, .email: return true
    }
  }

  static func luhn(_ digits: [Int]) -> Bool {
    let sum = digits.reversed().enumerated().reduce(0) { sum, item in
      let doubled = item.offset % 2 == 1 ? item.element * 2 : item.element
      return sum + (doubled > 9 ? doubled - 9 : doubled)
    }
    return sum % 10 == 0
  }

  private static let product: [[Int]] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
  ]
  private static let permutation: [[Int]] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 5, 7, 6, 2, 8, 3, 0, 9, 4], [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
    [8, 9, 1, 6, 0, 4, 3, 5, 2, 7], [9, 4, 5, 3, 1, 2, 6, 8, 7, 0], [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
    [2, 7, 9, 3, 8, 0, 6, 4, 1, 5], [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
  ]

  /// J. Verhoeff, Error Detecting Decimal Codes (1969).
  static func verhoeff(_ digits: [Int]) -> Bool {
    digits.reversed().enumerated().reduce(0) { check, item in
      product[check][permutation[item.offset % 8][item.element]]
    } == 0
  }
}

/// A text with all decimal digits as ASCII, and the way back to the original's offsets.
struct NormalisedDigits {
  let text: String
  private let bytes: [UInt8]
  /// Offset in the original of each byte, and of the end.
  private let offsets: [Int]

  init(_ original: String) {
    var bytes: [UInt8] = []
    var offsets: [Int] = []
    var offset = 0
    for scalar in original.unicodeScalars {
      let width = UTF8.width(scalar)
      if scalar.properties.generalCategory == .decimalNumber,
        let digit = scalar.properties.numericValue
      {
        bytes.append(UInt8(ascii: "0") + UInt8(digit))
        offsets.append(offset)
      } else {
        for (index, byte) in String(scalar).utf8.enumerated() {
          bytes.append(byte)
          offsets.append(offset + index)
        }
      }
      offset += width
    }
    offsets.append(offset)
    self.bytes = bytes
    self.offsets = offsets
    text = String(decoding: bytes, as: UTF8.self)
  }

  func slice(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

  func original(_ range: Range<Int>) -> Range<Int> {
    offsets[range.lowerBound] ..< offsets[range.upperBound]
  }
}
