import Conversations
import Domain
import Foundation
import Ledger
import Postgres
import Store
import Testing
import Wire

/// What a statement did that should have done nothing.
private enum Attempt: Equatable {
  case denied
  case rows(Int)
  case failed(String)
}

extension ErasureFixture {
  fileprivate var own: TenantID { mine.tenant.tenantID }
  fileprivate var foreign: TenantID { other.tenant.tenantID }

  /// Both tenants with a row in every table that is a tenant's.
  fileprivate func plantAll() async throws {
    for side in [mine, other] {
      try await plant(side)
      var gone = side
      gone.person = "919811199999"
      try await gone.accept("soon gone", providerID: UUID().uuidString)
      let person = try #require(PersonSelector(phone: gone.person, of: side.tenant.tenantID))
      let erasure = try await fixture.store.erase(
        person,
        tenantSlug: side.tenant.slug,
        author: "officer",
        reason: "asked",
        dryRun: false
      )
      #expect(erasure?.receipt != nil)
      try await fixture.owner.execute(
        """
        insert into compile_failures (tenant_id, binding_id, generation, diagnostics)
        select tenant_id, binding_id, 1, '[]' from compiled_bindings
        where tenant_id = \(side.tenant.tenantID.uuid) limit 1
        """
      )
      try await plantRollout(of: side.tenant)
      try await fixture.store.insert(
        AccessToken(
          id: tokenID(of: side),
          hash: Digest(of: Data(side.tenant.slug.utf8)),
          role: .viewer,
          tenant: side.tenant.tenantID,
          createdAt: Date()
        )
      )
    }
  }

  /// One that has ended, so that it is in nobody's way.
  fileprivate func plantRollout(of tenant: SampleTenant) async throws {
    let id = UUID()
    let owner = tenant.tenantID.uuid
    let digest = String(repeating: "a", count: 64)
    for statement in [
      """
      insert into rollouts (id, tenant_id, name, state, strategy, step_commit_id, ended_at)
      values (\(id), \(owner), 'r', 'aborted', '{"steps":[]}', \(UUID()), now())
      """,
      """
      insert into rollout_objects (tenant_id, rollout_id, kind, object_id, slug, baseline_version,
        candidate_version, baseline_spec, active)
      values (\(owner), \(id), 'Human', \(tenant.humanID), 'guide', 1, 2, '{}', false)
      """,
      """
      insert into rollout_candidates (tenant_id, rollout_id, binding_id, baseline_digest, digest,
        content, section_digests, active)
      values (\(owner), \(id), \(tenant.bindingID.uuid), \(digest), \(digest), '', '{}', false)
      """,
      """
      insert into rollout_nodes (tenant_id, rollout_id, node_id) values (\(owner), \(id), 'n1')
      """,
    ] as [SQL] {
      try await fixture.owner.execute(statement)
    }
  }

  /// Someone whom only the other tenant knows.
  fileprivate func plantForeigner() async throws {
    var side = other
    side.person = "919811177777"
    try await side.accept("theirs alone", providerID: UUID().uuidString)
    let begun = try await side.begin()
    #expect(begun.disposition == .leased)
  }

  fileprivate func tokenID(of side: ConversationFixture) -> String {
    side.tenant.slug == mine.tenant.slug ? "aaaaaaaaaa" : "bbbbbbbbbb"
  }

  /// Tables that are a tenant's, by the catalogue: name, column of the tenant, columns to write.
  fileprivate func tables() async throws -> [(name: String, tenant: String, columns: [String])] {
    let rows = try await fixture.owner.query(
      """
      select c.relname::text as name, case c.relname when 'tenants' then 'id' else 'tenant_id' end
        as tenant, array(
          select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
            and not a.attisdropped and a.attgenerated = '' and a.attidentity = '') as columns
      from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        and (c.relname = 'tenants' or exists (
          select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
      order by 1
      """
    )
    return try rows.map {
      (try $0.decode("name"), try $0.decode("tenant"), try $0.decode("columns"))
    }
  }

  /// A digest of the foreign tenant's rows in each table.
  fileprivate func foreignRows() async throws -> [String: String] {
    var digests: [String: String] = [:]
    for (name, tenant, _) in try await tables() {
      digests[name] = try await fixture.value(
        """
        select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '')
        from \(identifier: name) t where t.\(identifier: tenant) = \(foreign.uuid)
        """
      )
    }
    return digests
  }

