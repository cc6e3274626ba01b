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
