internal import Domain
internal import Foundation
internal import Postgres

/// The statements of one commit, in the order in which `Store.publish` runs them.
struct PublicationWriter: Sendable {
  let commitID: UUID
  let author: String
  let reason: String

  /// What the commit's transaction says of itself for the audit log.
  var auditSettings: [String: String] {
    AuditOrigin.settings(author: author, reason: reason, commit: commitID)
  }

  /// First pass: locks the tenant, checks what the plan was made against, and lets go of what the
  /// publication removes, so that another of its tenants can take it.
  func lock(_ group: TenantGroup, on connection: PostgresConnection) async throws {
    try await work(for: group.tenantID, on: connection)
    let tenant = try await lockTenant(group.tenantID, on: connection)
    if tenant == nil, !group.isNew { throw StoreError.unknownTenant(group.slug) }
    try await check(group, on: connection)

    var routes: [[String]] = []
    var bindings: [UUID] = []
    var accounts: [String] = []
    for (_, key) in group.removed {
      switch key {
      case .route(_, let channel, let key): routes.append([channel, key])
      case .binding(_, let id): bindings.append(id.uuid)
      case .channelAccount(_, let channel, let slug): accounts.append("\(channel)/\(slug)")
      case .tenant, .section: break
      }
    }
    let written = (group.objects + group.deleted).filter { $0.key.kind == .binding }.map(\.id)
    let removed = routes.map { $0.joined(separator: "/") }
    _ = try await connection.pipeline([
      """
      update agent_bindings b set routing_key = null
      where b.tenant_id = \(group.tenantID.uuid) and b.routing_key is not null
        and (b.id = any (\(written)::uuid[]) or b.id in (
          select r.binding_id from binding_routes r where r.tenant_id = \(group.tenantID.uuid)
            and r.channel || '/' || r.key = any (\(removed)::text[])))
      """,
      """
      delete from binding_routes where tenant_id = \(group.tenantID.uuid)
        and channel || '/' || key = any (\(removed)::text[])
      """,
      """
      delete from compiled_bindings where tenant_id = \(group.tenantID.uuid)
        and binding_id = any (\(bindings)::uuid[])
      """,
      """
      delete from channel_accounts where tenant_id = \(group.tenantID.uuid)
        and channel || '/' || slug = any (\(accounts)::text[])
      """,
    ])
  }

  /// Second pass: everything that the publication puts.
  func write(_ group: TenantGroup, on connection: PostgresConnection) async throws {
    try await work(for: group.tenantID, on: connection)
    let tiers = TierStatements(
      tenantID: group.tenantID,
      commitID: commitID,
      author: author,
      reason: reason
    )
    _ = try await connection.pipeline(
      try tiers.statements(for: group.objects)
        + tiers.statements(deleting: group.deleted)
        + tiers.statements(adopting: group.adopted)
    )
    let resources = try await resolved(group, on: connection)
    let compiled = ResourceStatements(tenantID: group.tenantID)
    let statements = try compiled.statements(
      for: resources.map(\.resource),
      bindings: group.objects.filter { $0.key.kind == .binding }.map(\.id)
    )
    _ = try await connection.pipeline(statements)
    let rows =
      try resources.compactMap { try ResourceRow(put: $0.resource, ordinal: $0.ordinal) }
      + group.removed.compactMap { ResourceRow(remove: $0.key, ordinal: $0.ordinal) }
    try await log(rows, on: connection)
  }

  func log(_ rows: [ResourceRow], on connection: PostgresConnection) async throws {
    guard !rows.isEmpty else { return }
    try await connection.execute(
      """
      insert into changelog (commit_id, ordinal, tenant_id, op, kind, key, resource)
      select \(commitID)::uuid, r.ordinal, r.tenant, r.op, r.kind, r.key, r.resource::jsonb
      from jsonb_to_recordset(\(try JSONText.encode(rows))::jsonb)
        as r (ordinal int, tenant uuid, op text, kind text, key text[], resource text)
      """
    )
  }

  /// The last statement before COMMIT: whoever has the line's row lock commits next, so revisions
  /// appear in order and without gaps.
  func takeRevision(on connection: PostgresConnection) async throws -> Revision {
    let rows = try await connection.query(
      """
      with line as (update revision_line set revision = revision + 1 returning revision)
      insert into commits (revision, commit_id, committed_at, author, reason)
      select line.revision, \(commitID), clock_timestamp(), \(author), \(reason) from line
      returning revision
      """
    )
    guard let row = rows.first else { throw StoreError.corrupt(what: "revision_line") }
    return Revision(try row.decode("revision"))
  }