  fileprivate func attempt(_ sql: SQL, as tenant: TenantID?, by pool: PostgresPool) async -> Attempt
  {
    do {
      let settings = tenant.map { Store.settings(for: $0) } ?? [:]
      return .rows(try await pool.withTransaction(settings: settings) { try await $0.execute(sql) })
    } catch let error as PostgresError
      where error.sqlState == PostgresError.State.insufficientPrivilege
    {
      return .denied
    } catch {
      return .failed("\(error)")
    }
  }
}

@Suite struct `Another tenant's rows` {
  @Test func `can't be read or written by raw SQL of the daemon's roles, in any table`()
    async throws
  {
    try await withErasure { it in
      try await it.plantAll()
      let before = try await it.foreignRows()
      let tables = try await it.tables()
      #expect(tables.count > 30)
      let nothing: [Attempt] = [.denied, .rows(0)]
      for (name, tenant, columns) in tables {
        let copy: String? = try await it.fixture.owner.query(
          """
          select to_jsonb(t)::text as row from \(identifier: name) t
          where t.\(identifier: tenant) = \(it.foreign.uuid) limit 1
          """
        ).first?.decode("row")
        // A new table must have a row to try with.
        let row = try #require(copy, "plant a row in \(name)")
        let column = columns[0]
        let list = columns.dropFirst().reduce("\(identifier: columns[0])" as SQL) {
          SQL("\($0), \(identifier: $1)")
        }
        let theirs: SQL = "where \(identifier: tenant) = \(it.foreign.uuid)"
        let statements: [(String, SQL)] = [
          ("select", "select from \(identifier: name) \(theirs)"),
          (
            "update",
            "update \(identifier: name) set \(identifier: column) = \(identifier: column) \(theirs)"
          ),
          ("delete", "delete from \(identifier: name) \(theirs)"),
        ]
        let insert: SQL = """
          insert into \(identifier: name) (\(list)) select \(list)
          from jsonb_populate_record(null::\(identifier: name), \(PostgresJSON(row))::jsonb)
          """
        for asTenant in [it.own, nil] {
          for (what, sql) in statements {
            let done = await it.attempt(sql, as: asTenant, by: it.fixture.store.app)
            #expect(nothing.contains(done), "\(what) \(name): \(done)")
          }
          let inserted = await it.attempt(insert, as: asTenant, by: it.fixture.store.app)
          #expect(inserted == .denied, "insert \(name): \(inserted)")
        }
        // Who reads the configuration of all tenants writes nothing.
        for (what, sql) in statements.dropFirst() + [("insert", insert)] {
          let done = await it.attempt(sql, as: it.foreign, by: it.fixture.store.distribution)
          #expect(done == .denied, "\(what) \(name) by distribution: \(done)")
        }
      }
      #expect(try await it.foreignRows() == before)
    }
  }

  @Test func `can't be given away, either`() async throws {
    try await withErasure { it in
      try await it.plantAll()
      let before = try await it.foreignRows()
      for (name, tenant, _) in try await it.tables() {
        let done = await it.attempt(
          """
          update \(identifier: name) set \(identifier: tenant) = \(it.foreign.uuid)
          where \(identifier: tenant) = \(it.own.uuid)
          """,
          as: it.own,
          by: it.fixture.store.app
        )
        #expect(done == .denied, "\(name): \(done)")
      }
      #expect(try await it.foreignRows() == before)
    }
  }
}

/// Calls each function of the repositories for one tenant with what is another tenant's.
@Suite struct `Repositories across tenants` {
  private typealias Case = @Sendable (ErasureFixture) async throws -> Void

