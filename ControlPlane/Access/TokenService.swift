package import Domain
internal import Foundation
package import Store

/// Makes, ends and renews tokens.
package struct TokenService: Sendable {
  /// What a token is to be good for.
  package struct Wish: Sendable {
    package var role: AccessToken.Role
    package var name = ""
    /// All but node: slug of their tenant; empty for all and the platform.
    package var tenant = ""
    /// A viewer, author or operator of all tenants is meant, and none was forgotten.
    package var isPlatforms = false
    package var nodeID = ""
    /// Empty: any.
    package var region = ""
    /// Slugs; empty: all.
    package var nodeTenants: [String] = []
    /// nil: for good.
    package var lifetime: Duration?
    package var author = ""
    /// For the audit log.
    package var reason = ""

    package init(role: AccessToken.Role) { self.role = role }
  }

  /// Why a token can't be made or changed.
  package enum Failure: Error, Hashable, CustomStringConvertible {
    case malformed(String)
    case unknownToken(String)
    case unknownTenant(String)
    case alreadyRevoked(String)
    /// The tenant has as many live tokens as it may have.
    case tooMany(tenant: String, limit: Int)

    package var description: String {
      switch self {
      case .malformed(let what): what
      case .unknownToken(let id): "there is no access token \(id)"
      case .unknownTenant(let slug): "there is no tenant '\(slug)'"
      case .alreadyRevoked(let id): "access token \(id) is revoked; create another"
      case .tooMany(let slug, let limit):
        "tenant '\(slug)' has \(limit) live access tokens, the most it may have; revoke what it needs no longer (the control plane's limit is --tokens-per-tenant)"
      }
    }
  }

  private let store: Store
  private let roster: AccessRoster
  private let limit: Int

  /// - Parameter limit: Live tokens that a tenant may have.
  package init(store: Store, roster: AccessRoster, limit: Int = 1_000) {
    self.store = store
    self.roster = roster
    self.limit = limit
  }

  /// The slug of a tenant; nil when it is gone.
  package func slug(of tenant: TenantID) -> String? { roster.slug(of: tenant) }

  /// All tokens, or those of a tenant (slug): its own, and nodes' that are bound to it. Those that have
  /// ended too.
  ///
  /// - Parameter scope: The one tenant whose own tokens the caller may see; nil for all.
  package func list(tenant: String?, scope: TenantID? = nil) async throws -> [AccessToken] {
    if let scope { return try await store.accessTokens(of: scope) }
    guard let tenant else { return try await store.accessTokens(of: nil) }
    return try await store.accessTokens(of: try await self.tenant(tenant), withNodes: true)
  }

  /// - Returns: The token and its text, which is nowhere else.
  /// - Throws: `Failure`, and what the store throws.
  package func create(_ wish: Wish) async throws -> (token: AccessToken, text: TokenText) {
    try Self.check(wish)
    let text = TokenText.make()
    let now = Date()
    var token = AccessToken(
      id: text.id,
      hash: text.hash,
      role: wish.role,
      name: wish.name,
      createdAt: now,
      createdBy: wish.author
    )
    if !wish.tenant.isEmpty { token.tenant = try await tenant(wish.tenant) }
    if wish.role == .node {
      token.nodeID = wish.nodeID
      token.region = wish.region.isEmpty ? nil : wish.region
      if !wish.nodeTenants.isEmpty {
        var tenants: Set<TenantID> = []
        for slug in wish.nodeTenants { tenants.insert(try await tenant(slug)) }
        token.nodeTenants = tenants
      }
    }
    token.expiresAt = wish.lifetime.map { now + $0 / .seconds(1) }
    guard try await store.insert(token, reason: wish.reason, limit: limit) else {
      throw Failure.tooMany(tenant: wish.tenant, limit: limit)
    }
    await roster.refreshSoon()
    return (token, text)
  }

  /// What a token is ended or renewed for, and by whom.
  package struct Order: Sendable {
    package var author = ""
    package var reason = ""
    /// The caller, when it is known; it may reach its own tenant's tokens only.
    package var caller: Principal?

    package init(author: String = "", reason: String = "", caller: Principal? = nil) {
      self.author = author
      self.reason = reason
      self.caller = caller
    }
  }

  /// - Returns: The token as it is now; whether it was good before.
  /// - Throws: `Failure`, `AccessRefusal`, and what the store throws.
  package func revoke(
    _ id: String,
    _ order: Order = Order()
  ) async throws -> (token: AccessToken, changed: Bool) {
    let token = try await known(id, to: order.caller)
    let changed = try await store.revokeAccessToken(
      id,
      of: token.tenant,
      author: order.author,
      reason: order.reason
    )
    await roster.refreshSoon()
    return (roster.token(id) ?? token, changed)
  }

  /// Gives a token another text; from now on the old one is nobody's.
  ///
  /// - Throws: `Failure`, `AccessRefusal`, and what the store throws.
  package func rotate(
    _ id: String,
    _ order: Order = Order()
  ) async throws -> (token: AccessToken, text: TokenText) {
    let token = try await known(id, to: order.caller)
    let text = TokenText.make(id: id)
    let isDone = try await store.rotateAccessToken(
      id,
      of: token.tenant,
      hash: text.hash,
      author: order.author,
      reason: order.reason
    )
    guard isDone else { throw Failure.alreadyRevoked(id) }
    // The text is nowhere else: it is told whatever comes of this.
    await roster.refreshSoon()
    return (roster.token(id) ?? token, text)
  }

  /// The platform's first token of role admin; nil when there is a good one already.
  ///
  /// - Parameter keep: Keeps the text before the token is good; may be called in vain.
  package func bootstrap(keep: (TokenText) throws -> Void) async throws -> AccessToken? {
    try await roster.refresh()
    let now = Date()
    let isThere = roster.tokens.contains {
      $0.role == .admin && $0.tenant == nil && $0.revokedAt == nil
        && $0.expiresAt ?? .distantFuture > now
    }
    guard !isThere else { return nil }
    let text = TokenText.make()
    let token = AccessToken(
      id: text.id,
      hash: text.hash,
      role: .admin,
      name: "bootstrap",
      createdAt: now,
      createdBy: "bindery-control"
    )
    guard try await store.insertFirst(token, before: { try keep(text) }) else { return nil }
    try await roster.refresh()
    return token
  }

  /// A tenant's caller is refused alike whether a token is another's or nobody's.
  private func known(_ id: String, to caller: Principal?) async throws -> AccessToken {
    let token = try await find(id)
    if let caller, let tenant = caller.tenant, token?.tenant != tenant {
      throw caller.denied("reaches no token but its tenant's")
    }
    guard let token else { throw Failure.unknownToken(id) }
    return token
  }

  /// One that ended long ago, or that another replica has just made, is read by itself; what is
  /// nobody's is asked for once, until something changes.
  private func find(_ id: String) async throws -> AccessToken? {
    if let token = roster.token(id) { return token }
    guard TokenText.isID(id), !roster.isKnownToBeNobodys(id) else { return nil }
    let found = try await store.accessToken(id)
    if found == nil { roster.noteUnknown(id) }
    return found
  }

  private func tenant(_ slug: String) async throws -> TenantID {
    guard let id = try await store.tenantID(slug: slug) else { throw Failure.unknownTenant(slug) }
    return id
  }

  private static func isUnfit(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }

  private static func check(_ wish: Wish) throws(Failure) {
    guard wish.name.utf8.count <= 200,
      !wish.name.unicodeScalars.contains(where: Self.isUnfit)
    else {
      throw .malformed("name: at most 200 bytes on one line, and no control characters")
    }
    // Left out by mistake, the tenant would be all of them.
    if wish.role != .node, wish.role != .admin, wish.tenant.isEmpty, !wish.isPlatforms {
      throw .malformed(
        "tenant: name the tenant of this \(wish.role.rawValue), or set platform for all of them"
      )
    }
    if wish.isPlatforms, !wish.tenant.isEmpty {
      throw .malformed("tenant: a token is of one tenant or of the platform, not of both")
    }
    if wish.role == .node, !wish.tenant.isEmpty {
      throw .malformed("tenant: a node is the platform's; bind it with node_tenants")
    }
    if wish.role == .node {
      guard isNodeName(wish.nodeID) else {
        throw .malformed("node_id: 1 to 64 letters, digits, dots, hyphens or underscores")
      }
      guard wish.region.isEmpty || wish.region.utf8.count <= 64 else {
        throw .malformed("region: at most 64 bytes")
      }
      guard wish.nodeTenants.count <= 1000 else {
        throw .malformed("node_tenants: at most 1000")
      }
    } else if !wish.nodeID.isEmpty || !wish.region.isEmpty || !wish.nodeTenants.isEmpty {
      throw .malformed("node_id, region and node_tenants are for tokens of role node")
    }
    if let lifetime = wish.lifetime {
      guard lifetime > .zero, lifetime < .seconds(100 * 366 * 86_400) else {
        throw .malformed("expires_in_ms: more than nothing and less than a hundred years")
      }
    }
  }
}
