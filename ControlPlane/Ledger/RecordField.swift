package import Domain
package import Foundation
package import Postgres

/// Reads the fields of a record into what columns take.
package enum RecordField {
  package static func id(_ bytes: Data, _ field: String) throws -> JSONValue {
    guard let id = MessageID(bytes: bytes) else { throw TurnRecordError.malformed(field) }
    return .string(id.description)
  }

  /// Null when empty.
  package static func optionalID(_ bytes: Data, _ field: String) throws -> JSONValue {
    bytes.isEmpty ? .null : try id(bytes, field)
  }

  package static func uuid(_ bytes: Data, _ field: String) throws -> UUID {
    guard let id = MessageID(bytes: bytes) else { throw TurnRecordError.malformed(field) }
    return id.uuid
  }

  /// PostgreSQL's text holds no NUL.
  package static func text(_ text: String) -> JSONValue {
    .string(text.utf8.contains(0) ? text.replacing("\0", with: "") : text)
  }

  /// JSON without NUL, which `jsonb` refuses; `empty` for an empty text.
  package static func json(_ text: String, empty: JSONValue, _ field: String) throws -> JSONValue {
    if text.isEmpty { return empty }
    do {
      let value = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
      return text.contains("\\u0000") ? withoutNUL(value) : value
    } catch {
      throw TurnRecordError.malformed(field)
    }
  }

  private static func withoutNUL(_ value: JSONValue) -> JSONValue {
    switch value {
    case .string(let string): text(string)
    case .array(let elements): .array(elements.map(withoutNUL))
    case .object(let members):
      .object(
        Dictionary(
          members.map { ($0.key.replacing("\0", with: ""), withoutNUL($0.value)) },
          uniquingKeysWith: { first, _ in first }
        )
      )
    default: value
    }
  }

  package static func rows(_ rows: [JSONValue]) throws -> PostgresJSON {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return PostgresJSON(String(decoding: try encoder.encode(JSONValue.array(rows)), as: UTF8.self))
  }
}
