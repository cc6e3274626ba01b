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

  /// What is wrong with it.
  package let message: String

  /// Written by a node that may not serve its tenant, or may no longer.
  package static let tenantNotServed = TurnRecordError(
    code: "TENANT_NOT_SERVED",
    field: "tenant_id",
    message: "the node may not serve this tenant; what it is bound to has changed"
  )

  /// Of a person whom the tenant has erased since.
  package static let personErased = TurnRecordError(
    code: "PERSON_ERASED",
    field: "session.external_id",
    message: "the person was erased after this session began; the record was dropped"
  )

  package static func malformed(_ field: String) -> TurnRecordError {
    TurnRecordError(code: "MALFORMED", field: field, message: "\(field) cannot be read")
  }

  package var description: String { "\(code): \(message)" }
}
