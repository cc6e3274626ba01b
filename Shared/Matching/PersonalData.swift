/// Finds personal identifiers of India and of everywhere, in the digits of any script.
///
/// Where two kinds fit at one place: addresses before cards before phones before Aadhaar, as one
/// in ten mobile numbers with its 91 passes Aadhaar's check. Only a number in groups of four is
/// taken for an Aadhaar before it is taken for a phone.
package struct PersonalData: Detector {
  package enum Kind: String, Hashable, Sendable, CaseIterable {
    case email
    case upi
    case card
    case phone
    case aadhaar
    case pan
  }

  package let kinds: Set<Kind>

  package init(_ kinds: Set<Kind> = Set(Kind.allCases)) {
    self.kinds = kinds
  }

  package var searchesGrowingText: Bool { true }

  package func step(
    in text: UnsafeRawBufferPointer,
    from start: Int,
    isComplete: Bool
  ) -> DetectionStep {
    let text = ScalarText(bytes: text)
    var index = start
    var before = text.scalar(before: index)
    while let (scalar, next) = text.scalar(at: index) {
      switch verdict(scalar, at: index, before: before, in: text) {
      case .found(let end): return .hit(index ..< end, resume: end)
      case .unsure where !isComplete: return .clear(upTo: index)
      case .unsure(let end?): return .hit(index ..< end, resume: end)
      case .unsure(nil), .nothing: break
      }
      before = scalar
      index = next
    }
    return .clear(upTo: index)
  }

  enum Verdict {
    case nothing
    case found(Int)
    /// The text ends where more could decide; the end it has if nothing comes.
    case unsure(Int?)
  }

  private func verdict(
    _ scalar: Unicode.Scalar,
    at index: Int,
    before: Unicode.Scalar?,
    in text: ScalarText
  ) -> Verdict {
    let isDigit = scalar.digitValue != nil
    guard isDigit || scalar.isASCIILetter || scalar == "+" else { return .nothing }
    var unsure = Unsure()
    let beginsWord = !(before.map { $0.digitValue != nil || $0.isASCIILetter } ?? false)
    if scalar != "+", beginsWord, kinds.contains(.email) || kinds.contains(.upi) {
      let address = AddressReader(text: text, kinds: kinds).verdict(at: index)
      if let settled = unsure.add(address) { return settled }
    }
    if isDigit || scalar == "+", before?.digitValue == nil {
      if let settled = unsure.add(number(scalar, at: index, in: text)) { return settled }
    }
    if scalar.isASCIILetter, beginsWord, kinds.contains(.pan) {
      if let settled = unsure.add(pan(at: index, in: text)) { return settled }
    }
    return unsure.verdict
  }

  /// Collects verdicts in their order; the first that is sure counts, unless one before is unsure.
  private struct Unsure {
    private var isUnsure = false
    private var end: Int?

    mutating func add(_ verdict: Verdict) -> Verdict? {
      switch verdict {
      case .nothing: break
      case .found(let found):
        guard isUnsure else { return verdict }
        end = end ?? found
      case .unsure(let found):
        isUnsure = true
        end = end ?? found
      }
      return nil
    }

    var verdict: Verdict { isUnsure ? .unsure(end) : .nothing }
  }

  // MARK: - Numbers

  private func number(
    _ scalar: Unicode.Scalar,
    at index: Int,
    in text: ScalarText
  ) -> Verdict {
    guard !kinds.isDisjoint(with: [.card, .phone, .aadhaar]) else { return .nothing }
    let hasPlus = scalar == "+"
    let run = DigitRun(in: text, at: hasPlus ? index + 1 : index)
    let end = length(of: run, hasPlus: hasPlus).map { run.ends[$0 - 1] }
    if run.isOpen { return .unsure(end) }
    return end.map { .found($0) } ?? .nothing
  }

  /// How many digits of the run are a number of a wanted kind.
  private func length(of run: DigitRun, hasPlus: Bool) -> Int? {
    if kinds.contains(.card), !hasPlus, let length = Self.cardLength(run) { return length }
    let isAadhaar = !hasPlus && Self.isAadhaar(run)
    if kinds.contains(.aadhaar), isAadhaar, run.isInFours(12) { return 12 }
    let phone = Self.phoneLength(run, hasPlus: hasPlus)
    if kinds.contains(.phone), let phone { return phone }
    if kinds.contains(.aadhaar), isAadhaar, phone != 12 { return 12 }
    return nil
  }

  private static func cardLength(_ run: DigitRun) -> Int? {
    guard let first = run.digits.first, (2 ... 6).contains(first) else { return nil }
    return stride(from: 19, through: 13, by: -1).first {
      run.ends(after: $0) && Checksums.luhn(Array(run.digits.prefix($0)))
    }
  }

  private static func isAadhaar(_ run: DigitRun) -> Bool {
    guard let first = run.digits.first, first >= 2, run.ends(after: 12) else { return false }
    return Checksums.verhoeff(Array(run.digits.prefix(12)))
  }

  /// `(\+?91|0)?[6-9]\d{9}`, the longest form first.
  private static func phoneLength(_ run: DigitRun, hasPlus: Bool) -> Int? {
    let forms: [[UInt8]] = hasPlus ? [[9, 1]] : [[9, 1], [0], []]
    for prefix in forms where run.digits.starts(with: prefix) {
      let length = prefix.count + 10
      if run.ends(after: length), (6 ... 9).contains(run.digits[prefix.count]) { return length }
    }
    return nil
  }

  // MARK: - PAN

  /// `[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]`, in letters of either case.
  private func pan(at start: Int, in text: ScalarText) -> Verdict {
    var index = start
    for position in 0 ..< 10 {
      guard let (scalar, next) = text.scalar(at: index) else { return .unsure(nil) }
      let fits =
        switch position {
        case 3: "ABCFGHJLPTabcfghjlpt".unicodeScalars.contains(scalar)
        case 5 ... 8: scalar.digitValue != nil
        default: scalar.isASCIILetter
        }
      guard fits else { return .nothing }
      index = next
    }
    guard let (after, _) = text.scalar(at: index) else { return .unsure(index) }
    return after.isWordCharacter ? .nothing : .found(index)
  }
}
