import Codecs
import Conversations
import Domain
import Foundation
import Ledger
import Postgres
import Store
import Testing
import Wire

@Suite struct `Erasing a person` {
  /// Tables that hold nothing of people, each with its reason. A new table is either here or in
  /// person_tables().
  private static let withoutPeople: Set<String> = [
    // What authors wrote, and what was made of it.
    "tenants", "humans", "teams", "team_members", "agents", "agent_bindings", "binding_routes",
    "channel_accounts", "compiled_sections", "compiled_bindings", "tier_config_versions",
    "object_versions", "changelog", "commits", "revision_line", "history_retention",
    "compiler_generations", "compile_failures",
    // Who may call, and what authors and operators did.
    "access_tokens", "access_line", "audit_log",
    // New versions of configuration, and the nodes that have them.
    "rollouts", "rollout_objects", "rollout_candidates", "rollout_nodes",
    // Cursors and steps.
    "ledger_cursors", "schema_migrations", "fleet_line", "fleet_nodes", "fleet_replicas",
    // Salted digests, and what an erasure did.
    "erasure_salts", "erased_people", "erased_inputs", "erasure_receipts",
    // By functions of their own: shared by tenants, or nobody's.
    "users", "ledger_set_aside",
  ]

  @Test func `knows every table of the catalogue`() async throws {
    try await withStore { fixture in
      let all = try await fixture.owner.query(
        """
        select relname::text as name from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'm')
        """
      ).map { try $0.decode("name", as: String.self) }
      let people = try await fixture.owner.query("select name from person_tables()")
        .map { try $0.decode("name", as: String.self) }
      #expect(Set(people).isDisjoint(with: Self.withoutPeople))
      #expect(Set(all) == Self.withoutPeople.union(people))
    }
  }

