package import Foundation

extension String: PostgresArrayElement {}
extension Int: PostgresArrayElement {}
extension Int16: PostgresArrayElement {}
extension Int32: PostgresArrayElement {}
extension Int64: PostgresArrayElement {}
extension Double: PostgresArrayElement {}
extension Bool: PostgresArrayElement {}
extension UUID: PostgresArrayElement {}
extension Date: PostgresArrayElement {}

/// The text form of one-dimensional arrays (PostgreSQL manual, 8.15.6).
extension PostgresArrayElement where Self: PostgresValue {
  package static func encodePostgresArray(_ array: [Self]) -> PostgresParameter {
    var text = [UInt8(ascii: "{")]
    text.reserveCapacity(2 + 40 * array.count)
    for (index, element) in array.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      switch element.postgresParameter.content {
      case .null: text += "NULL".utf8
      case .text(var value): value.withUTF8 { appendQuoted($0, to: &text) }
      case .bytes(let bytes):
        hexText(bytes).withUnsafeBufferPointer { appendQuoted($0, to: &text) }
      case .invalid(let reason): return PostgresParameter(content: .invalid(reason), type: 0)
      }
    }
    text.append(UInt8(ascii: "}"))
    // What cannot be in a text was refused element by element.
    return PostgresParameter(content: .text(String(decoding: text, as: UTF8.self)), type: 0)
  }

  package static func decodePostgresArray(_ cell: PostgresCell) throws -> [Self] {
    try ArrayText.elements(of: cell.bytes).map { element in
      guard var element else { return try decodePostgres(nil) }
      return try element.withUTF8 { try decodePostgres(PostgresCell(bytes: $0, type: 0)) }
    }
  }
}

/// What needs no escape goes over in one piece.
private func appendQuoted(_ value: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]) {
  text.append(UInt8(ascii: "\""))
  var start = value.startIndex
  for (index, byte) in value.enumerated()
  where byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "\"") {
    text.append(contentsOf: value[start ..< index])
    text.append(UInt8(ascii: "\\"))
    start = index
  }
  text.append(contentsOf: value[start...])
  text.append(UInt8(ascii: "\""))
}

/// Reads `{a,"b c",NULL}`: nil is NULL.
private enum ArrayText {
  static func elements(of text: UnsafeBufferPointer<UInt8>) throws -> [String?] {
    let malformed = PostgresDecodingFailure("is no one-dimensional array")
    guard text.count >= 2, text[0] == UInt8(ascii: "{"), text[text.count - 1] == UInt8(ascii: "}")
    else { throw malformed }
    var elements: [String?] = []
    var position = 1
    let end = text.count - 1
    while position < end {
      var bytes: [UInt8] = []
      var quoted = false
      var start = position
      if text[position] == UInt8(ascii: "\"") {
        quoted = true
        position += 1
        start = position
        while position < end, text[position] != UInt8(ascii: "\"") {
          if text[position] == UInt8(ascii: "\\") {
            bytes += text[start ..< position]
            position += 1
            start = position
          }
          position += 1
        }
        guard position < end else { throw malformed }
        bytes += text[start ..< position]
        position += 1
      } else {
        while position < end, text[position] != UInt8(ascii: ",") {
          guard text[position] != UInt8(ascii: "{") else { throw malformed }
          if text[position] == UInt8(ascii: "\\") {
            bytes += text[start ..< position]
            position += 1
            guard position < end else { throw malformed }
            start = position
          }
          position += 1
        }
        bytes += text[start ..< position]
      }
      let element = String(decoding: bytes, as: UTF8.self)
      elements.append(!quoted && element == "NULL" ? nil : element)
      if position < end {
        guard text[position] == UInt8(ascii: ","), position + 1 < end else { throw malformed }
        position += 1
      }
    }
    return elements
  }
}
