package import Domain
internal import Foundation
internal import Postgres

extension Store {
  /// One object as of a revision; nil when it was not there.
  ///
  /// - Throws: `StoreError.revisionGone`, `.unknownRevision`.
  package func object(_ key: ObjectKey, at revision: Revision) async throws -> StoredObject? {
    let only: SQL = """
      v.kind = \(key.kind.rawValue) and v.slug = \(key.slug)
        and v.tenant_id = (select id from tenants where slug = \(key.tenant))
      """
    return try await past(
      revision,
      SQL("\(Self.objects(of: key.kind, at: revision, only: only)) limit 1", name: "object-past")
    )
    .first.map(Self.object)
  }

  /// Objects of a kind as of a revision, by tenant and slug.
  ///
  /// - Throws: `StoreError.revisionGone`, `.unknownRevision`.
  package func list(
    kind: ObjectKind,
    at revision: Revision,
    tenant: String? = nil,
    after: ObjectKey? = nil,
    limit: Int = 1000
  ) async throws -> [StoredObject] {
    let only: SQL = """
      v.kind = \(kind.rawValue) and (\(tenant == nil)
        or v.tenant_id = (select id from tenants where slug = \(tenant ?? "")))
      """
    return try await past(
      revision,
      SQL(
        """
        \(Self.objects(of: kind, at: revision, only: only))
          and (tenant.slug, v.slug) > (\(after?.tenant ?? "")::text, \(after?.slug ?? "")::text)
        order by tenant.slug, v.slug limit \(max(0, limit))
        """,
        name: "list-past"
      )
    )
    .map(Self.object)
  }

  /// The addresses of bindings, by channel and key.
  ///
  /// - Parameters:
  ///   - revision: as of which; nil for now.
  ///   - after: channel and key of the last one of the page before.
  /// - Throws: `StoreError.revisionGone`, `.unknownRevision`.
  package func routes(
    at revision: Revision? = nil,
    tenant: String? = nil,
    after: (channel: String, key: String)? = nil,
    limit: Int = 1000
  ) async throws -> [NamedRoute] {
    let source: SQL =
      if let revision {
        """
        (select distinct on (l.tenant_id, l.key) l.tenant_id, l.key[1] as channel, l.key[2] as key,
          (l.resource->>'bindingID')::uuid as binding_id
        from changelog l join commits c on c.commit_id = l.commit_id
        where l.kind = 'route' and c.revision <= \(revision.value)
        order by l.tenant_id, l.key, c.revision desc, l.ordinal desc)
        """
      } else {
        "binding_routes"
      }
    let statement: SQL = """
      select r.channel, r.key, tenant.slug as tenant, b.slug as binding
      from \(source) r join tenants tenant on tenant.id = r.tenant_id
        join agent_bindings b on b.tenant_id = r.tenant_id and b.id = r.binding_id
      where (\(tenant == nil) or tenant.slug = \(tenant ?? ""))
        and (r.channel, r.key) > (\(after?.channel ?? "")::text, \(after?.key ?? "")::text)
      order by r.channel, r.key limit \(max(0, limit))
      """
    let rows =
      if let revision {
        try await past(revision, statement)
      } else {
        try await distribution.query(statement)
      }
    return try rows.map { row in
      NamedRoute(
        channel: try row.decode("channel"),
        key: try row.decode("key"),
        tenant: try row.decode("tenant"),
        binding: try row.decode("binding")
      )
    }
  }

  /// The versions of an object below one, newest first.
  package func history(
    of key: ObjectKey,
    before version: Int32? = nil,
    limit: Int = 1000
  ) async throws -> [ObjectVersion] {
    try await distribution.query(
      SQL(
        """
        \(Self.versions(of: key)) and v.version < \(version ?? .max)
        order by v.version desc limit \(max(0, limit))
        """,
        name: "history"
      )
    )
    .map { try Self.version($0, of: key) }
  }