  /// Locks a tenant's row against other publications and switches, not against conversations, and
  /// returns what nodes know of it; nil when it does not exist.
  func lockTenant(
    _ id: TenantID,
    on connection: PostgresConnection
  ) async throws -> TenantResource? {
    let rows = try await connection.query(
      """
      select t.id, t.slug, t.display_name, t.status, t.stale_policy, t.paused_policy,
        t.paused_message, t.switch_commit_id
      from tenants t where t.id = \(id.uuid) for no key update
      """
    )
    guard let row = rows.first else { return nil }
    guard let commit = try row.decode("switch_commit_id", as: UUID?.self) else {
      return try Self.tenant(row, switchRevision: .zero)
    }
    // Read after the lock: the row may have waited for the switch whose commit it now names.
    let switched = try await connection.query(
      "select revision from commits where commit_id = \(commit)"
    )
    return try Self.tenant(
      row,
      switchRevision: switched.first.map { Revision(try $0.decode("revision")) } ?? .zero
    )
  }

  static func tenant(_ row: PostgresRow, switchRevision: Revision) throws -> TenantResource {
    let slug = try row.decode("slug", as: String.self)
    guard let status = TenantStatus(rawValue: try row.decode("status")),
      let stale = StalePolicy(rawValue: try row.decode("stale_policy")),
      let paused = PausedPolicy(rawValue: try row.decode("paused_policy"))
    else { throw StoreError.corrupt(what: "tenant \(slug)") }
    return TenantResource(
      tenantID: TenantID(try row.decode("id", as: UUID.self)),
      slug: slug,
      displayName: try row.decode("display_name"),
      status: status,
      switchRevision: switchRevision,
      stalePolicy: stale,
      pausedPolicy: paused,
      pausedMessage: try JSONText.decode(
        try row.decode("paused_message"),
        what: "tenant \(slug)"
      )
    )
  }

  private func work(for tenant: TenantID, on connection: PostgresConnection) async throws {
    try await connection.query(
      "select set_config('bindery.tenant_id', \(tenant.description), true)"
    )
  }

  private func check(_ group: TenantGroup, on connection: PostgresConnection) async throws {
    var found: [ObjectKey: Int32] = [:]
    var owners: [ObjectKey: String] = [:]
    for kind in ObjectKind.allCases {
      let slugs = group.expected.keys.filter { $0.kind == kind }.map(\.slug).sorted()
      if slugs.isEmpty { continue }
      let rows = try await connection.query(
        """
        select slug, version, source from \(unsafeRaw: kind.table) where slug = any (\(slugs)::text[])
        """
      )
      for row in rows {
        let key = ObjectKey(kind: kind, tenant: group.slug, slug: try row.decode("slug"))
        found[key] = try row.decode("version")
        owners[key] = try row.decode("source")
      }
    }
    for (key, expected) in group.expected.sorted(by: { $0.key < $1.key })
    where found[key, default: 0] != expected {
      throw StoreError.stale(key, expected: expected, found: found[key, default: 0])
    }
    try await checkUnseen(group, on: connection)
    for (key, expected) in group.owners.sorted(by: { $0.key < $1.key })
    where owners[key, default: ""] != expected {
      throw StoreError.otherOwner(key, expected: expected, found: owners[key, default: ""])
    }
  }

  /// What came since the plan was made has no version that could have changed: it shows in the number.
  private func checkUnseen(_ group: TenantGroup, on connection: PostgresConnection) async throws {
    guard let seen = group.seen else { return }
    for kind in ObjectKind.allCases where kind != .tenant {
      let count = try await connection.query(
        "select count(*) as live from \(unsafeRaw: kind.table) where removed_at is null"
      )
      guard try count.first?.decode("live", as: Int64.self) != Int64(seen.count { $0.kind == kind })
      else { continue }
      let rows = try await connection.query(
        "select slug, version from \(unsafeRaw: kind.table) where removed_at is null"
      )
      for row in rows {
        let key = ObjectKey(kind: kind, tenant: group.slug, slug: try row.decode("slug"))
        guard seen.contains(key) else {
          throw StoreError.stale(key, expected: 0, found: try row.decode("version"))
        }
      }
    }
  }

  /// A tenant's status belongs to its switches: the plan may be older than the last one.
  private func resolved(
    _ group: TenantGroup,
    on connection: PostgresConnection
  ) async throws -> [(ordinal: Int, resource: ConfigResource)] {
    guard group.resources.contains(where: { if case .tenant = $0.resource { true } else { false } })
    else { return group.resources }
    guard let stored = try await lockTenant(group.tenantID, on: connection) else {
      throw StoreError.unknownTenant(group.slug)
    }
    return group.resources.map { ordinal, resource in
      guard case .tenant(var tenant) = resource else { return (ordinal, resource) }
      tenant.status = stored.status
      tenant.switchRevision = stored.switchRevision
      return (ordinal, .tenant(tenant))
    }
  }
}
