package import Domain
internal import Foundation
internal import Logging
internal import Postgres

/// Reading rollouts.
extension Store {
  /// Rollouts that have not ended, of all tenants; one that can't be read is in nobody's way.
  package func activeRollouts() async throws -> [RolloutRecord] {
    try await distribution.query(
      "\(RolloutRecord.columns) where r.ended_at is null order by t.slug, r.name"
    )
    .compactMap { row in
      do {
        return try RolloutRecord(row)
      } catch let error as StoreError {
        logger.warning("a rollout can't be read", metadata: ["error": "\(error)"])
        return nil
      }
    }
  }

  /// Newest first.
  ///
  /// - Parameter tenant: a slug; nil for all tenants.
  package func rollouts(
    of tenant: String?,
    activeOnly: Bool = false,
    limit: Int = 100
  ) async throws -> [RolloutRecord] {
    try await distribution.query(
      """
      \(RolloutRecord.columns)
      where (\(tenant == nil) or t.slug = \(tenant ?? ""))
        and (\(!activeOnly) or r.ended_at is null)
      order by r.created_at desc, r.name limit \(max(0, limit))
      """
    )
    .map { try RolloutRecord($0) }
  }

  /// - Throws: `StoreError.unknownRollout`.
  package func rollout(tenant: String, name: String) async throws -> RolloutRecord {
    let rows = try await distribution.query(
      "\(RolloutRecord.columns) where t.slug = \(tenant) and r.name = \(name)"
    )
    guard let row = rows.first else {
      throw StoreError.unknownRollout(tenant: tenant, name: name)
    }
    return try RolloutRecord(row)
  }

  package func objects(of rollout: RolloutRecord) async throws -> [RolloutRecord.Object] {
    try await distribution.query(
      """
      select kind, slug, baseline_version, candidate_version from rollout_objects
      where tenant_id = \(rollout.tenantID.uuid) and rollout_id = \(rollout.id.uuid)
      order by kind, slug
      """
    )
    .map { row in
      guard let kind = ObjectKind(rawValue: try row.decode("kind")) else {
        throw StoreError.corrupt(what: "rollout \(rollout.name)")
      }
      return RolloutRecord.Object(
        kind: kind,
        slug: try row.decode("slug"),
        baselineVersion: try row.decode("baseline_version"),
        candidateVersion: try row.decode("candidate_version")
      )
    }
  }

  /// The first of its bindings by slug.
  package func bindings(
    of rollout: RolloutRecord,
    limit: Int = 100
  ) async throws -> [RolloutRecord.Binding] {
    try await distribution.query(
      """
      select b.slug, k.baseline_digest, k.digest from rollout_candidates k
      join agent_bindings b on b.tenant_id = k.tenant_id and b.id = k.binding_id
      where k.tenant_id = \(rollout.tenantID.uuid) and k.rollout_id = \(rollout.id.uuid)
      order by b.slug limit \(max(0, limit))
      """
    )
    .map { row in
      RolloutRecord.Binding(
        slug: try row.decode("slug"),
        baseline: try row.decode("baseline_digest"),
        candidate: try row.decode("digest")
      )
    }
  }

  package func nodes(of rollout: RolloutRecord) async throws -> [RolloutRecord.Node] {
    try await distribution.query(
      """
      select node_id, region, revision, rejected_code, rejected_message,
        (extract(epoch from clock_timestamp() - seen_at) * 1000)::bigint as silent_ms,
        (extract(epoch from clock_timestamp() - unconfirmed_since) * 1000)::bigint
          as unconfirmed_ms
      from rollout_nodes
      where tenant_id = \(rollout.tenantID.uuid) and rollout_id = \(rollout.id.uuid)
      order by node_id
      """
    )
    .map { row in
      let code = try row.decode("rejected_code", as: String.self)
      return RolloutRecord.Node(
        nodeID: try row.decode("node_id"),
        region: try row.decode("region"),
        revision: Revision(try row.decode("revision")),
        silentMS: max(0, try row.decode("silent_ms", as: Int64.self)),
        unconfirmedMS: try row.decode("unconfirmed_ms", as: Int64?.self).map { max(0, $0) },
        rejection: code.isEmpty
          ? nil
          : RolloutRecord.Rejection(code: code, message: try row.decode("rejected_message"))
      )
    }
  }

  /// The digests of an active rollout's candidates, by binding.
  package func candidateDigests(of rollout: RolloutRecord) async throws -> [BindingID: Digest] {
    var found: [BindingID: Digest] = [:]
    let rows = try await distribution.query(
      """
      select binding_id, digest from rollout_candidates
      where tenant_id = \(rollout.tenantID.uuid) and rollout_id = \(rollout.id.uuid) and active
      """
    )
    for row in rows {
      guard let digest = Digest(hex: try row.decode("digest")) else {
        throw StoreError.corrupt(what: "rollout \(rollout.name)")
      }
      found[BindingID(try row.decode("binding_id", as: UUID.self))] = digest
    }
    return found
  }

