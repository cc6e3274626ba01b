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
    let digits = hex.utf8.map { Self.value(ofHexDigit: $0) }
    guard digits.count == 64 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(32)
    for i in stride(from: 0, to: 64, by: 2) {
      guard let high = digits[i], let low = digits[i + 1] else { return nil }
      bytes.append(high << 4 | low)
    }
    self.bytes = bytes
  }

  /// The digest of `content`.
  package init(of content: some DataProtocol) {
    bytes = Array(SHA256.hash(data: content))
  }

  package var hex: String {
    String(unsafeUninitializedCapacity: 64) { text in
      for (index, byte) in bytes.enumerated() {
        text[2 * index] = Self.hexDigit(byte >> 4)
        text[2 * index + 1] = Self.hexDigit(byte & 0x0F)
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

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  private static func value(ofHexDigit c: UInt8) -> UInt8? {
    switch c {
    case UInt8(ascii: "0") ... UInt8(ascii: "9"): c - UInt8(ascii: "0")
    case UInt8(ascii: "a") ... UInt8(ascii: "f"): c - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}