  @Test func `leaves nothing of the person in any table, and all of others`() async throws {
    try await withErasure { it in
      try await it.plant(it.mine)
      try await it.plant(it.other)
      let ids = try await it.ids(of: it.mine)
      #expect(ids.count >= 6)
      let needles = [it.phone, it.name, it.text, "wamid.canary-medicly", "req-canary"] + ids
      let before = try await it.rows(saying: needles, of: it.mine.tenant.tenantID)
      let planted = Set(before.map { String($0.prefix(while: { $0 != ":" })) })
      let known: [String] = try await it.fixture.value(
        "select array(select name from person_tables())"
      )
      #expect(
        planted == Set(known + ["ledger_set_aside"]),
        "a table without a canary shows nothing"
      )
      let cost: Int64 = try await it.fixture.value(
        "select sum(cost_pico_usd)::bigint from llm_calls where tenant_id = \(it.mine.tenant.tenantID.uuid)"
      )

      let counted = try #require(try await it.erase(dryRun: true))
      #expect(counted.receipt == nil)
      #expect(try await it.rows(saying: needles, of: it.mine.tenant.tenantID) == before)

      let others = try await it.rows(saying: [it.other.tenant.tenantID.description])
      let erased = try #require(try await it.erase())
      #expect(erased.rows == counted.rows)
      let left = try await it.rows(saying: needles, of: it.mine.tenant.tenantID)
      #expect(left == [])
      // Nor in a table that names no tenant; the shared row stays for the other one.
      let elsewhere = try await it.rows(saying: ids + ["wamid.canary-medicly"])
      #expect(elsewhere == [])
      #expect(try await it.rows(saying: [it.other.tenant.tenantID.description]) == others)
      let kept: Int64 = try await it.fixture.value(
        "select sum(cost_pico_usd)::bigint from llm_calls where tenant_id = \(it.mine.tenant.tenantID.uuid)"
      )
      #expect(kept == cost, "what was used is billed all the same")
      let users: Int = try await it.fixture.value(
        "select count(*) from users where phone = \(it.phone)"
      )
      #expect(users == 1)
      #expect(try await it.erase() == nil, "there is nobody any more")
    }
  }

  @Test func `means the same person however the number is written`() async throws {
    try await withErasure { it in
      try await it.plant(it.mine)
      let counted = try #require(try await it.erase(dryRun: true))
      for id in [it.phone, "+" + it.phone] {
        let person = try #require(
          PersonSelector(channel: "whatsapp", externalID: id, of: it.mine.tenant.tenantID)
        )
        let same = try await it.fixture.store.erase(
          person,
          tenantSlug: it.mine.tenant.slug,
          author: "officer",
          reason: "asked",
          dryRun: true
        )
        #expect(same?.rows == counted.rows, "\(id)")
      }
    }
  }

  @Test func `takes the shared row with the last tenant`() async throws {
    try await withErasure { it in
      try await it.plant(it.mine)
      let erased = try #require(try await it.erase())
      let last = try #require(erased.rows.last)
      #expect(last.table == "users" && last.removed == 1)
      #expect(try await it.rows(saying: [it.phone, it.text]) == [])
    }
  }

  @Test func `gives a receipt that tells nobody and can't be changed`() async throws {
    try await withErasure { it in
      try await it.plant(it.mine)
      let receipt = try #require(try await it.erase()?.receipt)
      #expect(CanonicalJSON.digest(of: receipt.json).hex == receipt.digest)
      #expect(receipt.json.contains("\"reason\":\"request 4711\""))
      #expect(receipt.json.contains("\"by\":\"officer\""))
      #expect(receipt.json.contains("{\"kept_anonymous\":1,\"removed\":0,\"table\":\"llm_calls\"}"))
      for secret in [it.phone, it.name, it.text] { #expect(!receipt.json.contains(secret)) }
      let tenant = it.mine.tenant.tenantID
      let found = try await it.fixture.store.erasures(of: tenant, person: try it.person, limit: 10)
      #expect(found.map(\.id) == [receipt.id])
      let stranger = try #require(PersonSelector(phone: "919800099999", of: tenant))
      #expect(try await it.fixture.store.erasures(of: tenant, person: stranger, limit: 10) == [])
      #expect(try await it.fixture.store.erasures(of: it.other.tenant.tenantID, limit: 10) == [])
      let change = await #expect(throws: PostgresError.self) {
        try await it.fixture.store.app.withTransaction(settings: Store.settings(for: tenant)) {
          try await $0.execute("update erasure_receipts set subject = ''")
        }
      }
      #expect(change?.sqlState == PostgresError.State.insufficientPrivilege)
      let log = try await it.fixture.store.auditLog(AuditFilter(), in: .tenant(tenant))
      let entry = try #require(log.first { $0.action == "erase" })
      #expect(entry.object == receipt.subject && entry.reason == "request 4711")
    }
  }

  @Test func `drops and counts what comes late, and serves the person who comes back`() async throws
  {
    try await withErasure { it in
      try await it.plant(it.mine)
      let begun = try await it.mine.begin()
      #expect(begun.disposition == .busy)
      _ = try #require(try await it.erase())

      let spool = LedgerFixture.Spool()
      var record = it.record(of: it.mine)
      var call = Bindery_V1_ModelCallRecord()
      call.callID = CallID(UUID()).data
      (call.provider, call.model, call.requestID) = ("simulated", "simulated-1", "req-canary")
      (call.inUncached, call.outVisible, call.costPicoUsd) = (120, 30, 4_500)
      call.createdAtMs = record.session.lastActiveAtMs
      record.modelCalls = [call]
      let late = try await it.ledger.record([spool.request(1, record)])
      #expect(late.setAside.map(\.code) == ["PERSON_ERASED"])
      #expect(late.committedSequence == 1)
      // What it used is billed, once however often it comes, and tells nobody.
      _ = try await it.ledger.record([spool.request(3, record)])
      let billed = try await it.fixture.owner.query(
        """
        select tokens_in, cost_pico_usd from llm_calls
        where cost_pico_usd = 4500 and session_id is null and turn_id is null
          and request_id is null and binding_id = \(it.mine.tenant.bindingID.uuid)
        """
      )
      #expect(try billed.map { try $0.decode("tokens_in", as: Int32.self) } == [120])
      let foreign = try await it.ledger.record(
        [spool.request(4, it.record(of: it.mine))],
        servedTenants: []
      )
      #expect(foreign.setAside.map(\.code) == ["TENANT_NOT_SERVED"])
      let again = try await it.mine.accept(it.text, providerID: "wamid.canary-medicly")
      #expect(again.disposition == .duplicate)
      #expect(try await it.rows(saying: [it.phone, it.name, it.text, "req-canary"]) == [])
      let receipts = try await it.fixture.store.erasures(of: it.mine.tenant.tenantID, limit: 1)
      #expect(receipts.map(\.lateRecords) == [3])
      // By another name than the one that was asked with.
      let byName = try #require(
        PersonSelector(channel: "whatsapp", externalID: it.mine.person, of: it.mine.tenant.tenantID)
      )
      let found = try await it.fixture.store.erasures(
        of: it.mine.tenant.tenantID,
        person: byName,
        limit: 1
      )
      #expect(found.map(\.id) == receipts.map(\.id))
      #expect(receipts.map(\.lateInputs) == [1])

      // A new message, by a clock after the erasure, is a new acquaintance.
      var request = Bindery_V1_AcceptRequest()
      request.conversation = it.mine.key
      request.message = it.mine.message("hello again", providerID: "wamid.new")
      request.message.receivedAtMs = Int64(Date().timeIntervalSince1970 * 1000) + 1000
      #expect(try await it.mine.service.accept(request).disposition == .accepted)
      let back = try await it.mine.begin()
      #expect(back.disposition == .leased)
      #expect(back.history.isEmpty)
      let committed = try await it.mine.service.commitTurn(it.mine.commitRequest(back))
      #expect(committed.disposition == .committed)
    }
  }

  @Test func `fences a turn that commits while it runs`() async throws {
    try await withErasure { it in
      for _ in 0 ..< 6 {
        try await it.mine.accept(it.text, providerID: UUID().uuidString)
        let begun = try await it.mine.begin()
        try #require(begun.disposition == .leased)
        let commit = it.mine.commitRequest(begun, reply: it.text)
        async let committing = it.mine.service.commitTurn(commit)
        async let recording = it.ledger.record([
          LedgerFixture.Spool().request(1, it.record(of: it.mine))
        ])
        async let erasing = it.erase()
        let (committed, _, erasure) = try await (committing, recording, erasing)
        #expect([.committed, .fenced].contains(committed.disposition))
        #expect(erasure?.receipt != nil)
        #expect(try await it.rows(saying: [it.phone, it.text]) == [])
        // The next message must be newer than the erasure.
        _ = try await it.fixture.owner.query("delete from erased_people")
      }
    }
  }

  @Test func `finds nobody by another tenant's id`() async throws {
    try await withErasure { it in
      try await it.plant(it.other)
      let user: UUID = try await it.fixture.value("select user_id from tenant_users")
      let foreign = try await it.fixture.store.erase(
        PersonSelector(user: user, of: it.mine.tenant.tenantID),
        tenantSlug: "medicly",
        author: "officer",
        reason: "request 4711",
        dryRun: false
      )
      #expect(foreign == nil)
      #expect(try await it.erase() == nil)
      #expect(try await it.export() == nil)
      let tombstones: Int = try await it.fixture.value("select count(*) from erased_people")
      #expect(tombstones == 0)
    }
  }
}

