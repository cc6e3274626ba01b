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
    let check = PublicationCheck(group, generation: generation)
    // In one round trip: each statement sees what was committed before it began, so those after the
    // lock see what the one before had done that held it. What is found wrong undoes the release.
    let results = try await connection.pipeline(
      [
        work(for: group.tenantID), queue(for: group.tenantID),
        """
        select t.slug from tenants t where t.id = \(group.tenantID.uuid) for no key update
        """,
      ] + check.statements + ReleaseStatements(group).statements
    )
    let slug = try results[2].first?.decode("slug", as: String.self)
    guard slug == group.slug || slug == nil && group.isNew else {
      throw StoreError.unknownTenant(group.slug)
    }
    try check.verify(results[3...].prefix(check.statements.count))
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
  ///
  /// - Parameter last: run after it, in the same round trip.
  /// - Returns: the resources as they are stored, with their place in the whole commit; the rows of
  ///   the last statement.
  func write(
    _ group: TenantGroup,
    and last: [SQL] = [],
    on connection: PostgresConnection
  ) async throws -> (resources: [(ordinal: Int, resource: ConfigResource)], rows: [PostgresRow]) {
    let tiers = TierStatements(
      tenantID: group.tenantID,
      commitID: commitID,
      author: author,
      reason: reason
    )
    var statements =
      try [work(for: group.tenantID)] + tiers.statements(for: group.objects)
      + tiers.statements(deleting: group.deleted)
      + tiers.statements(adopting: group.adopted)
    if let rollout = group.rollout {
      _ = try await connection.pipeline(statements)
      statements = []
      try await write(rollout, of: group, on: connection)
    }
    var resources = group.resources
    if resources.contains(where: { if case .tenant = $0.resource { true } else { false } }) {
      _ = try await connection.pipeline(statements)
      statements = []
      resources = try await resolved(group, on: connection)
    }
    // Only a stored binding that is written itself can be one that is switched under a rollout.
    let written = group.objects.contains { $0.key.kind == .binding && $0.version > 1 }
    if group.rollout == nil, written {
      let ids = resources.compactMap { entry -> BindingID? in
        if case .binding(let binding) = entry.resource { binding.bindingID } else { nil }
      }
      let rows = try await connection.pipeline([
        work(for: group.tenantID), RolloutBaselines.query(of: ids),
      ])
      resources = try RolloutBaselines(rows[1]).keeping(
        resources,
        removing: group.removed.map(\.key)
      )
    }
    let compiled = ResourceStatements(
      tenantID: group.tenantID,
      generation: generation ?? 0,
      commitID: commitID
    )
    statements += try compiled.statements(
      for: resources,
      bindings: group.objects.filter { $0.key.kind == .binding }.map(\.id)
    )
    let rows =
      try resources.compactMap { try ResourceRow(put: $0.resource, ordinal: $0.ordinal) }
      + group.removed.compactMap { ResourceRow(remove: $0.key, ordinal: $0.ordinal) }
    statements += try log(rows)
    return (resources, try await connection.pipeline(statements + last).last ?? [])
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
  ///
  /// - Parameter resources: what the commit puts, with its place in the changelog.
  /// - Throws: `StoreError.compilerSuperseded` when another compiler took over meanwhile.
  func takeRevision(
    putting resources: [(ordinal: Int, resource: ConfigResource)],
    removing removed: [ResourceKey],
    on connection: PostgresConnection
  ) async throws -> MadeCommit {
    let rows = try await connection.query(nextRevision)
    return try await made(rows, putting: resources, removing: removed, on: connection)
  }

  /// What `takeRevision` runs.
  var nextRevision: SQL {
    // Seen anew when the row was waited for: a take-over writes it, too.
    let generation = generation ?? .max
    return """
      with line as (
        update revision_line set revision = revision + 1 where generation <= \(generation)
        returning revision, incarnation
      )
      insert into commits (revision, commit_id, committed_at, author, reason)
      select line.revision, \(commitID), clock_timestamp(), \(author), \(reason) from line
      returning revision, committed_at, (select incarnation from line) as incarnation
      """
  }

  /// - Parameter rows: of `nextRevision`.
  func made(
    _ rows: [PostgresRow],
    putting resources: [(ordinal: Int, resource: ConfigResource)],
    removing removed: [ResourceKey],
    on connection: PostgresConnection
  ) async throws -> MadeCommit {
    guard let row = rows.first else {
      let line = try await connection.query("select generation from revision_line")
      guard let row = line.first else { throw StoreError.corrupt(what: "revision_line") }
      throw StoreError.compilerSuperseded(by: try row.decode("generation"))
    }
    return MadeCommit(
      revision: Revision(try row.decode("revision")),
      committedAt: try row.decode("committed_at"),
      incarnation: try row.decode("incarnation"),
      resources: resources,
      removed: removed
    )
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

  private func work(for tenant: TenantID) -> SQL {
    "select set_config('bindery.tenant_id', \(tenant.description), true)"
  }

  /// A tenant's status belongs to its switches: the plan may be older than the last one.
  private func resolved(
    _ group: TenantGroup,
    on connection: PostgresConnection
  ) async throws -> [(ordinal: Int, resource: ConfigResource)] {
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
