package import Foundation

/// A type that can stand in an array. `UInt8` is the exception: `[UInt8]` is `bytea`.
package protocol PostgresArrayElement: Sendable {
  static var postgresArrayType: UInt32 { get }
  static func encodePostgresArray(_ array: [Self]) -> PostgresParameter
  static func decodePostgresArray(_ cell: PostgresCell) throws -> [Self]
}

extension PostgresArrayElement {
  package static var postgresArrayType: UInt32 { 0 }
}

extension Array: PostgresValue where Element: PostgresArrayElement {
  package static var postgresType: UInt32 { Element.postgresArrayType }

  package var postgresParameter: PostgresParameter { Element.encodePostgresArray(self) }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> [Element] {
    guard let cell else { throw PostgresDecodingFailure.null([Element].self) }
    return try Element.decodePostgresArray(cell)
  }
}

extension UInt8: PostgresArrayElement {
  package static var postgresArrayType: UInt32 { TypeOID.bytea }

  package static func encodePostgresArray(_ array: [UInt8]) -> PostgresParameter { .bytes(array) }

  /// The hex form of `bytea` (PostgreSQL manual, 8.4.1).
  package static func decodePostgresArray(_ cell: PostgresCell) throws -> [UInt8] {
    let text = cell.bytes
    guard text.count >= 2, text.count % 2 == 0, text[0] == UInt8(ascii: "\\"),
      text[1] == UInt8(ascii: "x")
    else { throw PostgresDecodingFailure("is no bytea") }
    let count = text.count / 2 - 1
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      for index in 0 ..< count {
        guard let high = nibble(text[2 * index + 2]), let low = nibble(text[2 * index + 3]) else {
          throw PostgresDecodingFailure("is no bytea")
        }
        buffer[index] = high << 4 | low
        initialized = index + 1
      }
    }
  }
}

private func nibble(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "0") ... UInt8(ascii: "9"): digit - UInt8(ascii: "0")
  case UInt8(ascii: "a") ... UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A") ... UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
  default: nil
  }
}

func hexText(_ bytes: [UInt8]) -> [UInt8] {
  let digits = Array("0123456789abcdef".utf8)
  var text = Array("\\x".utf8)
  text.reserveCapacity(2 + 2 * bytes.count)
  for byte in bytes {
    text.append(digits[Int(byte >> 4)])
    text.append(digits[Int(byte & 15)])
  }
  return text
}

extension Data: PostgresValue {
  package static var postgresType: UInt32 { TypeOID.bytea }

  package var postgresParameter: PostgresParameter { .bytes([UInt8](self)) }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> Data {
    Data(try [UInt8].decodePostgres(cell))
  }
}
