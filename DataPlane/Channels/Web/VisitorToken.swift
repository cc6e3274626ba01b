internal import Crypto
internal import Foundation

/// A web visitor's signed token: who they are at one host, and nowhere else.
///
/// `<visitor>.<HMAC-SHA256(key, "visitor\0host\0visitor")>`, both in URL-safe Base64 without padding.
struct VisitorToken: Hashable, Sendable {
  static let cookieName = "bindery_visitor"
  /// A year, in seconds.
  static let lifetime = 31_536_000

  let visitor: UUID

  init(visitor: UUID) { self.visitor = visitor }

  /// nil when it was not signed with this key for this host.
  init?(_ text: String, host: String, key: SymmetricKey) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, let id = Self.bytes(parts[0]), id.count == 16,
      let code = Self.bytes(parts[1])
    else { return nil }
    let visitor = id.withUnsafeBytes { $0.loadUnaligned(as: uuid_t.self) }
    self.visitor = UUID(uuid: visitor)
    guard
      HMAC<SHA256>.isValidAuthenticationCode(
        code,
        authenticating: Self.signed(self.visitor, host),
        using: key
      )
    else { return nil }
  }

  func text(host: String, key: SymmetricKey) -> String {
    let id = withUnsafeBytes(of: visitor.uuid) { Data($0) }
    let code = HMAC<SHA256>.authenticationCode(for: Self.signed(visitor, host), using: key)
    return Self.base64(id) + "." + Self.base64(Data(code))
  }

  /// The cookie's value in a Cookie header (RFC 6265, section 4.2); the first of that name.
  static func value(inCookies header: String) -> String? {
    for pair in header.split(separator: ";") {
      let parts = pair.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == cookieName else {
        continue
      }
      return parts[1].trimmingCharacters(in: .whitespaces)
    }
    return nil
  }

  private static func signed(_ visitor: UUID, _ host: String) -> Data {
    Data("visitor\0\(host)\0\(visitor.uuidString)".utf8)
  }

  private static func base64(_ data: Data) -> String {
    data.base64EncodedString().replacingOccurrences(of: "+", with: "-")
      .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
  }

  private static func bytes(_ text: Substring) -> Data? {
    guard text.utf8.count <= 64 else { return nil }
    let plain = text.replacingOccurrences(of: "-", with: "+")
      .replacingOccurrences(of: "_", with: "/")
    return Data(base64Encoded: plain + String(repeating: "=", count: (4 - plain.count % 4) % 4))
  }
}
