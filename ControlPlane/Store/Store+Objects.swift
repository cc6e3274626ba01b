package import Domain
internal import Foundation
internal import Postgres

extension Store {
  /// The newest version of one object; nil when there is none.
  package func object(_ key: ObjectKey) async throws -> StoredObject? {
    let rows = try await distribution.query(
      """
      \(Self.objects(of: key.kind))
      where tenant.slug = \(key.tenant) and object.slug = \(key.slug) and \(Self.isLive(key.kind))
      """
    )
    return try rows.first.map(Self.object)
  }

  /// Objects of a kind by tenant and slug.
  ///
  /// - Parameters:
  ///   - tenant: a slug; nil for all tenants.
  ///   - after: the last key of the page before.
  ///   - limit: at most this many.
  package func list(
    kind: ObjectKind,
    tenant: String? = nil,
    after: ObjectKey? = nil,
    limit: Int = 1000
  ) async throws -> [StoredObject] {
    let rows = try await distribution.query(
      """
      \(Self.objects(of: kind))
      where \(Self.isLive(kind)) and (\(tenant == nil) or tenant.slug = \(tenant ?? ""))
        and (tenant.slug, object.slug) > (\(after?.tenant ?? "")::text, \(after?.slug ?? "")::text)
      order by tenant.slug, object.slug limit \(max(0, limit))
      """
    )
    return try rows.map(Self.object)
  }

  /// Columns of `StoredObject`; a tenant's switch revision is that of the commit that made it.
  static func objects(of kind: ObjectKind) -> SQL {
    let isTenant = kind == .tenant
    let join: SQL =
      isTenant
      ? "join tenants tenant on tenant.id = object.id"
      : "join tenants tenant on tenant.id = object.tenant_id"
    let status: SQL =
      isTenant
      ? """
      tenant.status as status, coalesce(
        (select c.revision from commits c where c.commit_id = tenant.switch_commit_id), 0
      ) as switch_revision
      """
      : "null::text as status, null::bigint as switch_revision"
    return """
      select \(kind.rawValue)::text as kind, tenant.slug as tenant, object.slug as slug,
        object.id as id, object.version as version, object.spec as spec,
        object.updated_at as updated_at, object.source as source,
        not (\(isLive(kind))) as deleted, \(status)
      from \(unsafeRaw: kind.table) object \(join)
      """
  }

  /// Of a row's object: whether it is in effect. Tenants are archived, never deleted.
  static func isLive(_ kind: ObjectKind) -> SQL {
    kind == .tenant ? "true" : "object.removed_at is null"
  }

  static func object(_ row: PostgresRow) throws -> StoredObject {
    let name = try row.decode("kind", as: String.self)
    guard let kind = ObjectKind(rawValue: name) else { throw StoreError.corrupt(what: name) }
    let key = ObjectKey(
      kind: kind,
      tenant: try row.decode("tenant"),
      slug: try row.decode("slug")
    )
    let status = try row.decode("status", as: String?.self)
    return StoredObject(
      key: key,
      id: try row.decode("id"),
      version: try row.decode("version"),
      spec: try JSONText.value(try row.decode("spec"), what: key.description),
      status: status.flatMap(TenantStatus.init(rawValue:)),
      switchRevision: try row.decode("switch_revision", as: Int64?.self).map(Revision.init),
      updatedAt: try row.decode("updated_at"),
      source: try row.decode("source")
    )
  }

  static func route(_ row: PostgresRow) throws -> RouteResource {
    RouteResource(
      channel: try row.decode("channel"),
      key: try row.decode("key"),
      tenantID: TenantID(try row.decode("tenant_id", as: UUID.self)),
      bindingID: BindingID(try row.decode("binding_id", as: UUID.self))
    )
  }
}

extension ObjectKind {
  var table: String {
    switch self {
    case .tenant: "tenants"
    case .human: "humans"
    case .team: "teams"
    case .agent: "agents"
    case .binding: "agent_bindings"
    }
  }
}
