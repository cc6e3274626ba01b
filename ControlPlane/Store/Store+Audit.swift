package import Domain
internal import Foundation
internal import Postgres

extension Store {
  /// The newest rows first. Row-level security holds a tenant's reader to its own.
  package func auditLog(_ filter: AuditFilter, in scope: AuditScope) async throws -> [AuditEntry] {
    // Only the conditions that there are, so that each set of them has a plan that fits it.
    var wanted: SQL = "true"
    func require(_ condition: SQL) { wanted = "\(wanted) and \(condition)" }
    if case .tenant(let tenant) = scope { require("a.tenant_id = \(tenant.uuid)") }
    if let before = filter.before { require("a.id < \(before)") }
    if let tenant = filter.tenant { require("a.tenant_id = \(tenant.uuid)") }
    if filter.platformOnly { require("a.tenant_id is null") }
    if let actor = filter.actor { require("(a.actor_id = \(actor) or a.actor = \(actor))") }
    if let kind = filter.objectKind { require("a.object_kind = \(kind)") }
    if let object = filter.object { require("a.object = \(object)") }
    if let from = filter.from { require("a.at >= \(from)") }
    if let to = filter.to { require("a.at < \(to)") }
    if filter.refusedOnly { require("a.refused") }
    let query: SQL = """
      select a.id, a.at, a.tenant_id, a.actor, a.actor_id, a.role, a.peer, a.reason, a.action,
        a.object_kind, a.object, a.detail, a.refused, c.revision
      from audit_log a left join commits c using (commit_id)
      where \(wanted)
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
