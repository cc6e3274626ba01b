import Conversations
import Domain
import Foundation
import Ledger
import Postgres
import Store
import Testing
import Wire

/// Two tenants that know the same person, with rows of that person in every table that can have some,
/// and another person who must stay as is.
struct ErasureFixture {
  let fixture: StoreFixture
  let mine: ConversationFixture
  let other: ConversationFixture
  let ledger: LedgerService
  let phone = "919811122233"
  let name = "Canary Devi"
  let text = "canary words that nobody else says"

  var person: PersonSelector {
    get throws { try #require(PersonSelector(phone: "+91 98111-22233", of: mine.tenant.tenantID)) }
  }

  /// One turn of the canary with a tenant, rows beside it, and what waits.
  func plant(_ side: ConversationFixture) async throws {
    try await side.accept(text, providerID: "wamid.canary-\(side.tenant.slug)")
    let begun = try await side.begin()
    #expect(begun.disposition == .leased)
    let journalled = try await side.journal(begun, step: 1)
    #expect(journalled)
    var commit = side.commitRequest(begun, reply: "reply to \(text)")
    commit.record.toolCalls[0].argsJson = "{\"q\":\"\(text)\"}"
    commit.record.modelCalls[0].requestID = "req-canary"
    commit.record.modelCalls[0].error = "said \(text)"
    commit.record.violations[0].contextJson = "{\"at\":\"\(text)\"}"
    let committed = try await side.service.commitTurn(commit)
    #expect(committed.disposition == .committed)
    let session = try #require(MessageID(bytes: begun.session.sessionID)).uuid
    let message = try #require(MessageID(bytes: begun.inputs[0].messageID)).uuid
    try await fixture.owner.withTransaction { connection in
      try await connection.execute(
        """
        insert into memory_facts (tenant_id, scope, scope_id, key, value, source_message_id, user_id)
        select tenant_id, 'user_binding', gen_random_uuid(), 'likes', to_jsonb(\(text)::text),
          \(message), user_id from sessions where id = \(session)
        """
      )
      // Derived from a message of the person, kept for the whole team.
      try await connection.execute(
        """
        insert into memory_embeddings (tenant_id, scope, scope_id, kind, content, source_message_id)
        select tenant_id, 'team', gen_random_uuid(), 'episodic', \(text)::text, \(message)
        from sessions where id = \(session)
        """
      )
      try await connection.execute(
        "update sessions set state = jsonb_build_object('summary', \(text)::text) where id = \(session)"
      )
    }
    // One more message that nobody has answered, in a turn that is under way.
    try await side.accept("more \(text)", providerID: "wamid.more-\(side.tenant.slug)")
    let open = try await side.begin()
    #expect(open.disposition == .leased)
    let noted = try await side.journal(open, step: 1)
    #expect(noted)
    try await setAside(side)
  }

  /// Two records that can't be stored: one is the tenant's, one is nobody's.
  private func setAside(_ side: ConversationFixture) async throws {
    var unknown = record(of: side)
    unknown.bindingID = BindingID(UUID()).data
    let spool = LedgerFixture.Spool()
    let first = try await ledger.record([spool.request(1, unknown)])
    #expect(first.setAside.map(\.code) == ["UNKNOWN_BINDING"])
    let second = try await ledger.record([spool.request(2, record(of: side))], servedTenants: [])
    #expect(second.setAside.map(\.code) == ["TENANT_NOT_SERVED"])
  }

  /// What a node sends of a turn that ran without the control plane.
  func record(
    of side: ConversationFixture,
    startedAtMS: Int64 = 1_790_000_000_000
  )
    -> Bindery_V1_TurnRecord
  {
    var record = Bindery_V1_TurnRecord()
    record.turnID = TurnID(UUID()).data
    record.tenantID = side.tenant.tenantID.data
    record.bindingID = side.tenant.bindingID.data
    record.revision = 1
    record.outcome = .replied
    record.degraded = true
    record.session.sessionID = SessionID(UUID()).data
    record.session.channel = "whatsapp"
    record.session.externalID = side.person
    record.session.phone = side.person
    record.session.displayName = name
    record.session.provisional = true
    record.session.startedAtMs = startedAtMS
    record.session.lastActiveAtMs = startedAtMS + 1000
    var message = Bindery_V1_MessageRecord()
    message.messageID = MessageID(UUID()).data
    message.inbound = true
    message.body = text
    message.createdAtMs = startedAtMS + 1000
    record.messages = [message]
    return record
  }

  /// Every row of every table of the catalogue that says any of the needles, as "table: row".
  ///
  /// Rows are read as text; bytes also as the text they encode.
  func rows(saying needles: [String], of tenant: TenantID? = nil) async throws -> [String] {
    let tables = try await fixture.owner.query(
      """
      select c.relname::text as name, exists (
          select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id') as owned,
        array(
          select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
            and not a.attisdropped and a.atttypid = 'bytea'::regtype) as binary
      from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'm')
      order by 1
      """
    )
    #expect(tables.count > 30)
    var found: [String] = []
    for table in tables {
      let name: String = try table.decode("name")
      let binary = try table.decode("binary", as: [String].self).map { column -> SQL in
        "|| ' ' || coalesce(encode(t.\(identifier: column), 'escape'), '')"
      }
      let text = binary.reduce("t::text" as SQL) { SQL("\($0) \($1)") }
      let only: SQL
      if let tenant {
        only =
          try table.decode("owned", as: Bool.self) ? "t.tenant_id = \(tenant.uuid)" : "false"
      } else {
        only = "true"
      }
      let rows = try await fixture.owner.query(
        """
        select \(text) as row from \(identifier: name) t
        where \(only) and exists (
          select from unnest(\(needles)::text[]) n where position(n in \(text)) > 0)
        """
      )
      found += try rows.map { "\(name): \(try $0.decode("row", as: String.self))" }
    }
    return found
  }

  /// Ids of the person's rows in a tenant, all kinds.
  func ids(of side: ConversationFixture) async throws -> [String] {
    try await fixture.owner.query(
      """
      select unnest(array[s.id::text, m.id::text, t.turn_id::text]) as id from sessions s
        join messages m on m.session_id = s.id left join turns t on t.session_id = s.id
      where s.tenant_id = \(side.tenant.tenantID.uuid) and s.external_id = \(phone)
      union select i.id::text from inputs i
      where i.tenant_id = \(side.tenant.tenantID.uuid) and i.external_id = \(phone)
      union select c.id::text from llm_calls c join sessions s on s.id = c.session_id
      where s.tenant_id = \(side.tenant.tenantID.uuid) and s.external_id = \(phone)
      """
    ).compactMap { try $0.decode("id", as: String?.self) }
  }

  func erase(dryRun: Bool = false) async throws -> Erasure? {
    try await fixture.store.erase(
      try person,
      tenantSlug: mine.tenant.slug,
      author: "officer",
      reason: "request 4711",
      dryRun: dryRun
    )
  }

  func export() async throws -> String? {
    let pieces = Pieces()
    let isKnown = try await fixture.store.export(
      try person,
      tenantSlug: mine.tenant.slug,
      author: "officer",
      reason: "request 4712",
      describe: { try SetAsideText.json(of: $0) },
      write: { await pieces.add($0) }
    )
    return isKnown ? String(decoding: await pieces.all, as: UTF8.self) : nil
  }

  private actor Pieces {
    var all = Data()
    func add(_ piece: Data) { all += piece }
  }
}

func withErasure(_ body: (ErasureFixture) async throws -> Void) async throws {
  try await withStore { fixture in
    func side(_ slug: String, number: String, person: String) async throws -> ConversationFixture {
      let tenant = SampleTenant(slug, number: number)
      try await fixture.store.publish(tenant.publication())
      return ConversationFixture(
        fixture: fixture,
        service: ConversationService(store: fixture.store, logger: StoreFixture.logger),
        tenant: tenant,
        person: person,
        displayName: "Canary Devi"
      )
    }
    let phone = "919811122233"
    let erasure = ErasureFixture(
      fixture: fixture,
      mine: try await side("medicly", number: "919800000004", person: phone),
      other: try await side("vakil", number: "919800000005", person: phone),
      ledger: LedgerService(store: fixture.store, logger: StoreFixture.logger)
    )
    try await body(erasure)
  }
}
