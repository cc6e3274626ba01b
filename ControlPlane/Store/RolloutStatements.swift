internal import Domain
internal import Foundation
internal import Postgres

extension PublicationWriter {
  private struct ObjectRow: Encodable {
    let kind: String
    let id: UUID
    let slug: String
    let baseline: Int32
    let candidate: Int32
    let spec: JSONValue
  }

  private struct CandidateRow: Encodable {
    let id: UUID
    let digest: String
    let content: String
    let sections: [String]
  }

  /// Stores a rollout that begins: the tenant's other publications wait.
  ///
  /// - Throws: `StoreError.underRollout` when another one covers one of its bindings, `.rolloutStands`
  ///   when its name is taken, `.stale` when one of its bindings is not there any more.
  func write(
    _ draft: RolloutDraft,
    of group: TenantGroup,
    on connection: PostgresConnection
  ) async throws {
    let tenant = group.tenantID.uuid
    let candidates = group.resources.compactMap { entry -> CandidateResource? in
      if case .candidate(let candidate) = entry.resource { candidate } else { nil }
    }
    let ids = candidates.map(\.bindingID.uuid)
    let found = try await connection.pipeline([
      """
      select r.name, b.slug from rollout_candidates k
      join rollouts r on r.tenant_id = k.tenant_id and r.id = k.rollout_id
      join agent_bindings b on b.tenant_id = k.tenant_id and b.id = k.binding_id
      where k.tenant_id = \(tenant) and k.active and k.binding_id = any (\(ids)::uuid[])
      order by b.slug limit 1
      """,
      "select 1 from rollouts where tenant_id = \(tenant) and name = \(draft.name)",
      """
      select binding_id from compiled_bindings
      where tenant_id = \(tenant) and binding_id = any (\(ids)::uuid[])
      """,
    ])
    if let row = found[0].first {
      throw StoreError.underRollout(
        rollout: "\(group.slug)/\(try row.decode("name", as: String.self))",
        binding: "\(group.slug)/\(try row.decode("slug", as: String.self))"
      )
    }
    guard found[1].isEmpty else {
      throw StoreError.rolloutStands(name: draft.name, how: "exists already; choose another name")
    }
    guard found[2].count == ids.count, !ids.isEmpty else {
      throw StoreError.corrupt(what: "the compiled bindings of rollout \(draft.name)")
    }
    let baselines = Dictionary(draft.baseline.map { ($0.id, $0) }) { first, _ in first }
    let objects = group.objects.compactMap { object -> ObjectRow? in
      guard let baseline = baselines[object.id] else { return nil }
      return ObjectRow(
        kind: object.key.kind.rawValue,
        id: object.id,
        slug: object.key.slug,
        baseline: baseline.version,
        candidate: object.version,
        spec: baseline.spec
      )
    }
    let rows = candidates.map {
      CandidateRow(
        id: $0.bindingID.uuid,
        digest: $0.digest.hex,
        content: $0.content,
        sections: $0.sectionDigests.map(\.hex)
      )
    }
    _ = try await connection.pipeline([
      SQL(
        """
        insert into rollouts (id, tenant_id, name, strategy, step_commit_id, author, reason)
        values (\(draft.id.uuid), \(tenant), \(draft.name),
          \(try JSONText.encode(draft.strategy))::jsonb, \(commitID), \(author), \(reason))
        """,
        name: "rollouts"
      ),
      SQL(
        """
        insert into rollout_objects (tenant_id, rollout_id, kind, object_id, slug, baseline_version,
          candidate_version, baseline_spec)
        select \(tenant)::uuid, \(draft.id.uuid)::uuid, r.kind, r.id, r.slug, r.baseline,
          r.candidate, r.spec
        from jsonb_to_recordset(\(try JSONText.encode(objects))::jsonb)
          as r (kind text, id uuid, slug text, baseline int, candidate int, spec jsonb)
        """,
        name: "rollout_objects"
      ),
      SQL(
        """
        insert into rollout_candidates (tenant_id, rollout_id, binding_id, baseline_digest, digest,
          content, section_digests, generation)
        select \(tenant)::uuid, \(draft.id.uuid)::uuid, r.id, c.digest, r.digest, r.content,
          r.sections, \(generation ?? 0)::int
        from jsonb_to_recordset(\(try JSONText.encode(rows))::jsonb)
          as r (id uuid, digest text, content text, sections text[])
        join compiled_bindings c on c.tenant_id = \(tenant) and c.binding_id = r.id
        """,
        name: "rollout_candidates"
      ),
    ])
  }
}
