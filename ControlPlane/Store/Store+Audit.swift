package import Domain
internal import Foundation
internal import Postgres

extension Store {
  /// The newest rows first. Row-level security holds a tenant's reader to its own.
  package func auditLog(_ filter: AuditFilter, in scope: AuditScope) async throws -> [AuditEntry] {
    let query: SQL = """
      select a.id, a.at, a.tenant_id, a.actor, a.actor_id, a.role, a.peer, a.reason, a.action,
        a.object_kind, a.object, a.detail, a.refused, c.revision
      from audit_log a left join commits c using (commit_id)
      where (\(filter.before as Int64?)::bigint is null or a.id < \(filter.before as Int64?))
        and (\(filter.tenant?.uuid as UUID?)::uuid is null
          or a.tenant_id = \(filter.tenant?.uuid as UUID?))
        and (not \(filter.platformOnly)::boolean or a.tenant_id is null)
        and (\(filter.actor as String?)::text is null
          or a.actor_id = \(filter.actor as String?) or a.actor = \(filter.actor as String?))
        and (\(filter.objectKind as String?)::text is null
          or a.object_kind = \(filter.objectKind as String?))
        and (\(filter.object as String?)::text is null or a.object = \(filter.object as String?))
        and (\(filter.from as Date?)::timestamptz is null or a.at >= \(filter.from as Date?))
        and (\(filter.to as Date?)::timestamptz is null or a.at < \(filter.to as Date?))
        and (not \(filter.refusedOnly)::boolean or a.refused)
      order by a.id desc limit \(Int64(filter.limit))
      """
    let rows =
      switch scope {
      case .everything: try await distribution.query(query)
      case .tenant(let tenant):
        try await app.withTransaction(settings: Self.settings(for: tenant), readOnly: true) {
          try await $0.query(query)
        }
      }
    return try rows.map(AuditEntry.init)
  }

  /// Writes that a caller was refused.
  ///
  /// - Parameters:
  ///   - origin: The caller.
  ///   - tenant: The caller's; whatever it was after, it is told of in its own log.
  ///   - action: The method.
  ///   - detail: Why.
  package func auditRefusal(
    of origin: AuditOrigin,
    tenant: TenantID?,
    action: String,
    detail: String
  ) async throws {
    let settings = AuditOrigin.$current.withValue(origin) { AuditOrigin.settings() }
    try await app.withTransaction(
      settings: settings.merging(tenant.map { Self.settings(for: $0) } ?? [:]) { $1 }
    ) {
      _ = try await $0.execute(
        """
        insert into audit_log (tenant_id, action, detail, refused)
        values (\(tenant?.uuid as UUID?), \(action), \(detail), true)
        """
      )
    }
  }
}
