package import Domain
internal import Foundation
internal import Postgres

/// What happens to a rollout.
package enum RolloutChange: Hashable, Sendable {
  /// To a step, from 0.
  case advance(Int)
  case pause
  case resume
  case promote
  case rollBack(code: String, message: String)
  case abort
}

extension Store {
  /// Changes a rollout that still stands as `seen`: in one transaction and, where nodes learn of it, as
  /// one revision. Of two that decide at once, on whatever replica, one is refused.
  ///
  /// - Returns: the new revision; nil for a pause and its end, which nodes need not know of.
  /// - Throws: `StoreError.rolloutStands` when it has changed since.
  @discardableResult
  package func change(
    _ seen: RolloutRecord,
    _ change: RolloutChange,
    author: String,
    reason: String
  ) async throws -> Revision? {
    let writer = PublicationWriter(commitID: UUID(), author: author, reason: reason)
    var settings = writer.auditSettings.merging(Self.settings(for: seen.tenantID)) { $1 }
    // The trigger on compiled bindings lets this one through.
    settings["bindery.rollout"] = "ends"
    let revision = try await retryingLostRaces {
      try await app.withTransaction(settings: settings) { connection -> Revision? in
        try await writer.lock(seen.tenantID, on: connection)
        let found = try await connection.query(
          """
          select state, transitions from rollouts
          where tenant_id = \(seen.tenantID.uuid) and id = \(seen.id.uuid) for update
          """
        )
        guard let row = found.first else {
          throw StoreError.unknownRollout(tenant: seen.tenant, name: seen.name)
        }
        let state = RolloutState(rawValue: try row.decode("state"))
        guard try row.decode("transitions", as: Int64.self) == seen.transitions,
          state?.isActive == true
        else {
          throw StoreError.rolloutStands(
            name: seen.name,
            how: state?.isActive == true
              ? "has changed meanwhile; look at it again" : "has ended: \(state?.rawValue ?? "")"
          )
        }
        let work = RolloutWork(rollout: seen, writer: writer, connection: connection)
        return try await work.carryOut(change)
      }
    }
    if let revision { await announce(revision) }
    return revision
  }

  /// Runs `body` unless another replica drives rollouts now; nil then. Ends with this process at the
  /// latest.
  package func drivingRollouts<T: Sendable>(_ body: () async throws -> T) async throws -> T? {
    try await app.withTransaction(settings: Self.holding) { connection in
      let rows = try await connection.query(
        "select pg_try_advisory_xact_lock(\(Self.rolloutLock)) as mine"
      )
      guard try rows.first?.decode("mine", as: Bool.self) == true else { return nil }
      return try await body()
    }
  }

  private struct NodeRow: Encodable {
    let node: String
    let region: String
    let revision: Int64
    let silent: Int64
    let code: String
    let message: String
  }

  /// Notes what a replica knows of nodes; what another one heard later stays, a refusal always.
  package func note(_ nodes: [RolloutRecord.Node], of rollout: RolloutRecord) async throws {
    let rows = nodes.map {
      NodeRow(
        node: $0.nodeID,
        region: $0.region,
        revision: $0.revision.value,
        silent: $0.silentMS,
        code: $0.rejection?.code ?? "",
        message: String(($0.rejection?.message ?? "").prefix(500))
      )
    }
    try await app.withTransaction(settings: Self.settings(for: rollout.tenantID)) { connection in
      _ = try await connection.execute(
        SQL(
          """
          insert into rollout_nodes as n (tenant_id, rollout_id, node_id, region, revision, seen_at,
            unconfirmed_since, rejected_code, rejected_message)
          select \(rollout.tenantID.uuid)::uuid, \(rollout.id.uuid)::uuid, r.node, r.region,
            r.revision, clock_timestamp() - make_interval(secs => r.silent / 1000.0),
            case when r.revision < \(rollout.revision.value) then clock_timestamp() end,
            r.code, r.message
          from jsonb_to_recordset(\(try JSONText.encode(rows))::jsonb)
            as r (node text, region text, revision bigint, silent bigint, code text, message text)
          order by r.node
          on conflict (tenant_id, rollout_id, node_id) do update set
            region = case when excluded.seen_at >= n.seen_at then excluded.region else n.region end,
            revision = case when excluded.seen_at >= n.seen_at then excluded.revision
              else n.revision end,
            unconfirmed_since = case
              when excluded.seen_at < n.seen_at then n.unconfirmed_since
              when excluded.unconfirmed_since is null then null
              else coalesce(n.unconfirmed_since, excluded.unconfirmed_since) end,
            seen_at = greatest(n.seen_at, excluded.seen_at),
            rejected_message = case when n.rejected_code = '' then excluded.rejected_message
              else n.rejected_message end,
            rejected_code = case when n.rejected_code = '' then excluded.rejected_code
              else n.rejected_code end
          """,
          name: "rollout_nodes"
        )
      )
    }
  }

