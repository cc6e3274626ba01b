package import Domain
package import Foundation
internal import Postgres

/// A row of access_tokens.
package struct AccessToken: Hashable, Sendable {
  package enum Role: String, Hashable, Sendable, CaseIterable {
    /// Reads.
    case viewer
    /// Reads and applies.
    case author
    /// Reads, applies, and switches tenants.
    case `operator`
    /// All of this, and makes and ends tokens.
    case admin
    /// Speaks for a node.
    case node
  }

  /// Ten letters and digits, public.
  package var id: String
  /// SHA-256 of the token's text.
  package var hash: Digest
  package var role: Role
  /// All but node: what they reach; nil for all tenants and the platform itself.
  package var tenant: TenantID?
  package var name: String
  /// Node: the name that it goes by.
  package var nodeID: String?
  /// Node: where it must say it is; nil for anywhere.
  package var region: String?
  /// Node: what it may see; nil for all.
  package var nodeTenants: Set<TenantID>?
  package var createdAt: Date
  package var createdBy: String
  package var expiresAt: Date?
  package var lastUsedAt: Date?
  package var revokedAt: Date?

  package init(
    id: String,
    hash: Digest,
    role: Role,
    tenant: TenantID? = nil,
    name: String = "",
    nodeID: String? = nil,
    region: String? = nil,
    nodeTenants: Set<TenantID>? = nil,
    createdAt: Date,
    createdBy: String = "",
    expiresAt: Date? = nil,
    lastUsedAt: Date? = nil,
    revokedAt: Date? = nil
  ) {
    self.id = id
    self.hash = hash
    self.role = role
    self.tenant = tenant
    self.name = name
    self.nodeID = nodeID
    self.region = region
    self.nodeTenants = nodeTenants
    self.createdAt = createdAt
    self.createdBy = createdBy
    self.expiresAt = expiresAt
    self.lastUsedAt = lastUsedAt
    self.revokedAt = revokedAt
  }

  init(_ row: PostgresRow) throws {
    let id = try row.decode("id", as: String.self)
    guard let hash = Digest(bytes: try row.decode("hash", as: Data.self)),
      let role = Role(rawValue: try row.decode("role", as: String.self))
    else { throw StoreError.corrupt(what: "access_tokens \(id)") }
    self.init(
      id: id,
      hash: hash,
      role: role,
      tenant: try row.decode("tenant_id", as: UUID?.self).map { TenantID($0) },
      name: try row.decode("name"),
      nodeID: try row.decode("node_id"),
      region: try row.decode("region"),
      nodeTenants: try row.decode("node_tenants", as: [UUID]?.self).map {
        Set($0.map { TenantID($0) })
      },
      createdAt: try row.decode("created_at"),
      createdBy: try row.decode("created_by"),
      expiresAt: try row.decode("expires_at"),
      lastUsedAt: try row.decode("last_used_at"),
      revokedAt: try row.decode("revoked_at")
    )
  }
}
