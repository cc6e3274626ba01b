internal import Domain
internal import Foundation
internal import Postgres
internal import Wire

/// The statements of one record, in the order that references need.
struct TurnRecordStatements {
  let all: [SQL]

  init(_ record: Bindery_V1_TurnRecord, epoch: Int64?) throws {
    let heads = TurnHeads(
      record: record,
      epoch: epoch,
      turnID: try RecordField.uuid(record.turnID, "turn_id"),
      tenantID: try RecordField.uuid(record.tenantID, "tenant_id"),
      bindingID: try RecordField.uuid(record.bindingID, "binding_id"),
      sessionID: try RecordField.uuid(record.session.sessionID, "session.session_id")
    )
    let calls = TurnCalls(record: record, turnID: heads.turnID, heads: heads)
    var statements = try heads.session()
    if !record.messages.isEmpty { statements.append(try calls.messages()) }
    if !record.modelCalls.isEmpty { statements.append(try calls.modelCalls()) }
    if !record.toolCalls.isEmpty { statements.append(try calls.toolCalls()) }
    if !record.violations.isEmpty { statements.append(try calls.violations()) }
    statements.append(try heads.turn())
    if heads.isEnded {
      if !record.inputs.isEmpty { statements += try heads.inputs() }
      statements.append(heads.lease())
    }
    if !record.outbox.isEmpty { statements += try heads.outbox() }
    all = statements
  }
}

/// Session, turn, inputs, lease and outbox of one record.
struct TurnHeads {
  let record: Bindery_V1_TurnRecord
  let epoch: Int64?
  let turnID: UUID
  let tenantID: UUID
  let bindingID: UUID
  let sessionID: UUID

  /// Whether the inputs have their answer.
  var isEnded: Bool {
    switch record.outcome {
    case .replied, .blocked, .failed: true
    default: false
    }
  }

  /// When the turn took place: when its last row was made.
  private var createdAtMS: Int64 {
    let times = record.messages.map(\.createdAtMs) + record.modelCalls.map(\.createdAtMs)
    return times.max() ?? record.session.lastActiveAtMs
  }

  func session() throws -> [SQL] {
    let it = record.session
    func clean(_ text: String) -> String { text.replacing("\0", with: "") }
    return [
      // Before anything is read: an erasure of the person is either seen or waits.
      SQL(
        """
        select admit_record(\(clean(it.channel)), \(clean(it.externalID)),
          to_timestamp(\(it.startedAtMs)::bigint / 1000.0))
        """,
        name: "turn-admit"
      ),
      SQL(
        """
        insert into sessions (id, tenant_id, user_id, binding_id, channel, external_id, started_at,
          last_active_at, provisional)
        select \(sessionID)::uuid, \(tenantID)::uuid, resolve_user(\(clean(it.channel)),
            \(clean(it.externalID)), \(clean(it.phone)), \(clean(it.displayName)),
            \(clean(it.locale))),
          \(bindingID)::uuid, \(clean(it.channel)), \(clean(it.externalID)),
          to_timestamp(\(it.startedAtMs)::bigint / 1000.0),
          to_timestamp(\(it.lastActiveAtMs)::bigint / 1000.0), \(it.provisional)
        where not exists (
          select from sessions where tenant_id = \(tenantID)::uuid and id = \(sessionID)::uuid)
        on conflict do nothing
        """,
        name: "turn-session"
      ),
      SQL(
        """
        update sessions set
          last_active_at = greatest(last_active_at,
            to_timestamp(\(it.lastActiveAtMs)::bigint / 1000.0))
        where tenant_id = \(tenantID) and id = \(sessionID)
        """,
        name: "turn-session-active"
      ),
    ]
  }

  /// An attempt that ended nothing gives way to a later record of the same turn.
  func turn() throws -> SQL {
    let outcome =
      switch record.outcome {
      case .replied: "replied"
      case .blocked: "blocked"
      case .failed: "failed"
      case .held: "held"
      case .abandoned: "abandoned"
      default: "unknown"
      }
    let row: JSONValue = .object([
      "epoch": epoch.map { .int($0) } ?? .null,
      "digest": .string(record.bindingDigest.map { hex($0) }.joined()),
      "revision": .int(record.revision),
      "human": try RecordField.optionalID(record.pins.humanID, "pins.human_id"),
      "human_version": .int(Int64(record.pins.humanVersion)),
      "team": try RecordField.optionalID(record.pins.teamID, "pins.team_id"),
      "team_version": .int(Int64(record.pins.teamVersion)),
      "agent": try RecordField.optionalID(record.pins.agentID, "pins.agent_id"),
      "agent_version": .int(Int64(record.pins.agentVersion)),
      "outcome": .string(outcome), "degraded": .bool(record.degraded),
      "created_ms": .int(createdAtMS),
    ])
    let inputs = try record.inputs.map { try RecordField.uuid($0.inputID, "inputs.input_id") }
    return SQL(
      """
      insert into turns (turn_id, tenant_id, binding_id, session_id, epoch, binding_digest, revision,
        human_id, human_version, team_id, team_version, agent_id, agent_version, outcome, degraded,
        created_at, duplicate_inputs)
      select \(turnID)::uuid, \(tenantID)::uuid, \(bindingID)::uuid, \(sessionID)::uuid, r.epoch,
        r.digest, r.revision, r.human, r.human_version, r.team, r.team_version, r.agent,
        r.agent_version, r.outcome, r.degraded, to_timestamp(r.created_ms / 1000.0), (
          select count(*) from inputs i where i.tenant_id = \(tenantID)::uuid
            and i.id = any (\(inputs)::uuid[]) and i.state = 'answered'
            and i.turn_id is distinct from \(turnID)::uuid)
      from jsonb_to_recordset(\(try RecordField.rows([row]))::jsonb) as r (epoch bigint,
        digest text, revision bigint, human uuid, human_version int, team uuid, team_version int,
        agent uuid, agent_version int, outcome text, degraded boolean, created_ms bigint)
      on conflict (turn_id) do update set session_id = excluded.session_id,
        epoch = coalesce(excluded.epoch, turns.epoch), binding_digest = excluded.binding_digest,
        revision = excluded.revision, human_version = excluded.human_version,
        team_version = excluded.team_version, agent_version = excluded.agent_version,
        outcome = excluded.outcome, degraded = excluded.degraded, created_at = excluded.created_at,
        duplicate_inputs = excluded.duplicate_inputs
      where turns.outcome in ('held', 'abandoned', 'unknown')
        and excluded.outcome not in ('abandoned', 'unknown')
      """,
      name: "turn"
    )
  }

