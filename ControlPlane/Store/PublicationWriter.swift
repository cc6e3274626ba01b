internal import Domain
internal import Foundation
internal import Postgres

/// The statements of one commit, in the order in which `Store.publish` runs them.
struct PublicationWriter: Sendable {
  let commitID: UUID
  let author: String
  let reason: String
  /// Of the compiler, which must be in force.
  var generation: Int32?

  /// What the commit's transaction says of itself for the audit log.
  var auditSettings: [String: String] {
    AuditOrigin.settings(author: author, reason: reason, commit: commitID)
  }

  /// First pass: locks the tenant, checks what the plan was made against, and lets go of what the
  /// publication removes, so that another of its tenants can take it.
  func lock(_ group: TenantGroup, on connection: PostgresConnection) async throws {
    let tenant = try await lockTenant(
      group.tenantID,
      on: connection,
      after: [work(for: group.tenantID), queue(for: group.tenantID)]
    )
    if tenant == nil, !group.isNew { throw StoreError.unknownTenant(group.slug) }
    try await checkGeneration(on: connection)
    try await check(group, on: connection)
    _ = try await connection.pipeline(ReleaseStatements(group).statements)
  }

  /// Keeps other publications of a tenant waiting, and nobody else.
  func lock(_ tenant: TenantID, on connection: PostgresConnection) async throws {
    _ = try await connection.pipeline([work(for: tenant), queue(for: tenant)])
  }

  /// Publications of a tenant follow each other by this lock and not by the tenant's row alone: one
  /// may be planned under it, and a pause must not wait for that.
  private func queue(for tenant: TenantID) -> SQL {
    "select pg_advisory_xact_lock(hashtextextended(\(tenant.description), 5))"
  }

  /// Second pass: everything that the publication puts.
  func write(_ group: TenantGroup, on connection: PostgresConnection) async throws {
    let tiers = TierStatements(
      tenantID: group.tenantID,
      commitID: commitID,
      author: author,
      reason: reason
    )
    _ = try await connection.pipeline(
      try [work(for: group.tenantID)] + tiers.statements(for: group.objects)
        + tiers.statements(deleting: group.deleted)
        + tiers.statements(adopting: group.adopted)
    )
    if let rollout = group.rollout { try await write(rollout, of: group, on: connection) }
    let resources = try await resolved(group, on: connection)
    let compiled = ResourceStatements(tenantID: group.tenantID, generation: generation ?? 0)
    let statements = try compiled.statements(
      for: resources.map(\.resource),
      bindings: group.objects.filter { $0.key.kind == .binding }.map(\.id)
    )
    let rows =
      try resources.compactMap { try ResourceRow(put: $0.resource, ordinal: $0.ordinal) }
      + group.removed.compactMap { ResourceRow(remove: $0.key, ordinal: $0.ordinal) }
    _ = try await connection.pipeline(statements + log(rows))
  }

