/// Reads e-mail addresses (RFC 5321's lengths, the usual characters) and UPI addresses.
///
/// `name@handle` is UPI's where the handle is a known one; a dotted domain makes it e-mail.
struct AddressReader {
  let text: ScalarText
  let kinds: Set<PersonalData.Kind>

  private static let longestLocalPart = 256
  private static let longestDomain = 253

  func verdict(at start: Int) -> PersonalData.Verdict {
    var index = start
    while let (scalar, next) = text.scalar(at: index), scalar != "@" {
      guard Self.isLocal(scalar), next - start <= Self.longestLocalPart else { return .nothing }
      index = next
    }
    guard index < text.bytes.count else { return .unsure(nil) }
    return domain(at: index + 1)
  }

  private func domain(at start: Int) -> PersonalData.Verdict {
    var index = start
    while let (scalar, next) = text.scalar(at: index), Self.isDomain(scalar) {
      guard next - start <= Self.longestDomain else { return .nothing }
      index = next
    }
    var end = index
    while end > start, [UInt8(ascii: "."), UInt8(ascii: "-")].contains(text.bytes[end - 1]) {
      end -= 1
    }
    let isHit = fits(text.bytes[start ..< end])
    if index == text.bytes.count { return .unsure(isHit ? end : nil) }
    return isHit ? .found(end) : .nothing
  }

  private func fits(_ domain: Slice<UnsafeRawBufferPointer>) -> Bool {
    let labels = domain.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard let last = labels.last, labels.allSatisfy({ !$0.isEmpty }) else { return false }
    guard labels.count > 1 else {
      return kinds.contains(.upi)
        && Self.handles.contains(String(decoding: last, as: UTF8.self).lowercased())
    }
    return kinds.contains(.email) && last.count >= 2
      && last.allSatisfy { Unicode.Scalar($0).isASCIILetter }
  }

  private static func isLocal(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCIILetter || scalar.digitValue != nil
      || [".", "_", "%", "+", "-"].contains(scalar)
  }

  private static func isDomain(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCIILetter || ("0" ... "9").contains(scalar) || scalar == "." || scalar == "-"
  }

  /// Handles of the payment apps and banks on UPI.
  private static let handles: Set<String> = [
    "airtel", "allbank", "apl", "aubank", "axis", "axisb", "axisbank", "axl", "barodampay",
    "centralbank", "cnrb", "dbs", "fbl", "federal", "freecharge", "goaxb", "hdfcbank", "hsbc",
    "ibl", "icici", "idbi", "idfcbank", "idfcfirst", "ikwik", "indianbank", "indus", "iob", "jio",
    "jupiteraxis", "kbl", "kotak", "kmbl", "kvb", "mahb", "naviaxis", "okaxis", "okhdfcbank",
    "okicici", "oksbi", "paytm", "pingpay", "pnb", "postbank", "ptaxis", "pthdfc", "ptsbi", "ptyes",
    "pz", "rapl", "rbl", "sbi", "sib", "slice", "superyes", "tapicici", "timecosmos", "uboi", "uco",
    "unionbank", "upi", "waaxis", "wahdfcbank", "waicici", "wasbi", "yapl", "ybl", "yesbank",
    "yesg", "yespay", "yespop", "zoicici",
  ]
}
