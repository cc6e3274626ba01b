import Access
import Domain
import Foundation
import Postgres
import Store
import Testing

@Suite struct `The table of access tokens` {
  private func token(
    _ role: AccessToken.Role,
    _ tenant: TenantID? = nil
  ) -> AccessToken {
    let text = TokenText.make()
    // PostgreSQL keeps microseconds.
    let now = Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded())
    var token = AccessToken(
      id: text.id,
      hash: text.hash,
      role: role,
      tenant: tenant,
      name: "for a test",
      createdAt: now,
      createdBy: "somebody",
      expiresAt: now + 1000
    )
    if role == .node {
      token.nodeID = "edge-1"
      token.region = "in-south"
      token.nodeTenants = tenant.map { [$0] }
      token.tenant = nil
    }
    return token
  }

  @Test func `gives back what was put in, and a version that rises with each change`()
    async throws
  {
    try await withStore { fixture in
      let store = fixture.store
      let mine = SampleTenant("medicly", number: "919800000004")
      try await store.publish(mine.publication())
      var versions = [try await store.accessVersion()]
      var put: [AccessToken] = []
      for role in AccessToken.Role.allCases {
        put.append(token(role, role == .admin ? nil : mine.tenantID))
        try await store.insert(put[put.count - 1])
        versions.append(try await store.accessVersion())
      }
      let found = try await store.accessTokens()
      #expect(Set(found.tokens) == Set(put))
      #expect(found.slugs[mine.tenantID] == "medicly")
      #expect(found.version == versions.last)
      let author = put[1]
      // A use is no change.
      try await store.noteUse(of: [author.id], tenant: author.tenant)
      #expect(try await store.accessVersion() == versions.last)
      #expect(
        try await store.accessTokens().tokens.contains {
          $0.id == author.id && $0.lastUsedAt != nil
        }
      )
      let other = TokenText.make(id: author.id).hash
      #expect(try await store.rotateAccessToken(author.id, of: author.tenant, hash: other))
      versions.append(try await store.accessVersion())
      #expect(try await store.revokeAccessToken(author.id, of: author.tenant))
      versions.append(try await store.accessVersion())
      #expect(try await !store.revokeAccessToken(author.id, of: author.tenant))
      #expect(try await !store.rotateAccessToken(author.id, of: author.tenant, hash: other))
      #expect(versions == versions.sorted() && Set(versions).count == versions.count)
      // With its tenant a token goes.
      try await fixture.owner.query("delete from access_tokens where role = 'viewer'")
      #expect(try await store.accessVersion() > (versions.last ?? 0))
    }
  }

  @Test func `gives replicas the live ones and, for a day, those that have ended`() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let live = token(.admin)
      var lasting = token(.admin)
      lasting.expiresAt = nil
      var (expired, lapsed) = (token(.admin), token(.admin))
      expired.expiresAt = Date(timeIntervalSinceNow: -3_600)
      lapsed.expiresAt = Date(timeIntervalSinceNow: -90_000)
      let (revoked, gone) = (token(.admin), token(.admin))
      for it in [live, lasting, expired, lapsed, revoked, gone] { try await store.insert(it) }
      try await fixture.owner.query(
        "update access_tokens set revoked_at = now() - interval '23 hours' where id = \(revoked.id)"
      )
      try await fixture.owner.query(
        "update access_tokens set revoked_at = now() - interval '25 hours' where id = \(gone.id)"
      )
      let held = Set(try await store.accessTokens().tokens.map(\.id))
      #expect(held == Set([live, lasting, expired, revoked].map(\.id)))
      // All of them are there still, for whoever asks.
      #expect(try await store.accessTokens(of: nil).count == 6)
      #expect(try await store.accessToken(gone.id)?.revokedAt != nil)
      #expect(try await store.accessToken(lapsed.id) != nil)
      #expect(try await store.accessToken("aaaaaaaaaa") == nil)
    }
  }

  @Test func `takes no more of a tenant than it may have, however many come at once`() async throws
  {
    try await withStore { fixture in
      let store = fixture.store
      let (mine, other) = (
        SampleTenant("medicly", number: "919800000004"),
        SampleTenant("vakil", number: "919800000005")
      )
      for tenant in [mine, other] { try await store.publish(tenant.publication()) }
      var old = token(.viewer, mine.tenantID)
      old.expiresAt = Date(timeIntervalSinceNow: -10)
      try await store.insert(old, limit: 1)
      let stored = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0 ..< 12 {
          let new = token(.author, mine.tenantID)
          group.addTask { try await store.insert(new, limit: 5) }
        }
        return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
      }
      #expect(stored == 5)
      #expect(try await store.insert(token(.viewer, other.tenantID), limit: 5))
      // The platform's are not counted.
      for _ in 0 ..< 6 { #expect(try await store.insert(token(.admin), limit: 5)) }
      let some = try #require(
        try await store.accessTokens(of: mine.tenantID).first { $0.expiresAt ?? .now > .now }
      )
      #expect(try await store.revokeAccessToken(some.id, of: mine.tenantID))
      #expect(try await store.insert(token(.viewer, mine.tenantID), limit: 5))
      #expect(try await !store.insert(token(.viewer, mine.tenantID), limit: 5))
    }
  }

  @Test func `is read by connections of its own, if there are any`() async throws {
    try await withStore { fixture in
      #expect(fixture.store.access === fixture.store.distribution)
      let own = StoreFixture.pool(fixture.login, role: "bindery_distribution", connections: 1)
      let store = Store(
        app: fixture.store.app,
        distribution: fixture.store.distribution,
        access: own,
        logger: StoreFixture.logger
      )
      await fixture.store.distribution.shutdown()
      #expect(try await store.accessVersion() >= 0)
      _ = try await store.accessTokens()
      await own.shutdown()
    }
  }

  @Test func `shows and changes a tenant's own only, and the platform's to no tenant`()
    async throws
  {
    try await withStore { fixture in
      let store = fixture.store
      let mine = SampleTenant("medicly", number: "919800000004")
      let other = SampleTenant("vakil", number: "919800000005")
      for it in [mine, other] { try await store.publish(it.publication()) }
      let own = token(.author, mine.tenantID)
      let foreign = token(.author, other.tenantID)
      let admin = token(.admin)
      for it in [own, foreign, admin] { try await store.insert(it) }
      let seen = try await store.app.withTransaction(
        settings: Store.settings(for: mine.tenantID)
      ) { try await $0.query("select id from access_tokens") }
      #expect(try seen.map { try $0.decode("id", as: String.self) } == [own.id])
      let platform = try await store.app.query("select id from access_tokens")
      #expect(try platform.map { try $0.decode("id", as: String.self) } == [admin.id])
      // A tenant's transaction ends neither another's token nor the platform's.
      for it in [foreign, admin] {
        #expect(try await !store.revokeAccessToken(it.id, of: mine.tenantID))
        #expect(
          try await !store.rotateAccessToken(it.id, of: mine.tenantID, hash: token(.admin).hash)
        )
      }
      // Nor does it make one of them.
      for it in [token(.admin), token(.viewer, other.tenantID)] {
        let refused = await #expect(throws: PostgresError.self) {
          try await store.app.withTransaction(settings: Store.settings(for: mine.tenantID)) {
            _ = try await $0.execute(
              """
              insert into access_tokens (id, hash, role, tenant_id)
              values (\(it.id), \(it.hash.data), \(it.role.rawValue), \(it.tenant?.uuid as UUID?))
              """
            )
          }
        }
        #expect(refused?.sqlState == PostgresError.State.insufficientPrivilege)
      }
      // The role that writes can't read the hashes, and nobody's transaction deletes.
      for sql: SQL in ["select hash from access_tokens", "delete from access_tokens"] {
        let refused = await #expect(throws: PostgresError.self) { try await store.app.query(sql) }
        #expect(refused?.sqlState == PostgresError.State.insufficientPrivilege)
      }
    }
  }

  @Test func `takes no node of a tenant, none without a name, and no name of what is no node`()
    async throws
  {
    try await withStore { fixture in
      let mine = SampleTenant("medicly", number: "919800000004")
      try await fixture.store.publish(mine.publication())
      var wrong = [token(.node), token(.node), token(.author, mine.tenantID)]
      wrong[0].tenant = mine.tenantID
      wrong[1].nodeID = nil
      wrong[2].nodeID = "edge-1"
      for it in wrong {
        let refused = await #expect(throws: PostgresError.self) {
          try await fixture.store.insert(it)
        }
        #expect(refused?.sqlState == "23514", "\(it.role)")
      }
    }
  }

  @Test func `gets its first token once, however many ask for it at once`() async throws {
    try await withStore { fixture in
      let made = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0 ..< 4 {
          let first = token(.admin)
          group.addTask { try await fixture.store.insertFirst(first) {} }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(made.count { $0 } == 1)
      #expect(try await fixture.store.accessTokens().tokens.count == 1)
      struct Full: Error {}
      try await fixture.owner.query("delete from access_tokens")
      let last = token(.admin)
      await #expect(throws: Full.self) {
        try await fixture.store.insertFirst(last) { throw Full() }
      }
      #expect(try await fixture.store.accessTokens().tokens.isEmpty)
    }
  }
}
