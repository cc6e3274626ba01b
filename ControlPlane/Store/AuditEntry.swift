package import Domain
package import Foundation
internal import Postgres

/// A row of audit_log.
package struct AuditEntry: Hashable, Sendable {
  package var id: Int64
  package var at: Date
  /// nil: the platform's.
  package var tenant: TenantID?
  package var actor: String
  package var actorID: String
  package var role: String
  package var peer: String
  package var reason: String
  /// Of the configuration, when that was changed.
  package var revision: Revision?
  /// "create", "update", "delete", "switch", "rotate", "revoke"; of a refused call its method.
  package var action: String
  package var objectKind: String
  /// Its slug or id.
  package var object: String
  package var detail: String
  package var isRefused: Bool

  init(_ row: PostgresRow) throws {
    id = try row.decode("id")
    at = try row.decode("at")
    tenant = try row.decode("tenant_id", as: UUID?.self).map { TenantID($0) }
    actor = try row.decode("actor")
    actorID = try row.decode("actor_id")
    role = try row.decode("role")
    peer = try row.decode("peer")
    reason = try row.decode("reason")
    revision = try row.decode("revision", as: Int64?.self).map { Revision($0) }
    action = try row.decode("action")
    objectKind = try row.decode("object_kind")
    object = try row.decode("object")
    detail = try row.decode("detail")
    isRefused = try row.decode("refused")
  }
}

/// Which rows of the audit log are wanted; nil leaves a field open.
package struct AuditFilter: Hashable, Sendable {
  package var tenant: TenantID?
  /// Only what is the platform's and no tenant's.
  package var platformOnly = false
  /// Its id, or the whole of its name.
  package var actor: String?
  package var objectKind: String?
  package var object: String?
  package var from: Date?
  /// Not included.
  package var to: Date?
  package var refusedOnly = false
  /// Only older ones than this.
  package var before: Int64?
  package var limit = 100

  package init() {}
}

/// What a reader of the audit log may see.
package enum AuditScope: Hashable, Sendable {
  case everything
  case tenant(TenantID)
}
