package import Domain
internal import Foundation

/// The text of an access token: "bnd_", ten characters that name it, "_", and 256 random bits.
///
/// Only its SHA-256 is kept: with that many random bits nothing slower is needed. Neither the type's
/// description nor its reflection shows the secret part.
package struct TokenText: Sendable {
  package static let prefix = "bnd_"
  static let idLength = 10
  /// 256 bits in base 32.
  static let secretLength = 52

  /// The part that may be shown.
  package let id: String
  private let secret: String

  /// A new one, from the system's generator.
  ///
  /// - Parameter id: Of the token that gets another text; nil for a new token.
  package static func make(id: String? = nil) -> TokenText {
    var generator = SystemRandomNumberGenerator()
    return TokenText(
      id: id ?? randomText(idLength, &generator),
      secret: randomText(secretLength, &generator)
    )
  }

  /// Reads a token; nil for any other text.
  package init?(_ text: String) {
    let bytes = Array(text.utf8)
    let start = Self.prefix.utf8.count
    guard bytes.count == start + Self.idLength + 1 + Self.secretLength,
      text.hasPrefix(Self.prefix), bytes[start + Self.idLength] == UInt8(ascii: "_")
    else { return nil }
    let id = bytes[start ..< start + Self.idLength]
    let secret = bytes[(start + Self.idLength + 1)...]
    guard id.allSatisfy(Self.alphabet.contains), secret.allSatisfy(Self.alphabet.contains)
    else { return nil }
    self.id = String(decoding: id, as: UTF8.self)
    self.secret = String(decoding: secret, as: UTF8.self)
  }

  /// Whether a text can be a token's public part at all.
  static func isID(_ text: String) -> Bool {
    text.utf8.count == idLength && text.utf8.allSatisfy(alphabet.contains)
  }

  private init(id: String, secret: String) {
    self.id = id
    self.secret = secret
  }

  /// To be shown once.
  package var text: String { "\(Self.prefix)\(id)_\(secret)" }

  /// What is stored and looked for.
  package var hash: Digest { Digest(of: Data(text.utf8)) }

  /// RFC 4648's base 32, in lower case.
  private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

  private static func randomText(
    _ length: Int,
    _ generator: inout SystemRandomNumberGenerator
  ) -> String {
    // 32 letters: five bits each, all alike.
    let letters = (0 ..< length).map { _ in alphabet[Int.random(in: 0 ..< 32, using: &generator)] }
    return String(decoding: letters, as: UTF8.self)
  }
}

extension TokenText: CustomStringConvertible, CustomReflectable {
  package var description: String { "\(Self.prefix)\(id)_…" }
  package var customMirror: Mirror { Mirror(self, children: ["id": id]) }
}