  /// One version of an object.
  ///
  /// - Throws: `StoreError.unknownVersion`.
  package func version(_ version: Int32, of key: ObjectKey) async throws -> ObjectVersion {
    let rows = try await distribution.query(
      SQL("\(Self.versions(of: key)) and v.version = \(version)", name: "version")
    )
    guard let row = rows.first else {
      let newest = try await history(of: key, limit: 1).first?.version ?? 0
      throw StoreError.unknownVersion(key, version, newest: newest)
    }
    return try Self.version(row, of: key)
  }

  // MARK: - Statements

  /// Runs a statement about a revision after a look whether it can be answered.
  private func past(_ revision: Revision, _ statement: SQL) async throws -> [PostgresRow] {
    let results = try await distribution.withTransaction(
      isolation: .repeatableRead,
      readOnly: true
    ) { connection in
      try await connection.pipeline([
        """
        select l.revision, h.oldest_revision from revision_line l, history_retention h
        """,
        statement,
      ])
    }
    guard let line = results[0].first else { throw StoreError.corrupt(what: "revision_line") }
    let newest = Revision(try line.decode("revision"))
    let oldest = Revision(try line.decode("oldest_revision"))
    guard revision <= newest else { throw StoreError.unknownRevision(revision, newest: newest) }
    guard revision >= oldest else { throw StoreError.revisionGone(revision, oldest: oldest) }
    return results[1]
  }

  /// Columns of `StoredObject` as of a revision; ends in a condition that more can be added to.
  private static func objects(of kind: ObjectKind, at revision: Revision, only: SQL) -> SQL {
    let status: SQL =
      kind == .tenant
      ? """
      coalesce((select l.resource->>'status'
        from changelog l join commits c on c.commit_id = l.commit_id
        where l.tenant_id = v.tenant_id and l.kind = 'tenant' and c.revision <= \(revision.value)
        order by c.revision desc, l.ordinal desc limit 1), tenant.status)
      """
      : "null::text"
    return """
      select v.kind, tenant.slug as tenant, v.slug, v.object_id as id, v.version,
        v.config as spec, v.created_at as updated_at, \(status) as status,
        -- Who owns it can change without a version.
        case when live.version = v.version then live.source else v.source end as source,
        null::bigint as switch_revision
      from (
        select distinct on (v.tenant_id, v.object_id) v.* from config_versions v
        where \(only) and v.revision <= \(revision.value)
        order by v.tenant_id, v.object_id, v.version desc
      ) v
      join tenants tenant on tenant.id = v.tenant_id
      join \(unsafeRaw: kind.table) live on live.id = v.object_id
      where v.config <> 'null'
      """
  }

  private static func versions(of key: ObjectKey) -> SQL {
    """
    select v.version, v.revision, v.created_at, v.author, v.reason, v.source, v.config
    from config_versions v
    where v.kind = \(key.kind.rawValue) and v.slug = \(key.slug)
      and v.tenant_id = (select id from tenants where slug = \(key.tenant))
    """
  }

  private static func version(_ row: PostgresRow, of key: ObjectKey) throws -> ObjectVersion {
    let spec: JSONValue = try JSONText.decode(
      try row.decode("config"),
      what: "a version of \(key)"
    )
    return ObjectVersion(
      version: try row.decode("version"),
      revision: Revision(try row.decode("revision")),
      createdAt: try row.decode("created_at"),
      author: try row.decode("author"),
      reason: try row.decode("reason"),
      source: try row.decode("source"),
      spec: spec.isNull ? JSONValue?.none : spec
    )
  }
}

/// An address of a binding, by names.
package struct NamedRoute: Hashable, Sendable {
  package var channel: String
  package var key: String
  package var tenant: String
  package var binding: String

  package init(channel: String, key: String, tenant: String, binding: String) {
    self.channel = channel
    self.key = key
    self.tenant = tenant
    self.binding = binding
  }
}
