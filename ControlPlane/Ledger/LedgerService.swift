package import Domain
internal import Foundation
package import Logging
internal import Postgres
package import Store
internal import SwiftProtobuf
package import Wire

/// Stores what nodes spooled, exactly once: a cursor for each spool tells what is stored already,
/// and rows that came by another way are told by their ids.
package struct LedgerService: Sendable {
  let store: Store
  private let logger: Logger
  /// A transaction that lost against another one is tried again this often.
  private let attempts = 5
  /// Round trips are saved by sending many statements at once, as long as their memory stays small.
  private let statementsPerTrip = 256

  package init(store: Store, logger: Logger) {
    self.store = store
    self.logger = logger
  }

  /// Stores records of one spool, in the order of their sequence.
  ///
  /// All go in one transaction. When the database refuses one of them, each gets its own, and what is
  /// refused then is set aside: kept with the reason, and never in the way of the others.
  ///
  /// - Parameter servedTenants: Those that the node may serve; nil for all. Records of others are set
  ///   aside, too, as nobody's.
  /// - Throws: `PostgresError` when the database can't be reached; nothing is acknowledged then.
  package func record(
    _ batch: [Bindery_V1_RecordRequest],
    servedTenants: Set<TenantID>? = nil
  ) async throws -> Bindery_V1_RecordResponse {
    guard let first = batch.first, let incarnation = MessageID(bytes: first.spoolIncarnation) else {
      return Bindery_V1_RecordResponse()
    }
    let spool = Spool(nodeID: first.nodeID, incarnation: incarnation.uuid)
    var response = Bindery_V1_RecordResponse()
    do {
      response.committedSequence = try await commit(batch, of: spool, servedTenants)
    } catch {
      guard SetAsideReason(error) != nil else { throw error }
      for request in batch {
        do {
          response.committedSequence = try await commit([request], of: spool, servedTenants)
        } catch {
          guard let aside = SetAsideReason(error)?.setAside(request) else { throw error }
          response.committedSequence = try await setAside(request, aside, of: spool)
          response.setAside.append(aside)
        }
      }
    }
    return response
  }

  private struct Spool: Sendable {
    let nodeID: String
    let incarnation: UUID
  }

  /// Returns how far the spool is stored afterwards.
  private func commit(
    _ batch: [Bindery_V1_RecordRequest],
    of spool: Spool,
    _ servedTenants: Set<TenantID>?
  ) async throws -> UInt64 {
    try await retrying {
      try await store.app.withTransaction { connection in
        let stored = try await lock(spool, on: connection)
        let fresh = batch.filter { Int64(clamping: $0.sequence) > stored }
        guard let last = fresh.last else { return UInt64(clamping: stored) }
        var statements: [SQL] = []
        var current: TenantID?
        for request in fresh {
          guard let tenant = TenantID(bytes: request.record.tenantID) else {
            throw TurnRecordError.malformed("tenant_id")
          }
          if servedTenants?.contains(tenant) == false { throw TurnRecordError.tenantNotServed }
          if tenant != current { statements.append(Self.enter(tenant)) }
          current = tenant
          statements += try TurnRecordStatements(request.record, epoch: nil).all
          if statements.count >= statementsPerTrip {
            _ = try await connection.pipeline(statements)
            statements = []
          }
        }
        statements.append(advance(spool, to: last.sequence))
        _ = try await connection.pipeline(statements)
        return last.sequence
      }
    }
  }

  private func setAside(
    _ request: Bindery_V1_RecordRequest,
    _ aside: Bindery_V1_SetAside,
    of spool: Spool
  ) async throws -> UInt64 {
    logger.error(
      "a record was set aside",
      metadata: [
        "node": "\(spool.nodeID)", "sequence": "\(aside.sequence)", "code": "\(aside.code)",
      ]
    )
    return try await retrying {
      try await store.app.withTransaction { connection in
        let stored = try await lock(spool, on: connection)
        guard Int64(clamping: request.sequence) > stored else { return UInt64(clamping: stored) }
        // Only a tenant that exists is named; a foreign key would refuse any other. Nor does a node
        // write anything into a tenant that it may not serve.
        var owner = ""
        var bytes: [UInt8] = try request.record.serializedBytes()
        if try await isErased(request.record, on: connection) {
          bytes = []
          if aside.code == TurnRecordError.personErased.code {
            try await bill(request.record, on: connection)
          }
        }
        if aside.code != TurnRecordError.tenantNotServed.code,
          let tenant = TenantID(bytes: request.record.tenantID)
        {
          try await connection.query(Self.enter(tenant))
          let known = try await connection.query("select 1 from tenants where id = \(tenant.uuid)")
          if !known.isEmpty { owner = tenant.description }
        }
        try await connection.execute(
          SQL(
            """
            insert into ledger_set_aside
              (node_id, spool_incarnation, sequence, tenant_id, code, message, record)
            values (\(spool.nodeID), \(spool.incarnation), \(Int64(clamping: request.sequence)),
              nullif(\(owner), '')::uuid, \(aside.code), \(aside.message), \(bytes))
            on conflict do nothing
            """,
            name: "ledger-set-aside"
          )
        )
        try await connection.execute(advance(spool, to: request.sequence))
        return request.sequence
      }
    }
  }

  /// Whether the record's person was erased since; it is counted then, and its content kept nowhere.
  private func isErased(
    _ record: Bindery_V1_TurnRecord,
    on connection: PostgresConnection
  ) async throws -> Bool {
    guard let tenant = TenantID(bytes: record.tenantID) else { return false }
    let session = record.session
    let (channel, person) = (clean(session.channel), clean(session.externalID))
    // Up to the end of year 9999: a time that no column takes must not fail here, too.
    let started = min(max(session.startedAtMs, 0), 253_402_300_799_000)
    let results = try await connection.pipeline([
      Self.enter(tenant),
      "select pg_advisory_xact_lock_shared(person_key(person_name(\(channel), \(person))))",
      """
      select is_erased(\(channel), \(person),
        to_timestamp(\(started)::bigint / 1000.0)) as erased
      """,
    ])
    let isErased = try results.last?.first?.decode("erased", as: Bool.self) ?? false
    if isErased {
      try await connection.query("select note_late_record(\(channel), \(person))")
    }
    try await connection.query("select set_config('bindery.tenant_id', '', true)")
    return isErased
  }

  /// Keeps what was used of a record that is dropped. Numbers that no column takes are dropped, too.
  private func bill(
    _ record: Bindery_V1_TurnRecord,
    on connection: PostgresConnection
  ) async throws {
    guard let tenant = TenantID(bytes: record.tenantID) else { return }
    do {
      guard let billing = try LateBilling(record) else { return }
      _ = try await connection.pipeline([Self.enter(tenant), "savepoint billing"])
      try await connection.execute(billing.statement)
    } catch let error where error is TurnRecordError || SetAsideReason(error) != nil {
      logger.error(
        "model calls of a dropped record are not billed",
        metadata: ["error": "\(error)"]
      )
      guard !(error is TurnRecordError) else { return }
      try await connection.query("rollback to savepoint billing")
    }
    try await connection.query("select set_config('bindery.tenant_id', '', true)")
  }

  /// PostgreSQL's text holds no NUL.
  private func clean(_ text: String) -> String { text.replacing("\0", with: "") }

  /// Locks the spool's cursor for the transaction; makes it when the spool is new.
  private func lock(_ spool: Spool, on connection: PostgresConnection) async throws -> Int64 {
    let results = try await connection.pipeline([
      SQL(
        """
        insert into ledger_cursors (node_id, spool_incarnation, committed_sequence)
        values (\(spool.nodeID), \(spool.incarnation), 0) on conflict do nothing
        """,
        name: "ledger-cursor"
      ),
      SQL(
        """
        select committed_sequence from ledger_cursors
        where node_id = \(spool.nodeID) and spool_incarnation = \(spool.incarnation) for update
        """,
        name: "ledger-lock"
      ),
    ])
    return try results.last?.first?.decode("committed_sequence") ?? 0
  }

  private func advance(_ spool: Spool, to sequence: UInt64) -> SQL {
    SQL(
      """
      update ledger_cursors
      set committed_sequence = \(Int64(clamping: sequence)), updated_at = now()
      where node_id = \(spool.nodeID) and spool_incarnation = \(spool.incarnation)
      """,
      name: "ledger-advance"
    )
  }

  /// Row-level security shows and takes this tenant's rows from here on.
  private static func enter(_ tenant: TenantID) -> SQL {
    SQL("select set_config('bindery.tenant_id', \(tenant.description), true)", name: "enter")
  }

  private func retrying<T: Sendable>(_ body: () async throws -> T) async throws -> T {
    var attempt = 1
    while true {
      do {
        return try await body()
      } catch let error as PostgresError where error.isRetryable && attempt < attempts {
        attempt += 1
      }
    }
  }
}
