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
  package enum Role: Hashable, Sendable {
    case admin
    /// `slug` is the tenant's; a viewer may not write.
    case tenant(TenantID, slug: String, mayWrite: Bool)
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
    if case .tenant(let id, _, _) = role { id } else { nil }
  }

  /// The tenants that a node may see; nil for all, and for who is no node.
  package var nodeTenants: Set<TenantID>? {
    if case .node(let grant) = role { grant.tenants } else { nil }
  }

  /// What it is, for refusals.
  var title: String {
    switch role {
    case .admin: "token \(id) (admin)"
    case .tenant(_, let slug, let mayWrite):
      "token \(id) (\(mayWrite ? "author" : "viewer") of tenant '\(slug)')"
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
