/// UTF-8 read by Unicode scalars at byte offsets.
struct ScalarText {
  let bytes: UnsafeRawBufferPointer

  /// The scalar at an offset, and the offset after it; nil at the end.
  func scalar(at index: Int) -> (scalar: Unicode.Scalar, next: Int)? {
    guard index < bytes.count else { return nil }
    let first = bytes[index]
    guard first >= 0x80 else { return (Unicode.Scalar(first), index + 1) }
    let width = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
    let end = min(index + width, bytes.count)
    var value = UInt32(first) & (0x7F >> UInt32(width))
    for offset in (index + 1) ..< end { value = value << 6 | UInt32(bytes[offset] & 0x3F) }
    return (Unicode.Scalar(value) ?? "\u{FFFD}", end)
  }

  /// The scalar that ends before an offset; nil at the start.
  func scalar(before index: Int) -> Unicode.Scalar? {
    guard index > 0 else { return nil }
    var start = index - 1
    while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
    return scalar(at: start)?.scalar
  }
}

extension Unicode.Scalar {
  /// The value of a decimal digit of any script: "७" and "೭" are 7.
  var digitValue: UInt8? {
    if isASCII { return ("0" ... "9").contains(self) ? UInt8(value - 48) : nil }
    guard properties.numericType == .decimal, let number = properties.numericValue else {
      return nil
    }
    return UInt8(exactly: number)
  }

  var isASCIILetter: Bool { isASCII && properties.isAlphabetic }

  /// A letter, mark or number of any script.
  package var isWordCharacter: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .letterNumber, .otherNumber:
      true
    default: false
    }
  }
}

/// Up to 20 digits of any script, with at most one space or dash between two of them.
struct DigitRun {
  private(set) var digits: [UInt8] = []
  /// Offset after each digit.
  private(set) var ends: [Int] = []
  /// Whether something stands between a digit and the one before it.
  private(set) var isApart: [Bool] = []
  /// The text ended where more digits could follow.
  private(set) var isOpen = false

  static let most = 20

  init(in text: ScalarText, at start: Int) {
    var index = start
    var isAfterGap = false
    while digits.count < Self.most {
      guard let (scalar, next) = text.scalar(at: index) else {
        isOpen = true
        return
      }
      if let digit = scalar.digitValue {
        digits.append(digit)
        ends.append(next)
        isApart.append(isAfterGap)
        isAfterGap = false
      } else if Self.separates(scalar), !isAfterGap, !digits.isEmpty {
        isAfterGap = true
      } else {
        return
      }
      index = next
    }
  }

  /// Whether a number may end after `count` digits: the next digit, if any, does not touch it.
  func ends(after count: Int) -> Bool {
    count == digits.count ? count < Self.most : count < digits.count && isApart[count]
  }

  /// Written in groups of four, as on the card.
  func isInFours(_ count: Int) -> Bool {
    (0 ..< count).allSatisfy { isApart[$0] == ($0 > 0 && $0 % 4 == 0) }
  }

  private static func separates(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case " ", "-", "\u{A0}", "\u{2010}", "\u{2011}", "\u{2013}", "\u{202F}": true
    default: false
    }
  }
}
