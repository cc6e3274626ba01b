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
    var text = "{"
    for (index, element) in array.enumerated() {
      if index > 0 { text += "," }
      switch element.postgresParameter.content {
      case .null: text += "NULL"
      case .text(let value): text += quotedElement(value)
      case .bytes(let bytes):
        text += quotedElement(String(decoding: hexText(bytes), as: UTF8.self))
      case .invalid(let reason): return PostgresParameter(content: .invalid(reason), type: 0)
      }
    }
    return .text(text + "}")
  }

  package static func decodePostgresArray(_ cell: PostgresCell) throws -> [Self] {
    try ArrayText.elements(of: cell.bytes).map { element in
      guard var element else { return try decodePostgres(nil) }
      return try element.withUTF8 { try decodePostgres(PostgresCell(bytes: $0, type: 0)) }
    }
  }
}

private func quotedElement(_ text: String) -> String {
  // Most texts hold nothing to escape.
  guard text.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\"") }) else {
    return "\"" + text + "\""
  }
  return "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
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
      if text[position] == UInt8(ascii: "\"") {
        quoted = true
        position += 1
        while position < end, text[position] != UInt8(ascii: "\"") {
          if text[position] == UInt8(ascii: "\\") { position += 1 }
          guard position < end else { throw malformed }
          bytes.append(text[position])
          position += 1
        }
        guard position < end else { throw malformed }
        position += 1
      } else {
        while position < end, text[position] != UInt8(ascii: ",") {
          guard text[position] != UInt8(ascii: "{") else { throw malformed }
          if text[position] == UInt8(ascii: "\\") { position += 1 }
          guard position < end else { throw malformed }
          bytes.append(text[position])
          position += 1
        }
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