  func inputs() throws -> [SQL] {
    let rows = try record.inputs.map { input -> JSONValue in
      .object([
        "id": try RecordField.id(input.inputID, "inputs.input_id"),
        "message": try RecordField.id(input.messageID, "inputs.message_id"),
        "account": RecordField.text(input.channelAccount),
        "provider_id": RecordField.text(
          input.providerMessageID.isEmpty
            ? try RecordField.uuid(input.inputID, "inputs.input_id").uuidString.lowercased()
            : input.providerMessageID
        ),
        "received_ms": .int(input.receivedAtMs),
      ])
    }
    let source: SQL = """
      jsonb_to_recordset(\(try RecordField.rows(rows))::jsonb) as r (id uuid, message uuid,
        account text, provider_id text, received_ms bigint)
      """
    let channel = record.session.channel
    let external = record.session.externalID
    return [
      SQL(
        """
        insert into inputs (id, tenant_id, binding_id, channel, external_id, channel_account,
          provider_message_id, message_id, received_at, due_at, state, turn_id)
        select r.id, \(tenantID)::uuid, \(bindingID)::uuid, \(channel), \(external), r.account,
          r.provider_id, r.message, to_timestamp(r.received_ms / 1000.0),
          to_timestamp(r.received_ms / 1000.0), 'answered', \(turnID)::uuid
        from \(source)
        on conflict do nothing
        """,
        name: "turn-inputs"
      ),
      SQL(
        """
        update inputs i set state = 'answered', turn_id = \(turnID)::uuid
        from \(source)
        where i.tenant_id = \(tenantID) and i.state <> 'answered' and (i.id = r.id
          or i.channel = \(channel) and i.provider_message_id = r.provider_id
            and i.dedupe_scope = case \(channel) when 'web' then \(external) else r.account end)
        """,
        name: "turn-inputs-answered"
      ),
    ]
  }

  func lease() -> SQL {
    SQL(
      """
      update conversation_leases set turn_id = null, offered_until = null
      where tenant_id = \(tenantID) and binding_id = \(bindingID)
        and channel = \(record.session.channel) and external_id = \(record.session.externalID)
        and turn_id = \(turnID)
      """,
      name: "turn-lease"
    )
  }

  /// A reply of a tenant that is not active waits for the resume.
  func outbox() throws -> [SQL] {
    let rows = try record.outbox.map { it -> JSONValue in
      .object([
        "id": try RecordField.id(it.outboxID, "outbox.outbox_id"),
        "message": try RecordField.id(it.messageID, "outbox.message_id"),
        "account": RecordField.text(it.channelAccount), "recipient": RecordField.text(it.recipient),
        "state": .string(try OutboxStates.column(it.state)),
        "provider_id": RecordField.text(it.providerMessageID), "error": RecordField.text(it.error),
        "attempts": .int(Int64(it.attempts)),
      ])
    }
    let source: SQL = """
      jsonb_to_recordset(\(try RecordField.rows(rows))::jsonb) as r (id uuid, message uuid,
        account text, recipient text, state text, provider_id text, error text, attempts int)
      """
    return [
      SQL(
        """
        insert into outbox (id, tenant_id, binding_id, session_id, turn_id, message_id, channel,
          external_id, channel_account, recipient, state, provider_message_id, error, attempts)
        select r.id, \(tenantID)::uuid, \(bindingID)::uuid, \(sessionID)::uuid, \(turnID)::uuid,
          r.message, \(record.session.channel), \(record.session.externalID), r.account,
          r.recipient,
          case when r.state = 'pending' and exists (
            select from tenants t where t.id = \(tenantID)::uuid and t.status <> 'active')
          then 'held' else r.state end,
          r.provider_id, r.error, r.attempts
        from \(source)
        on conflict do nothing
        """,
        name: "turn-outbox"
      ),
      SQL(
        """
        select settle_outbox(r.id, r.state, r.provider_id, r.error, r.attempts)
        from \(source) where r.state <> 'pending'
        """,
        name: "turn-outbox-settle"
      ),
    ]
  }

  private func hex(_ byte: UInt8) -> String {
    let digits = Array("0123456789abcdef")
    return String([digits[Int(byte >> 4)], digits[Int(byte & 15)]])
  }
}