  /// Functions that need no case, each with its reason.
  private static let exempt: [String: String] = [
    "accessVersion": "a number", "accessTokens": "for the replicas' memory, by distribution",
    "insert": "writes the tenant that the token names", "insertFirst": "the platform's",
    "auditRefusal": "adds to the caller's own log",
    "commits": "configuration for nodes, by distribution", "fullSnapshot": "the same",
    "world": "configuration for the planner, by distribution",
    "object": "configuration; AccessRules",
    "list": "configuration; AccessRules", "routes": "configuration; AccessRules",
    "history": "configuration; AccessRules", "version": "configuration; AccessRules",
    "tenants": "slugs and ids, by distribution", "tenantID": "the same",
    "setTenantStatus": "by slug; AccessRules", "retention": "the platform's",
    "setRetention": "the platform's", "pruneHistory": "the platform's",
    "currentRevision": "a number", "incarnation": "an id",
    "claimable": "work of all tenants; the dispatcher hands each piece to who may see it",
    "waitForRevision": "a number", "runWakeups": "numbers", "currentPosition": "a number",
    "accessToken": "of whoever says that it is his, before his tenant is known",
    "reading": "for plans, which the API makes for the caller's tenants only; by distribution",
    "read": "for plans, which the API makes for the caller's tenants only; by distribution",
    "follow": "for the replicas' memory, by distribution",
    "recentSnapshot": "for the replicas' memory, by distribution",
    "claim": "the platform's compiler", "recompiling": "the platform's compiler",
    "outdated": "the platform's compiler", "publishRecompiled": "the platform's compiler",
    "finish": "the platform's compiler", "compileFailureCount": "a number",
    "activeRouteCount": "a number",
    "say": "numbers", "whenCommitted": "numbers", "attach": "an id",
    "readFleet": "nodes, which are the platform's", "tellFleet": "the same", "hearFleet": "numbers",
    "forgetNode": "the platform's", "ageFleet": "the platform's",
    "activeRollouts": "for the driver, by distribution", "rollouts": "configuration; AccessRules",
    "rollout": "configuration; AccessRules", "drivingRollouts": "a lock",
    "objects": "of a rollout that the API has found to be the caller's, by distribution",
    "bindings": "of a rollout that the API has found to be the caller's, by distribution",
    "nodes": "of a rollout that the API has found to be the caller's, by distribution",
    "candidateDigests": "for the driver, by distribution",
    "rolloutInTheWay": "of bindings of the caller's plan, by distribution",
    "note": "of a rollout that the driver has read, under its own tenant",
    "armFigures": "of a rollout that the driver has read, under its own tenant",
    "change": "of a rollout that the API or the driver has read, under its own tenant",
    "compileFailures": "of bindings that the API has found to be the caller's, by distribution",
  ]

