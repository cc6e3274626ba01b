internal import Domain
internal import Foundation
internal import Ledger
package import Logging
internal import Postgres
package import Store
package import Wire

/// Holds conversations for the nodes: what came in, who answers, what was answered.
///
/// Each call works for the one tenant that its conversation names, under row-level security, and
/// locks only that conversation.
package struct ConversationService: Sendable {
  /// How long work may lie before it is offered to any node.
  package struct Patience: Sendable {
    /// The node that accepted an input begins its turn by itself.
    package var due: Duration = .seconds(2)
    /// Longer than a node tries to send.
    package var send: Duration = .seconds(30)
    /// A piece that was offered is not offered again for so long.
    package var again: Duration = .seconds(15)

    package init() {}
  }

  let store: Store
  let patience: Patience
  let logger: Logger
  private let writer = TurnRecordWriter()

  package init(store: Store, patience: Patience = Patience(), logger: Logger) {
    self.store = store
    self.patience = patience
    self.logger = logger
  }

  /// Stores an inbound message, once. One round trip to the database.
  package func accept(
    _ request: Bindery_V1_AcceptRequest
  ) async throws -> Bindery_V1_AcceptResponse {
    let conversation = try Conversation(request.conversation)
    let message = try Self.message(request.message)
    let row = try await one(
      conversation.tenantID,
      SQL(
        """
        select disposition, due_in_ms from accept_input(\(conversation.arguments),
          \(message)::jsonb, \(clamped(request.quietMs))::bigint,
          \(clamped(request.latestMs))::bigint)
        """,
        name: "accept"
      )
    )
    var response = Bindery_V1_AcceptResponse()
    response.dueInMs = try row.decode("due_in_ms")
    switch try row.decode("disposition", as: String.self) {
    case "accepted": response.disposition = .accepted
    case "duplicate": response.disposition = .duplicate
    case "held": response.disposition = .held
    case "refused": response.disposition = .refused
    default: response.disposition = .unknown
    }
    return response
  }

  /// Leases the due inputs and returns all that a turn needs. One round trip to the database.
  package func beginTurn(
    _ request: Bindery_V1_BeginTurnRequest
  ) async throws -> Bindery_V1_BeginTurnResponse {
    let conversation = try Conversation(request.conversation)
    let turn = try Self.uuid(request.turnID, "turn_id")
    let session = try Self.uuid(request.newSessionID, "new_session_id")
    let message: SQL =
      request.hasMessage ? "\(try Self.message(request.message))::jsonb" : "null::jsonb"
    let row = try await one(
      conversation.tenantID,
      SQL(
        """
        select begin_turn(\(conversation.arguments), \(request.nodeID)::text, \(turn)::uuid,
          \(session)::uuid, \(message), \(clamped(request.leaseMs))::bigint,
          \(min(max(request.historyLimit, 0), 1000))::int, \(clamped(request.idleMs))::bigint,
          \(request.locale)::text) as opening
        """,
        name: "begin-turn"
      )
    )
    return try TurnOpening(row).response(of: conversation)
  }

  /// Extends a session lease; false once another epoch has begun or the turn has ended.
  package func renew(_ request: Bindery_V1_RenewRequest) async throws -> Bindery_V1_RenewResponse {
    let conversation = try Conversation(request.conversation)
    let row = try await one(
      conversation.tenantID,
      SQL(
        """
        select renew_lease(\(conversation.arguments), \(request.epoch)::bigint,
          \(clamped(request.leaseMs))::bigint) as renewed
        """,
        name: "renew"
      )
    )
    var response = Bindery_V1_RenewResponse()
    response.renewed = try row.decode("renewed")
    return response
  }

  /// Notes a step before its effect; false when the lease is lost.
  package func journal(
    _ request: Bindery_V1_JournalRequest
  ) async throws -> Bindery_V1_JournalResponse {
    let conversation = try Conversation(request.conversation)
    let turn = try Self.uuid(request.turnID, "turn_id")
    let payload: JSONValue
    do {
      payload = try RecordField.json(
        request.entry.payloadJson,
        empty: .object([:]),
        "entry.payload_json"
      )
    } catch let error as TurnRecordError {
      throw ConversationError.malformed(field: error.field)
    }
    let row = try await one(
      conversation.tenantID,
      SQL(
        """
        select journal_step(\(conversation.arguments), \(request.epoch)::bigint, \(turn)::uuid,
          \(request.entry.step)::int, \(request.entry.kind)::text,
          \(try payload.postgres)::jsonb) as accepted
        """,
        name: "journal"
      )
    )
    var response = Bindery_V1_JournalResponse()
    response.accepted = try row.decode("accepted")
    return response
  }

  /// Stores the reply with all records and ends the lease, in one transaction.
  package func commitTurn(
    _ request: Bindery_V1_CommitTurnRequest
  ) async throws -> Bindery_V1_CommitTurnResponse {
    let conversation = try Conversation(request.conversation)
    let turn = try Self.uuid(request.record.turnID, "record.turn_id")
    guard TenantID(bytes: request.record.tenantID) == conversation.tenantID else {
      throw ConversationError.malformed(field: "record.tenant_id")
    }
    guard BindingID(bytes: request.record.bindingID) == conversation.bindingID else {
      throw ConversationError.malformed(field: "record.binding_id")
    }
    let inputs = try request.inputIds.map { try Self.uuid($0, "input_ids") }
    return try await ConversationError.translating {
      try await store.app.withTransaction(settings: Store.settings(for: conversation.tenantID)) {
        connection in
        let gates = try await connection.query(
          SQL(
            """
            select commit_gate(\(conversation.arguments), \(request.epoch)::bigint,
              \(turn)::uuid) as gate
            """,
            name: "commit-gate"
          )
        )
        let gate = try Self.first(gates).decode("gate", as: String.self)
        var response = Bindery_V1_CommitTurnResponse()
        response.nextDueInMs = -1
        if gate == "fenced" {
          response.disposition = .fenced
          return response
        }
        var statements: [SQL] = []
        if gate == "live" {
          try await writer.write(request.record, epoch: request.epoch, on: connection)
          statements.append(
            SQL(
              """
              select finish_turn(\(conversation.arguments), \(request.epoch)::bigint,
                \(turn)::uuid, \(inputs)::uuid[])
              """,
              name: "finish-turn"
            )
          )
        }
        statements.append(
          SQL(
            "select held, next_due_in_ms from after_commit(\(conversation.arguments))",
            name: "after-commit"
          )
        )
        let after = try Self.first(try await connection.pipeline(statements).last ?? [])
        response.nextDueInMs = try after.decode("next_due_in_ms")
        response.disposition =
          gate == "committed"
          ? .alreadyCommitted
          : try after.decode("held", as: Bool.self) ? .committedHeld : .committed
        return response
      }
    }
  }

  /// Notes what became of a send. States only go forward, so late reports do no harm.
  package func settleOutbox(
    _ request: Bindery_V1_SettleOutboxRequest
  ) async throws -> Bindery_V1_SettleOutboxResponse {
    guard let tenant = TenantID(bytes: request.tenantID) else {
      throw ConversationError.malformed(field: "tenant_id")
    }
    let it = request.outbox
    let id = try Self.uuid(it.outboxID, "outbox.outbox_id")
    let state: String
    do {
      state = try OutboxStates.column(it.state)
    } catch {
      throw ConversationError.malformed(field: "outbox.state")
    }
    let row = try await one(
      tenant,
      SQL(
        """
        select settle_outbox(\(id)::uuid, \(state)::text, \(it.providerMessageID)::text,
          \(it.error)::text, \(it.attempts)::int) as known
        """,
        name: "settle-outbox"
      )
    )
    if try !row.decode("known", as: Bool.self) {
      // Its record is still under way in the node's spool, and will carry the state itself.
      logger.info("a send of an unknown reply was reported", metadata: ["outbox": "\(id)"])
    }
    return Bindery_V1_SettleOutboxResponse()
  }

  // MARK: - Parts

  /// One statement for one tenant, in one round trip: setting and statement share a transaction.
  private func one(_ tenant: TenantID, _ statement: SQL) async throws -> PostgresRow {
    let results = try await ConversationError.translating {
      try await store.app.withConnection { connection in
        try await connection.pipeline([Self.tenantSetting(tenant), statement])
      }
    }
    return try Self.first(results.last ?? [])
  }

  static func tenantSetting(_ tenant: TenantID) -> SQL {
    SQL(
      "select set_config('bindery.tenant_id', \(tenant.description), true)",
      name: "set-tenant"
    )
  }

  private static func first(_ rows: [PostgresRow]) throws -> PostgresRow {
    guard let row = rows.first else { throw StoreError.corrupt(what: "an answer without rows") }
    return row
  }

  private static func message(_ message: Bindery_V1_InboundMessage) throws -> PostgresJSON {
    do {
      return try message.json().postgres
    } catch let error as TurnRecordError {
      throw ConversationError.malformed(field: error.field)
    }
  }

  private static func uuid(_ bytes: Data, _ field: String) throws -> UUID {
    guard let id = TurnID(bytes: bytes) else { throw ConversationError.malformed(field: field) }
    return id.uuid
  }

  /// Spans from nodes, in ms: not negative, and at most thirty days.
  private func clamped(_ ms: Int64) -> Int64 { min(max(ms, 0), 30 * 86_400_000) }
}