@Suite struct `Exporting a person` {
  @Test func `writes all that one tenant holds, and nothing of another`() async throws {
    try await withErasure { it in
      try await it.plant(it.mine)
      try await it.plant(it.other)
      let text = try #require(try await it.export())
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let body = lines.dropLast(2).joined(separator: "\n") + "\n"
      let json = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
      #expect(json["sha256"]?.stringValue == CanonicalJSON.digest(of: body).hex)
      let known: [String] = try await it.fixture.value(
        "select array(select name from person_tables())"
      )
      for table in known + ["ledger_set_aside", "users"] {
        let rows = try #require(json["tables"]?[table]?.arrayValue, "\(table)")
        #expect(!rows.isEmpty, "\(table)")
        #expect(json["counts"]?[table] == .int(Int64(rows.count)), "\(table)")
      }
      for own in [it.phone, it.name, it.text] { #expect(text.contains(own)) }
      let foreign =
        try await it.ids(of: it.other)
        + [it.other.tenant.tenantID.description, "vakil", "wamid.canary-vakil"]
      for canary in foreign { #expect(!text.contains(canary), "\(canary)") }
      let log = try await it.fixture.store.auditLog(
        AuditFilter(),
        in: .tenant(it.mine.tenant.tenantID)
      )
      #expect(log.first { $0.action == "export" }?.reason == "request 4712")
    }
  }

  @Test func `writes many rows in small pieces`() async throws {
    try await withErasure { it in
      try await it.plant(it.mine)
      try await it.fixture.owner.query(
        """
        insert into messages (tenant_id, session_id, direction, channel, body)
        select tenant_id, session_id, direction, channel, repeat('long ', 400) from messages,
          generate_series(1, 2000) where direction = 'inbound'
        """
      )
      let text = try #require(try await it.export())
      let json = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
      #expect(json["tables"]?["messages"]?.arrayValue?.count ?? 0 > 2000)
    }
  }
}