  /// Notes what an active rollout waits for and what its gates said, for people.
  package func note(
    waiting: String,
    report: GateReport?,
    of rollout: RolloutRecord
  ) async throws {
    try await app.withTransaction(settings: Self.settings(for: rollout.tenantID)) { connection in
      _ = try await connection.execute(
        """
        update rollouts set waiting = \(waiting),
          gate_report = \(try report.map { try JSONText.encode($0) } as PostgresJSON?)::jsonb
        where tenant_id = \(rollout.tenantID.uuid) and id = \(rollout.id.uuid)
          and transitions = \(rollout.transitions) and ended_at is null
        """
      )
    }
  }

  private static let rolloutLock: Int64 = 0x6269_6e64_726f_6c31
}

/// One change of a rollout, within its transaction.
private struct RolloutWork {
  let rollout: RolloutRecord
  let writer: PublicationWriter
  let connection: PostgresConnection

  private var tenant: UUID { rollout.tenantID.uuid }
  private var id: UUID { rollout.id.uuid }

  func carryOut(_ change: RolloutChange) async throws -> Revision? {
    switch change {
    case .pause:
      try require(.running, "is paused already")
      try await set("state = 'paused', paused_at = clock_timestamp(), waiting = ''")
      return nil
    case .resume:
      try require(.paused, "is not paused")
      try await set(
        """
        state = 'running', paused_at = null, waiting = '',
        step_started_at = step_started_at + (clock_timestamp() - paused_at)
        """
      )
      return nil
    case .advance(let step):
      guard rollout.strategy.steps.indices.contains(step) else {
        throw StoreError.rolloutStands(name: rollout.name, how: "has no step \(step + 1)")
      }
      let candidates = try await candidates(in: rollout.strategy.steps[step])
      try await log(put: candidates.map { .candidate($0) }, removed: [])
      try await set(
        """
        step = \(step), state = 'running', paused_at = null, step_started_at = clock_timestamp(),
        step_commit_id = \(writer.commitID)::uuid, waiting = ''
        """
      )
    case .promote:
      let bindings = try await promoted()
      try await log(
        put: bindings.map { .binding($0) },
        removed: bindings.map { .candidate($0.tenantID, $0.bindingID) }
      )
      try await end(.promoted, code: "PROMOTED", message: "")
    case .rollBack(let code, let message):
      try await restore()
      try await end(.rolledBack, code: code, message: message)
    case .abort:
      try await restore()
      try await end(.aborted, code: "ABORTED", message: writer.reason)
    }
    return try await writer.takeRevision(putting: [], removing: [], on: connection).revision
  }

  private func require(_ state: RolloutState, _ otherwise: String) throws {
    guard rollout.state == state else {
      throw StoreError.rolloutStands(name: rollout.name, how: otherwise)
    }
  }

  private func set(_ assignments: SQL) async throws {
    try await connection.execute(
      """
      update rollouts set transitions = transitions + 1, \(assignments)
      where tenant_id = \(tenant) and id = \(id)
      """
    )
  }

  private func candidates(in step: RolloutStep) async throws -> [CandidateResource] {
    try await connection.query(
      """
      select rollout_id, binding_id, digest, content, section_digests from rollout_candidates
      where tenant_id = \(tenant) and rollout_id = \(id) and active order by binding_id
      """
    )
    .map { try Store.candidate($0, of: rollout.tenantID, in: step) }
  }

