internal import Domain
internal import Foundation
package import Postgres
package import Wire

/// Writes the rows of one turn, exactly once however often it is written.
///
/// Rows are told apart by the ids that the node minted. Writing a record again, or a second bundle
/// of the same turn with more rows, adds what is missing and changes nothing that is final.
package struct TurnRecordWriter: Sendable {
  package init() {}

  /// Writes the session (opened when it is not there, with its user), messages, calls, violations,
  /// the turn, and the outbox; settles the inputs and the lease of a turn that ended.
  ///
  /// - Parameters:
  ///   - record: all of one tenant.
  ///   - epoch: of the lease that the turn commits under; nil when it comes by the ledger.
  ///   - connection: in a transaction with `Store.settings(for:)` of the record's tenant.
  /// - Throws: `TurnRecordError` for a record that cannot be read; `PostgresError`, such as a
  ///   foreign key violation when it refers to another tenant's rows.
  package func write(
    _ record: Bindery_V1_TurnRecord,
    epoch: Int64? = nil,
    on connection: PostgresConnection
  ) async throws {
    _ = try await connection.pipeline(try TurnRecordStatements(record, epoch: epoch).all)
  }
}

/// Why a record can never be stored. Names the field, never its content.
package struct TurnRecordError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Stable.
  package let code: String
  /// The path of the field, such as "messages.message_id".
  package let field: String

  package static func malformed(_ field: String) -> TurnRecordError {
    TurnRecordError(code: "MALFORMED", field: field)
  }

  package var description: String { "\(code): \(field) cannot be read" }
}

/// Reads the fields of a record into what columns take.
enum RecordField {
  static func id(_ bytes: Data, _ field: String) throws -> JSONValue {
    guard let id = MessageID(bytes: bytes) else { throw TurnRecordError.malformed(field) }
    return .string(id.description)
  }

  /// Null when empty.
  static func optionalID(_ bytes: Data, _ field: String) throws -> JSONValue {
    bytes.isEmpty ? .null : try id(bytes, field)
  }

  static func uuid(_ bytes: Data, _ field: String) throws -> UUID {
    guard let id = MessageID(bytes: bytes) else { throw TurnRecordError.malformed(field) }
    return id.uuid
  }

  /// PostgreSQL's text holds no NUL.
  static func text(_ text: String) -> JSONValue {
    .string(text.utf8.contains(0) ? text.replacing("\0", with: "") : text)
  }

  /// JSON without NUL, which `jsonb` refuses; `empty` for an empty text.
  static func json(_ text: String, empty: JSONValue, _ field: String) throws -> JSONValue {
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

  static func rows(_ rows: [JSONValue]) throws -> PostgresJSON {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return PostgresJSON(String(decoding: try encoder.encode(JSONValue.array(rows)), as: UTF8.self))
  }
}