  private static let cases: [String: Case] = [
    "revokeAccessToken": { (it: ErasureFixture) async throws -> Void in
      #expect(try await !it.fixture.store.revokeAccessToken(it.tokenID(of: it.other), of: it.own))
    },
    "rotateAccessToken": { (it: ErasureFixture) async throws -> Void in
      let hash = Digest(of: Data("stolen".utf8))
      let store = it.fixture.store
      #expect(try await !store.rotateAccessToken(it.tokenID(of: it.other), of: it.own, hash: hash))
    },
    "noteUse": { (it: ErasureFixture) async throws -> Void in
      try await it.fixture.store.noteUse(of: [it.tokenID(of: it.other)], tenant: it.own)
    },
    "auditLog": { (it: ErasureFixture) async throws -> Void in
      var filter = AuditFilter()
      filter.tenant = it.foreign
      #expect(try await it.fixture.store.auditLog(filter, in: .tenant(it.own)).isEmpty)
      #expect(try await !it.fixture.store.auditLog(AuditFilter(), in: .tenant(it.own)).isEmpty)
    },
    "erase": { (it: ErasureFixture) async throws -> Void in
      let erased = try await it.fixture.store.erase(
        try await it.foreigner(),
        tenantSlug: "medicly",
        author: "",
        reason: "x",
        dryRun: false
      )
      #expect(erased == nil)
    },
    "export": { (it: ErasureFixture) async throws -> Void in
      let known = try await it.fixture.store.export(
        try await it.foreigner(),
        tenantSlug: "medicly",
        author: "",
        reason: "",
        describe: { _ in "" },
        write: { _ in Issue.record("something was written") }
      )
      #expect(!known)
    },
    "erasures": { (it: ErasureFixture) async throws -> Void in
      let found = try await it.fixture.store.erasures(of: it.own, limit: 100)
      #expect(found.count == 1 && !found.contains { $0.json.contains("vakil") })
    },
    "publish": { (it: ErasureFixture) async throws -> Void in
      // The other tenant's persona as an own one.
      let mine = it.mine.tenant
      let stolen = Publication(
        objects: [mine.object(.human, "stolen", it.other.tenant.humanID, ["display_name": "x"])],
        expected: [mine.key(.human, "stolen"): 0],
        resources: [],
        removed: [],
        author: "tests",
        reason: "stolen"
      )
      let error = await #expect(throws: StoreError.self) {
        try await it.fixture.store.publish(stolen)
      }
      #expect(error?.code == "FOREIGN_ROW" || error?.code == "CONFLICT")
    },
    "accept": { (it: ErasureFixture) async throws -> Void in
      var request = Bindery_V1_AcceptRequest()
      request.conversation = it.foreignKey
      request.message = it.mine.message("mine", providerID: "wamid.x")
      #expect(try await it.mine.service.accept(request).disposition == .unknown)
    },
    "beginTurn": { (it: ErasureFixture) async throws -> Void in
      var request = Bindery_V1_BeginTurnRequest()
      request.conversation = it.foreignKey
      request.nodeID = "node-1"
      request.turnID = TurnID(UUID()).data
      request.newSessionID = SessionID(UUID()).data
      #expect(try await it.mine.service.beginTurn(request).disposition == .unknown)
    },
    "renew": { (it: ErasureFixture) async throws -> Void in
      var request = Bindery_V1_RenewRequest()
      request.conversation = it.foreignKey
      request.epoch = 1
      #expect(try await !it.mine.service.renew(request).renewed)
    },
    "journal": { (it: ErasureFixture) async throws -> Void in
      var request = Bindery_V1_JournalRequest()
      request.conversation = it.foreignKey
      request.epoch = 1
      request.turnID = TurnID(UUID()).data
      request.entry.kind = "tool_started"
      #expect(try await !it.mine.service.journal(request).accepted)
    },
    "commitTurn": { (it: ErasureFixture) async throws -> Void in
      var record = it.record(of: it.other)
      record.tenantID = it.own.data
      var request = Bindery_V1_CommitTurnRequest()
      request.conversation = it.foreignKey
      request.epoch = 1
      request.record = record
      #expect(try await it.mine.service.commitTurn(request).disposition == .fenced)
    },
    "settleOutbox": { (it: ErasureFixture) async throws -> Void in
      let id: UUID = try await it.fixture.value(
        "select id from outbox where tenant_id = \(it.foreign.uuid) limit 1"
      )
      var request = Bindery_V1_SettleOutboxRequest()
      request.tenantID = it.own.data
      request.outbox.outboxID = OutboxID(id).data
      request.outbox.state = .failed
      _ = try await it.mine.service.settleOutbox(request)
    },
    "record": { (it: ErasureFixture) async throws -> Void in
      var record = it.record(of: it.other)
      record.tenantID = it.own.data
      let answer = try await it.ledger.record([LedgerFixture.Spool().request(1, record)])
      #expect(answer.setAside.map(\.code) == ["UNKNOWN_BINDING"])
    },
    "usage": { (it: ErasureFixture) async throws -> Void in
      var request = Bindery_V1_UsageRequest()
      request.tenant = "medicly"
      let rows = try await it.ledger.usage(request).rows
      #expect(!rows.isEmpty && rows.allSatisfy { $0.tenant == "medicly" && $0.turns == 1 })
    },
  ]

  @Test func `each has a case here, or a reason to need none`() throws {
    var root = URL(filePath: #filePath)
    for _ in 0 ..< 4 { root.deleteLastPathComponent() }
    var declared: Set<String> = []
    for (folder, type) in [
      ("Store", "Store"), ("Conversations", "ConversationService"), ("Ledger", "LedgerService"),
    ] {
      let path = root.appending(path: "ControlPlane/\(folder)")
      let texts = try FileManager.default.contentsOfDirectory(atPath: path.path)
        .filter { $0.hasSuffix(".swift") }
        .map { try String(contentsOf: path.appending(path: $0), encoding: .utf8) }
        .filter { $0.contains("extension \(type) {") || $0.contains(" \(type): Sendable {") }
      #expect(!texts.isEmpty, "\(type)")
      for text in texts {
        for match in text.matches(of: /\n  (?:@\w+ )*package func (\w+)/) {
          declared.insert(String(match.output.1))
        }
      }
    }
    let known = Set(Self.cases.keys).union(Self.exempt.keys)
    #expect(declared.subtracting(known).isEmpty)
    #expect(Set(Self.cases.keys).subtracting(declared).isEmpty)
    #expect(Set(Self.cases.keys).isDisjoint(with: Self.exempt.keys))
  }

  @Test func `read and change nothing`() async throws {
    try await withErasure { it in
      try await it.plantAll()
      try await it.plantForeigner()
      let before = try await it.foreignRows()
      for (name, run) in Self.cases.sorted(by: { $0.key < $1.key }) {
        do {
          try await run(it)
        } catch {
          Issue.record("\(name): \(error)")
        }
        let after = try await it.foreignRows()
        #expect(after == before, "\(name)")
      }
    }
  }
}

extension ErasureFixture {
  /// Own tenant, the other's binding.
  fileprivate var foreignKey: Bindery_V1_ConversationKey {
    var key = mine.key
    key.bindingID = other.tenant.bindingID.data
    return key
  }

  /// A user whom only the other tenant knows, by id.
  fileprivate func foreigner() async throws -> PersonSelector {
    let user: UUID = try await fixture.value(
      """
      select user_id from tenant_users t where tenant_id = \(foreign.uuid) and not exists (
        select from tenant_users o where o.tenant_id = \(own.uuid) and o.user_id = t.user_id)
      """
    )
    return PersonSelector(user: user, of: own)
  }
}