  /// What an apply would meet: a binding among these that a rollout covers, or whose tiers it carries.
  ///
  /// - Parameter publication: bindings that it only switches on or off are in nobody's way.
  package func rolloutInTheWay(
    of bindings: [BindingID],
    in publication: Publication? = nil
  ) async throws -> (rollout: String, binding: String)? {
    var bindings = bindings
    if let publication, !bindings.isEmpty {
      let arms = try await distribution.query(RolloutBaselines.query(of: bindings))
      let switched = try RolloutBaselines(arms).switched(
        by: publication.resources,
        removing: publication.removed
      )
      bindings.removeAll { switched[$0] != nil }
    }
    if bindings.isEmpty { return nil }
    let rows = try await distribution.query(
      """
      select t.slug || '/' || r.name as name, t.slug || '/' || b.slug as slug
      from agent_bindings b join tenants t on t.id = b.tenant_id
      join rollout_objects o on o.tenant_id = b.tenant_id and o.active
        and o.object_id in (b.human_id, b.team_id, b.agent_id)
      join rollouts r on r.tenant_id = o.tenant_id and r.id = o.rollout_id
      where b.id = any (\(bindings.map(\.uuid))::uuid[]) order by b.slug limit 1
      """
    )
    return try rows.first.map { (try $0.decode("name"), try $0.decode("slug")) }
  }

  /// What both arms came to since the rollout began, over the turns that were stored. Given up after
  /// 3 s.
  package func armFigures(
    of rollout: RolloutRecord
  ) async throws -> (baseline: ArmFigures, candidate: ArmFigures) {
    var settings = Self.settings(for: rollout.tenantID)
    settings["statement_timeout"] = "3000"
    let rows = try await app.withTransaction(settings: settings, readOnly: true) { connection in
      try await connection.query(
        SQL(
          """
          with arms as (
            select binding_id, digest, true as is_candidate from rollout_candidates
            where tenant_id = \(rollout.tenantID.uuid) and rollout_id = \(rollout.id.uuid)
            union all
            select binding_id, baseline_digest, false from rollout_candidates
            where tenant_id = \(rollout.tenantID.uuid) and rollout_id = \(rollout.id.uuid)),
          judged as (
            select a.is_candidate, t.turn_id, t.outcome
            from turns t
            join arms a on a.binding_id = t.binding_id and a.digest = t.binding_digest
            where t.tenant_id = \(rollout.tenantID.uuid) and t.stored_at >= \(rollout.createdAt)
              and t.outcome in ('replied', 'blocked', 'failed', 'abandoned')),
          calls as (
            select turn_id, sum(latency_ms) as latency, sum(coalesce(cost_pico_usd, 0)) as cost
            from llm_calls
            where tenant_id = \(rollout.tenantID.uuid) and created_at >= \(rollout.createdAt)
              and turn_id in (select turn_id from judged)
            group by turn_id)
          select t.is_candidate, count(*) as turns,
            count(*) filter (where t.outcome in ('failed', 'abandoned')) as errors,
            count(*) filter (where t.outcome = 'blocked') as blocks,
            coalesce(sum(c.latency), 0)::bigint as latency,
            coalesce(sum(c.cost), 0)::bigint as cost
          from judged t
          left join calls c on c.turn_id = t.turn_id
          group by 1
          """,
          name: "arm_figures"
        )
      )
    }
    var figures = (baseline: ArmFigures(), candidate: ArmFigures())
    for row in rows {
      let arm = ArmFigures(
        turns: try row.decode("turns"),
        errors: try row.decode("errors"),
        blocks: try row.decode("blocks"),
        latencyMS: try row.decode("latency"),
        costPicoUSD: try row.decode("cost")
      )
      if try row.decode("is_candidate", as: Bool.self) {
        figures.candidate = arm
      } else {
        figures.baseline = arm
      }
    }
    return figures
  }

  /// Candidates of active rollouts, each with the part of the people that its step says.
  static func candidates(on connection: PostgresConnection) async throws -> [ConfigResource] {
    let rows = try await connection.query(
      """
      select k.tenant_id, k.rollout_id, k.binding_id, k.digest, k.content, k.section_digests,
        r.strategy->'steps'->r.step as step
      from rollout_candidates k
      join rollouts r on r.tenant_id = k.tenant_id and r.id = k.rollout_id
      where k.active order by k.tenant_id, k.binding_id
      """
    )
    return try rows.map { row in
      .candidate(
        try candidate(
          row,
          of: TenantID(try row.decode("tenant_id", as: UUID.self)),
          in: try JSONText.decode(try row.decode("step"), what: "a rollout's step")
        )
      )
    }
  }

  static func candidate(
    _ row: PostgresRow,
    of tenant: TenantID,
    in step: RolloutStep
  ) throws -> CandidateResource {
    let id = BindingID(try row.decode("binding_id", as: UUID.self))
    let names = try row.decode("section_digests", as: [String].self)
    let sections = names.compactMap { Digest(hex: $0) }
    guard let digest = Digest(hex: try row.decode("digest")), sections.count == names.count else {
      throw StoreError.corrupt(what: "candidate of binding \(id)")
    }
    return CandidateResource(
      tenantID: tenant,
      bindingID: id,
      rolloutID: RolloutID(try row.decode("rollout_id", as: UUID.self)),
      digest: digest,
      content: try row.decode("content"),
      sectionDigests: sections,
      basisPoints: step.basisPoints,
      audience: step.audience
    )
  }
}
