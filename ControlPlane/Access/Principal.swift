package import Domain
package import Foundation

/// What a node's identity is bound to.
package struct NodeGrant: Hashable, Sendable {
  package var nodeID: String
  /// nil: any.
  package var region: String?
  /// nil: all.
  package var tenants: Set<TenantID>?

  package init(nodeID: String, region: String? = nil, tenants: Set<TenantID>? = nil) {
    self.nodeID = nodeID
    self.region = region
    self.tenants = tenants
  }

  package func admits(_ tenant: TenantID) -> Bool { tenants?.contains(tenant) ?? true }
}

/// Who calls, and by what this is known.
package struct Principal: Hashable, Sendable {
  /// What people and programs may do; each may do what those before it may.
  package enum Rank: String, Hashable, Sendable, CaseIterable, Comparable {
    /// Reads.
    case viewer
    /// Applies.
    case author
    /// Switches tenants.
    case `operator`
    /// Makes and ends tokens.
    case admin

    package static func < (a: Self, b: Self) -> Bool { a.place < b.place }

    private var place: Int {
      switch self {
      case .viewer: 0
      case .author: 1
      case .operator: 2
      case .admin: 3
      }
    }
  }

  /// Where they may do it.
  package enum Reach: Hashable, Sendable {
    /// All tenants, and what is no tenant's.
    case platform
    case tenant(TenantID, slug: String)
  }

  package enum Role: Hashable, Sendable {
    case person(Rank, Reach)
    case node(NodeGrant)
  }

  package enum Credential: Hashable, Sendable {
    /// Good for as long as the roster knows it.
    case token(Digest)
    case certificate(notAfter: Date)
  }

  package var role: Role
  /// For logs: the token's id, or the certificate's fingerprint, shortened.
  package var id: String
  /// What the token is for, may be empty.
  package var name: String
  package var credential: Credential

  package init(role: Role, id: String, name: String = "", credential: Credential) {
    self.role = role
    self.id = id
    self.name = name
    self.credential = credential
  }

  /// For the history: who made a change.
  package var author: String { name.isEmpty ? "token \(id)" : "\(name) (token \(id))" }

  /// The one tenant that it is of.
  package var tenant: TenantID? {
    if case .person(_, .tenant(let id, _)) = role { id } else { nil }
  }

  /// For the audit log: "viewer", "author", "operator", "admin" or "node".
  package var roleName: String {
    switch role {
    case .person(let rank, _): rank.rawValue
    case .node: "node"
    }
  }

  /// The tenants that a node may see; nil for all, and for who is no node.
  package var nodeTenants: Set<TenantID>? {
    if case .node(let grant) = role { grant.tenants } else { nil }
  }

  /// What it is, for refusals.
  var title: String {
    switch role {
    case .person(let rank, .platform): "token \(id) (\(rank))"
    case .person(let rank, .tenant(_, let slug)): "token \(id) (\(rank) of tenant '\(slug)')"
    case .node(let grant): "\(credentialName) \(id) (node '\(grant.nodeID)')"
    }
  }

  private var credentialName: String {
    switch credential {
    case .token: "token"
    case .certificate: "certificate"
    }
  }
}
