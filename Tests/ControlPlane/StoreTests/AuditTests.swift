import Access
import Domain
import Foundation
import Postgres
import Store
import Testing

@Suite struct `The audit log` {
  private let ci = AuditOrigin(
    actor: "CI (token abcdefghij)",
    actorID: "abcdefghij",
    role: "author",
    peer: "ipv4:10.0.0.7:41000"
  )
  private let mine = SampleTenant("medicly", number: "919800000004")
  private let other = SampleTenant("vakil", number: "919800000005")

  private func token(_ tenant: TenantID?, _ role: AccessToken.Role) -> AccessToken {
    let text = TokenText.make()
    return AccessToken(
      id: text.id,
      hash: text.hash,
      role: role,
      tenant: tenant,
      name: "for a test",
      createdAt: Date(),
      createdBy: "somebody"
    )
  }

  private func whole(_ edit: (inout AuditFilter) -> Void = { _ in }) -> AuditFilter {
    var filter = AuditFilter()
    filter.limit = 1000
    edit(&filter)
    return filter
  }

  @Test func `tells of every object that a publication changes, by whom, why and from where`()
    async throws
  {
    try await withStore { fixture in
      let store = fixture.store
      var publication = mine.publication()
      publication.author = "CI (token abcdefghij)"
      publication.reason = "to begin"
      let revision = try await AuditOrigin.$current.withValue(ci) {
        try await store.publish(publication)
      }
      let entries = try await store.auditLog(whole(), in: .everything)
      #expect(
        Set(entries.map { "\($0.action) \($0.objectKind) \($0.object) \($0.detail)" })
          == Set(
            publication.objects.map {
              "create \($0.key.kind.rawValue) \($0.key.slug) version 1"
            }
          )
      )
      #expect(entries.count == publication.objects.count)
      for entry in entries {
        #expect(entry.tenant == mine.tenantID)
        #expect(entry.actor == ci.actor && entry.actorID == ci.actorID)
        #expect(entry.role == "author" && entry.peer == ci.peer)
        #expect(entry.reason == "to begin")
        #expect(entry.revision == revision)
        #expect(!entry.isRefused)
        #expect(abs(entry.at.timeIntervalSinceNow) < 600)
      }
    }
  }

  @Test func `tells of switches and tokens, and takes an author's word where nobody was asked`()
    async throws
  {
    try await withStore { fixture in
      let store = fixture.store
      try await store.publish(mine.publication())
      try await store.setTenantStatus(
        slug: "medicly",
        status: .paused,
        author: "asha",
        reason: "an incident"
      )
      // The same again is no change.
      try await store.setTenantStatus(
        slug: "medicly",
        status: .paused,
        author: "asha",
        reason: "once more"
      )
      let switches = try await store.auditLog(whole { $0.actor = "asha" }, in: .everything)
      #expect(switches.map(\.action) == ["switch"])
      #expect(switches.first?.detail == "active to paused, by the platform")
      #expect(switches.first?.reason == "an incident")
      #expect(switches.first?.object == "medicly")

      let own = token(mine.tenantID, .operator)
      let platforms = token(nil, .viewer)
      for it in [own, platforms] { try await store.insert(it, reason: "asked for") }
      let renewed = TokenText.make(id: own.id).hash
      #expect(
        try await store.rotateAccessToken(own.id, of: own.tenant, hash: renewed, author: "asha")
      )
      #expect(try await store.revokeAccessToken(own.id, of: own.tenant, reason: "lost"))
      #expect(try await !store.revokeAccessToken(own.id, of: own.tenant))
      try await store.noteUse(of: [own.id], tenant: own.tenant)
      let ofOwn = try await store.auditLog(
        whole { ($0.objectKind, $0.object) = ("Token", own.id) },
        in: .everything
      )
      #expect(ofOwn.map(\.action) == ["revoke", "rotate", "create"])
      #expect(ofOwn.map(\.reason) == ["lost", "", "asked for"])
      #expect(ofOwn.last?.detail == "operator, for a test")
      #expect(ofOwn.last?.actor == "somebody")
      let platform = try await store.auditLog(whole { $0.platformOnly = true }, in: .everything)
      #expect(platform.map(\.object) == [platforms.id])
    }
  }

  @Test func `holds what was committed and nothing else, also of changes by bare SQL`() async throws
  {
    try await withStore { fixture in
      let store = fixture.store
      try await store.publish(mine.publication())
      let before = try await store.auditLog(whole(), in: .everything).count
      struct Undone: Error {}
      await #expect(throws: Undone.self) {
        try await store.app.withTransaction(settings: Store.settings(for: mine.tenantID)) {
          _ = try await $0.execute("update humans set version = version + 1")
          throw Undone()
        }
      }
      #expect(try await store.auditLog(whole(), in: .everything).count == before)
      try await store.app.withTransaction(settings: Store.settings(for: mine.tenantID)) {
        _ = try await $0.execute("update humans set version = version + 1")
      }
      let entries = try await store.auditLog(whole(), in: .everything)
      #expect(entries.count == before + 1)
      #expect(entries.first?.action == "update")
      #expect(entries.first?.detail == "version 1 to 2")
      // Who did it is told even so.
      #expect(entries.first?.actor.hasPrefix("database role ") == true)
      // A tenant that goes takes none of its history along.
      try await fixture.owner.query("delete from tenants where id = \(mine.tenantID.uuid)")
      let after = try await store.auditLog(whole { $0.tenant = mine.tenantID }, in: .everything)
      #expect(after.count > before + 1)
      #expect(after.contains { $0.action == "delete" && $0.objectKind == "Tenant" })
    }
  }

  @Test(arguments: ["bindery_app", "bindery_distribution"])
  func `can't be changed, emptied or back-dated by a role that the daemon has`(
    _ role: String
  )
    async throws
  {
    try await withStore { fixture in
      let store = fixture.store
      try await store.publish(mine.publication())
      let count = try await store.auditLog(whole(), in: .everything).count
      let pool = role == "bindery_app" ? store.app : store.distribution
      let statements: [SQL] = [
        "update audit_log set actor = 'nobody'", "delete from audit_log", "truncate audit_log",
        "insert into audit_log (action, at) values ('create', now() - interval '1 year')",
        "insert into audit_log (action, actor) values ('create', 'somebody else')",
        "insert into audit_log (id, action) overriding system value values (1, 'create')",
        "drop table audit_log", "alter table audit_log disable row level security",
        "alter table humans disable trigger audit_update",
        "drop trigger audit_insert on humans",
      ]
      for statement in statements {
        let refused = await #expect(throws: PostgresError.self, "\(statement)") {
          try await pool.withTransaction(settings: Store.settings(for: mine.tenantID)) {
            _ = try await $0.execute(statement)
          }
        }
        #expect(refused?.sqlState == PostgresError.State.insufficientPrivilege, "\(statement)")
      }
      #expect(try await store.auditLog(whole(), in: .everything).count == count)
      let grants: String = try await fixture.value(
        """
        select string_agg(distinct privilege_type, ' ' order by privilege_type)
        from information_schema.column_privileges
        where table_name = 'audit_log' and grantee = \(role)
        """
      )
      #expect(grants == (role == "bindery_app" ? "INSERT SELECT" : "SELECT"))
    }
  }

  @Test func `shows a tenant its own rows only, whatever it asks for, and the platform's to none`()
    async throws
  {
    try await withStore { fixture in
      let store = fixture.store
      for it in [mine, other] { try await store.publish(it.publication()) }
      try await store.insert(token(nil, .admin))
      try await store.auditRefusal(of: ci, tenant: mine.tenantID, action: "Apply", detail: "no")
      try await store.auditRefusal(of: ci, tenant: nil, action: "Watch", detail: "no")
      let filters: [AuditFilter] = [
        whole(), whole { $0.tenant = other.tenantID }, whole { $0.platformOnly = true },
        whole { $0.actor = ci.actorID }, whole { $0.objectKind = "Token" },
      ]
      let scope = AuditScope.tenant(mine.tenantID)
      for filter in filters {
        let seen = try await store.auditLog(filter, in: scope)
        #expect(seen.allSatisfy { $0.tenant == mine.tenantID })
      }
      #expect(try await store.auditLog(filters[0], in: scope).count > 1)
      #expect(try await store.auditLog(filters[1], in: scope).isEmpty)
      #expect(try await store.auditLog(filters[2], in: scope).isEmpty)
      let refused = try await store.auditLog(whole { $0.refusedOnly = true }, in: scope)
      #expect(refused.map(\.action) == ["Apply"])
      #expect(refused.first?.actorID == ci.actorID)
      #expect(
        try await store.auditLog(whole { $0.refusedOnly = true }, in: .everything).count == 2
      )
      // Nor does a tenant's transaction write into another's log, or the platform's.
      for tenant in [other.tenantID.uuid as UUID?, nil] {
        let stopped = await #expect(throws: PostgresError.self) {
          try await store.app.withTransaction(settings: Store.settings(for: mine.tenantID)) {
            _ = try await $0.execute(
              "insert into audit_log (tenant_id, action) values (\(tenant as UUID?), 'forged')"
            )
          }
        }
        #expect(stopped?.sqlState == PostgresError.State.insufficientPrivilege)
      }
    }
  }

  @Test func `comes in pages that leave out nothing and show nothing twice`() async throws {
    try await withStore { fixture in
      let store = fixture.store
      for number in 0 ..< 25 {
        try await store.auditRefusal(of: ci, tenant: nil, action: "A\(number)", detail: "")
      }
      var filter = whole { $0.limit = 7 }
      var seen: [String] = []
      while true {
        let page = try await store.auditLog(filter, in: .everything)
        seen += page.map(\.action)
        // What comes meanwhile stands before the pages that were read.
        try await store.auditRefusal(of: ci, tenant: nil, action: "late", detail: "")
        guard page.count == 7, let last = page.last else { break }
        filter.before = last.id
      }
      #expect(seen == (0 ..< 25).reversed().map { "A\($0)" })
      let now = Date()
      #expect(try await store.auditLog(whole { $0.to = now - 600 }, in: .everything).isEmpty)
      #expect(try await store.auditLog(whole { $0.from = now + 600 }, in: .everything).isEmpty)
      #expect(
        try await store.auditLog(
          whole { ($0.from, $0.to) = (now - 600, now + 600) },
          in: .everything
        ).count > 25
      )
    }
  }
}
