package import Domain
internal import Foundation
internal import Postgres

extension Store {
  /// How often tokens have changed: equal numbers, equal tokens.
  package func accessVersion() async throws -> Int64 {
    let rows = try await access.query("select version from access_line")
    guard let row = rows.first else { throw StoreError.corrupt(what: "access_line") }
    return try row.decode("version")
  }

  /// All live tokens and those that ended in the last day (at most a thousand, the latest), oldest
  /// first, with the slugs of all tenants, as of one version.
  package func accessTokens() async throws -> (
    version: Int64, tokens: [AccessToken], slugs: [TenantID: String]
  ) {
    let results = try await access.withTransaction(
      isolation: .repeatableRead,
      readOnly: true
    ) { connection in
      try await connection.pipeline([
        "select version from access_line",
        """
        select * from access_tokens
        where revoked_at is null and (expires_at is null or expires_at > now())
        union all (
          select * from access_tokens
          where least(revoked_at, expires_at) <= now()
            and least(revoked_at, expires_at) > now() - interval '1 day'
          order by least(revoked_at, expires_at) desc limit 1000
        )
        order by created_at, id
        """,
        "select id, slug from tenants",
      ])
    }
    guard let line = results[0].first else { throw StoreError.corrupt(what: "access_line") }
    let slugs = try results[2].map { row in
      (
        TenantID(try row.decode("id", as: UUID.self)),
        try row.decode("slug", as: String.self)
      )
    }
    return (
      version: try line.decode("version"),
      tokens: try results[1].map(AccessToken.init),
      slugs: Dictionary(slugs, uniquingKeysWith: { first, _ in first })
    )
  }

  /// One token, however long ago it ended; nil when there is none of this id.
  package func accessToken(_ id: String) async throws -> AccessToken? {
    try await distribution.query("select * from access_tokens where id = \(id)").first
      .map(AccessToken.init)
  }

  /// Tokens, those that have ended too, oldest first.
  ///
  /// - Parameters:
  ///   - tenant: Only this one's own; nil for all.
  ///   - withNodes: Also those of nodes that are bound to the tenant.
  package func accessTokens(
    of tenant: TenantID?,
    withNodes: Bool = false
  ) async throws -> [AccessToken] {
    let id = tenant?.uuid
    return try await distribution.query(
      """
      select * from access_tokens
      where \(id as UUID?)::uuid is null or tenant_id = \(id as UUID?)::uuid
        or (\(withNodes) and \(id as UUID?)::uuid = any (node_tenants))
      order by created_at, id
      """
    ).map(AccessToken.init)
  }

  /// - Parameter limit: Live tokens that the token's tenant may have; nil for any number.
  /// - Returns: Whether it was stored: false when the tenant has that many already.
  @discardableResult
  package func insert(
    _ token: AccessToken,
    reason: String = "",
    limit: Int? = nil
  ) async throws -> Bool {
    let settings = Self.settings(of: token.tenant, author: token.createdBy, reason: reason)
    return try await app.withTransaction(settings: settings) { connection in
      if let limit, let tenant = token.tenant {
        // One at a time, so that two can't both be the last.
        try await connection.execute(
          """
          select pg_advisory_xact_lock(
            hashtextextended('bindery.access_tokens.' || \(tenant.description), 0))
          """
        )
        let rows = try await connection.query(
          """
          select count(*) as live from access_tokens
          where revoked_at is null and (expires_at is null or expires_at > now())
          """
        )
        guard try rows.first?.decode("live", as: Int64.self) ?? 0 < Int64(limit) else {
          return false
        }
      }
      try await connection.execute(Self.insertion(of: token))
      return true
    }
  }

  /// Stores the platform's first token; false when there is a live one of role admin already.
  ///
  /// - Parameter before: Done before it is stored; when it throws, nothing is.
  package func insertFirst(
    _ token: AccessToken,
    before: () throws -> Void
  ) async throws -> Bool {
    try await app.withTransaction(
      settings: Self.settings(of: nil, author: token.createdBy, reason: "there was none")
    ) { connection in
      // One at a time, so that two replicas that start at once make one token.
      try await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('bindery.first_access_token', 0))"
      )
      let found = try await connection.query(
        """
        select 1 from access_tokens where role = 'admin' and tenant_id is null and revoked_at is null
          and (expires_at is null or expires_at > now())
        """
      )
      guard found.isEmpty else { return false }
      try before()
      try await connection.execute(Self.insertion(of: token))
      return true
    }
  }

  /// Ends a token; false when it had ended before.
  package func revokeAccessToken(
    _ id: String,
    of tenant: TenantID?,
    author: String = "",
    reason: String = ""
  ) async throws -> Bool {
    try await app.withTransaction(
      settings: Self.settings(of: tenant, author: author, reason: reason)
    ) {
      try await $0.execute(
        "update access_tokens set revoked_at = now() where id = \(id) and revoked_at is null"
      )
    } == 1
  }

  /// Puts another text's hash in; false when the token was revoked.
  package func rotateAccessToken(
    _ id: String,
    of tenant: TenantID?,
    hash: Digest,
    author: String = "",
    reason: String = ""
  ) async throws -> Bool {
    try await app.withTransaction(
      settings: Self.settings(of: tenant, author: author, reason: reason)
    ) {
      try await $0.execute(
        "update access_tokens set hash = \(hash.data) where id = \(id) and revoked_at is null"
      )
    } == 1
  }

  /// Notes that tokens of one tenant, or of the platform, were used just now.
  package func noteUse(of tokens: [String], tenant: TenantID?) async throws {
    try await app.withTransaction(settings: Self.settings(of: tenant)) {
      _ = try await $0.execute(
        "update access_tokens set last_used_at = now() where id = any (\(tokens)::text[])"
      )
    }
  }

  private static func settings(
    of tenant: TenantID?,
    author: String = "",
    reason: String = ""
  ) -> [String: String] {
    AuditOrigin.settings(author: author, reason: reason)
      .merging(tenant.map { settings(for: $0) } ?? [:]) { $1 }
  }

  private static func insertion(of token: AccessToken) -> SQL {
    let tenants = token.nodeTenants.map { $0.map(\.uuid).sorted() }
    return """
      insert into access_tokens (
        id, hash, role, tenant_id, name, node_id, region, node_tenants, created_at, created_by,
        expires_at
      ) values (
        \(token.id), \(token.hash.data), \(token.role.rawValue), \(token.tenant?.uuid as UUID?),
        \(token.name), \(token.nodeID as String?), \(token.region as String?),
        \(tenants as [UUID]?)::uuid[], \(token.createdAt), \(token.createdBy),
        \(token.expiresAt as Date?)
      )
      """
  }
}
