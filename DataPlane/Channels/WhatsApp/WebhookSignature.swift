internal import Crypto
internal import Foundation

/// The header X-Hub-Signature-256: `sha256=` and the HMAC-SHA256 of the raw body in lower-case hex.
enum WebhookSignature {
  enum Verdict: Hashable {
    case good
    case missing
    case wrong
  }

  /// Checks in constant time. The body is the bytes as they came: a re-encoded one never matches.
  static func check(_ header: String?, body: some DataProtocol, secret: String) -> Verdict {
    guard let header, !header.isEmpty else { return .missing }
    guard header.hasPrefix("sha256="), let code = bytes(hex: header.dropFirst(7)) else {
      return .wrong
    }
    let key = SymmetricKey(data: Data(secret.utf8))
    return HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: body, using: key)
      ? .good : .wrong
  }

  /// Compares two tokens in a time that does not tell where they differ.
  static func areEqual(_ one: String, _ other: String) -> Bool {
    let key = SymmetricKey(size: .bits256)
    let code = HMAC<SHA256>.authenticationCode(for: Data(one.utf8), using: key)
    return HMAC<SHA256>.isValidAuthenticationCode(
      code,
      authenticating: Data(other.utf8),
      using: key
    )
  }

  private static func bytes(hex: Substring) -> [UInt8]? {
    let digits = Array(hex.utf8)
    guard digits.count == 64 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = nibble(digits[index]), let low = nibble(digits[index + 1]) else {
        return nil
      }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func nibble(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0") ... UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a") ... UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}