  private func promoted() async throws -> [BindingResource] {
    let rows = try await connection.query(
      """
      update compiled_bindings c set digest = k.digest, content = k.content,
        section_digests = k.section_digests, generation = k.generation
      from rollout_candidates k
      where k.tenant_id = \(tenant) and k.rollout_id = \(id) and k.active
        and c.tenant_id = k.tenant_id and c.binding_id = k.binding_id
      returning c.binding_id, c.digest, c.content, c.section_digests, c.is_active
      """
    )
    return try rows.map { row in
      let names = try row.decode("section_digests", as: [String].self)
      guard let digest = Digest(hex: try row.decode("digest")) else {
        throw StoreError.corrupt(what: "a candidate of rollout \(rollout.name)")
      }
      return BindingResource(
        tenantID: rollout.tenantID,
        bindingID: BindingID(try row.decode("binding_id", as: UUID.self)),
        digest: digest,
        content: try row.decode("content"),
        sectionDigests: names.compactMap { Digest(hex: $0) },
        isActive: try row.decode("is_active")
      )
    }
    .sorted { $0.bindingID < $1.bindingID }
  }

  /// The candidates go: nodes hold what was there before. What the tiers said before becomes their
  /// newest version, so that the next change of something else does not bring the candidate back.
  private func restore() async throws {
    let rows = try await connection.query(
      """
      select o.kind, o.object_id, o.slug, o.candidate_version, o.baseline_spec, t.version, t.source
      from rollout_objects o join (
        select id, version, source, removed_at from humans where tenant_id = \(tenant)
        union all
        select id, version, source, removed_at from teams where tenant_id = \(tenant)
        union all
        select id, version, source, removed_at from agents where tenant_id = \(tenant)
      ) t on t.id = o.object_id
      where o.tenant_id = \(tenant) and o.rollout_id = \(id)
        and t.version = o.candidate_version and t.removed_at is null
      """
    )
    let objects = try rows.map { row in
      guard let kind = ObjectKind(rawValue: try row.decode("kind")) else {
        throw StoreError.corrupt(what: "rollout \(rollout.name)")
      }
      return StoredObject(
        key: ObjectKey(kind: kind, tenant: rollout.tenant, slug: try row.decode("slug")),
        id: try row.decode("object_id"),
        version: try row.decode("version", as: Int32.self) + 1,
        spec: try JSONText.value(try row.decode("baseline_spec"), what: rollout.name),
        updatedAt: Date(),
        source: try row.decode("source")
      )
    }
    let tiers = TierStatements(
      tenantID: rollout.tenantID,
      commitID: writer.commitID,
      author: writer.author,
      reason: writer.reason.isEmpty ? "rollout \(rollout.name) was taken back" : writer.reason
    )
    _ = try await connection.pipeline(try tiers.statements(for: objects))
    let candidates = try await connection.query(
      """
      select binding_id from rollout_candidates
      where tenant_id = \(tenant) and rollout_id = \(id) and active order by binding_id
      """
    )
    try await log(
      put: [],
      removed: try candidates.map {
        .candidate(rollout.tenantID, BindingID(try $0.decode("binding_id", as: UUID.self)))
      }
    )
  }

  private func log(put: [ConfigResource], removed: [ResourceKey]) async throws {
    let rows =
      removed.enumerated().compactMap { ResourceRow(remove: $1, ordinal: $0) }
      + (try put.enumerated().compactMap { (place, resource) -> ResourceRow? in
        if case .binding(let binding) = resource {
          return try ResourceRow(promoted: binding, ordinal: removed.count + place)
        }
        return try ResourceRow(put: resource, ordinal: removed.count + place)
      })
    _ = try await connection.pipeline(try writer.log(rows))
  }

  private func end(_ state: RolloutState, code: String, message: String) async throws {
    try await set(
      """
      state = \(state.rawValue), paused_at = null, ended_at = clock_timestamp(), end_code = \(code),
      end_message = \(String(message.prefix(1000))), waiting = '',
      step_commit_id = \(writer.commitID)::uuid
      """
    )
    _ = try await connection.pipeline([
      """
      update rollout_objects set active = false
      where tenant_id = \(tenant) and rollout_id = \(id)
      """,
      """
      update rollout_candidates set active = false, content = ''
      where tenant_id = \(tenant) and rollout_id = \(id)
      """,
      // What waited for the end may be of an older compiler than the one in force.
      """
      update compiler_generations g set finished_at = null
      where g.generation = (select max(generation) from compiler_generations)
        and exists (
          select from compiled_bindings c join rollout_candidates k
            on k.tenant_id = c.tenant_id and k.binding_id = c.binding_id
          where k.tenant_id = \(tenant) and k.rollout_id = \(id) and c.generation < g.generation)
      """,
    ])
  }
}
