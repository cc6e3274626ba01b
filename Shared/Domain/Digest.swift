internal import Crypto
package import Foundation

/// A SHA-256 digest (FIPS 180-4), the name of immutable content. In text 64 lower-case hex digits.
package struct Digest: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
  /// 32 bytes.
  package let bytes: [UInt8]

  /// Reads 32 bytes; nil for any other count.
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    self.bytes = Array(bytes)
  }

  /// Parses 64 hex digits; nil for anything else.
  package init?(hex: String) {
    var hex = hex
    let bytes = hex.withUTF8 { digits -> [UInt8]? in
      guard digits.count == 64 else { return nil }
      var bytes: [UInt8] = []
      bytes.reserveCapacity(32)
      for i in stride(from: 0, to: 64, by: 2) {
        guard let high = Self.value(ofHexDigit: digits[i]),
          let low = Self.value(ofHexDigit: digits[i + 1])
        else { return nil }
        bytes.append(high << 4 | low)
      }
      return bytes
    }
    guard let bytes else { return nil }
    self.bytes = bytes
  }

  /// The digest of `content`.
  package init(of content: some DataProtocol) {
    bytes = Array(SHA256.hash(data: content))
  }

  package var hex: String {
    String(unsafeUninitializedCapacity: 64) { text in
      for (index, byte) in bytes.enumerated() {
        text[2 * index] = hexDigit(byte >> 4)
        text[2 * index + 1] = hexDigit(byte & 0x0F)
      }
      return 64
    }
  }
  package var data: Data { Data(bytes) }
  package var description: String { hex }

  package static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let digest = Self(hex: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a digest")
    }
    self = digest
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(hex)
  }

  private static func value(ofHexDigit c: UInt8) -> UInt8? {
    // Lower-case only: a digest has one text.
    (UInt8(ascii: "A") ... UInt8(ascii: "F")).contains(c) ? nil : valueOfHexDigit(c)
  }
}