  func log(_ rows: [ResourceRow]) throws -> [SQL] {
    guard !rows.isEmpty else { return [] }
    return [
      """
      insert into changelog (commit_id, ordinal, tenant_id, op, kind, key, resource)
      select \(commitID)::uuid, r.ordinal, r.tenant, r.op, r.kind, r.key, r.resource::jsonb
      from jsonb_to_recordset(\(try JSONText.encode(rows))::jsonb)
        as r (ordinal int, tenant uuid, op text, kind text, key text[], resource text)
      """
    ]
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
  ///
  /// - Parameter statements: go ahead of it, in the same round trip.
  func lockTenant(
    _ id: TenantID,
    on connection: PostgresConnection,
    after statements: [SQL] = []
  ) async throws -> TenantResource? {
    let results = try await connection.pipeline(
      statements + [
        """
        select t.id, t.slug, t.display_name, t.status, t.stale_policy, t.paused_policy,
          t.paused_message, t.switch_commit_id
        from tenants t where t.id = \(id.uuid) for no key update
        """
      ]
    )
    guard let row = results.last?.first else { return nil }
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

  private func work(for tenant: TenantID) -> SQL {
    "select set_config('bindery.tenant_id', \(tenant.description), true)"
  }

  /// After the tenant's lock: whoever takes over compiles the tenant again under that lock.
  private func checkGeneration(on connection: PostgresConnection) async throws {
    guard let generation else { return }
    let rows = try await connection.query(
      "select coalesce(max(generation), 0) as newest from compiler_generations"
    )
    let newest = try rows.first?.decode("newest", as: Int32.self) ?? 0
    guard newest == generation else {
      throw StoreError.compilerSuperseded(by: newest)
    }
  }

  private func check(_ group: TenantGroup, on connection: PostgresConnection) async throws {
    var found: [ObjectKey: Int32] = [:]
    var live: Set<ObjectKey> = []
    var owners: [ObjectKey: String] = [:]
    let wanted = Set(group.expected.keys).union(group.named.keys).union(group.owners.keys)
    var kinds: [ObjectKind] = []
    var statements: [SQL] = []
    for kind in ObjectKind.allCases {
      let slugs = wanted.filter { $0.kind == kind }.map(\.slug).sorted()
      if slugs.isEmpty { continue }
      kinds.append(kind)
      statements.append(
        """
        select \(kind.rawValue)::text as kind, object.slug, object.version, object.source,
          \(Store.isLive(kind)) as live
        from \(unsafeRaw: kind.table) object
        join unnest(\(slugs)::text[]) as k (slug) on k.slug = object.slug
        where object.\(unsafeRaw: kind == .tenant ? "id" : "tenant_id") = \(group.tenantID.uuid)
        """
      )
    }
    let dependents = self.dependents(of: group)
    let results = try await connection.pipeline(statements + dependents)
    for (kind, rows) in zip(kinds, results) {
      for row in rows {
        let key = ObjectKey(kind: kind, tenant: group.slug, slug: try row.decode("slug"))
        found[key] = try row.decode("version")
        owners[key] = try row.decode("source")
        if try row.decode("live", as: Bool.self) { live.insert(key) }
      }
    }
    for (key, expected) in group.expected.sorted(by: { $0.key < $1.key })
    where found[key, default: 0] != expected {
      throw StoreError.stale(key, expected: expected, found: found[key, default: 0])
    }
    for (key, expected) in group.named.sorted(by: { $0.key < $1.key }) where !live.contains(key) {
      throw StoreError.stale(key, expected: expected, found: found[key, default: 0])
    }
    for row in results.dropFirst(statements.count).joined() {
      guard let kind = ObjectKind(rawValue: try row.decode("kind")) else { continue }
      let key = ObjectKey(kind: kind, tenant: group.slug, slug: try row.decode("slug"))
      guard group.seen?.contains(key) != false else {
        throw StoreError.stale(key, expected: 0, found: try row.decode("version"))
      }
    }
    for (key, expected) in group.owners.sorted(by: { $0.key < $1.key })
    where owners[key, default: ""] != expected {
      throw StoreError.otherOwner(key, expected: expected, found: owners[key, default: ""])
    }
  }

  /// What depends on the tiers that are written. What came since the plan was made has no version that
  /// could have changed: it shows among these.
  private func dependents(of group: TenantGroup) -> [SQL] {
    guard group.seen != nil else { return [] }
    var statements: [SQL] = []
    for kind in [ObjectKind.human, .team, .agent] {
      guard let column = kind.bindingColumn else { continue }
      let ids = (group.objects + group.deleted).filter { $0.key.kind == kind }.map(\.id)
      if ids.isEmpty { continue }
      statements.append(
        """
        select 'Binding' as kind, slug, version from agent_bindings
        where tenant_id = \(group.tenantID.uuid) and \(unsafeRaw: column) = any (\(ids)::uuid[])
          and removed_at is null
        """
      )
    }
    let gone = group.deleted.filter { $0.key.kind == .human || $0.key.kind == .team }.map(
      \.key.slug
    )
    if !gone.isEmpty {
      statements.append(
        """
        select 'Team' as kind, slug, version from teams
        where tenant_id = \(group.tenantID.uuid) and removed_at is null
          and \(Store.names(gone.sorted(), in: "spec"))
        """
      )
    }
    return statements
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
