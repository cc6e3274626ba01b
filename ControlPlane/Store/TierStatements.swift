internal import Domain
internal import Foundation
internal import Postgres

/// Writes authored objects: the columns of the target schema are derived from the spec, which is
/// kept whole beside them.
struct TierStatements: Sendable {
  let tenantID: TenantID
  let commitID: UUID
  let author: String
  let reason: String

  private struct Row: Encodable {
    let id: UUID
    let slug: String
    let version: Int32
    let source: String
    let spec: JSONValue

    init(_ object: StoredObject) {
      id = object.id
      slug = object.key.slug
      version = object.version
      source = object.source
      spec = object.spec
    }
  }

  /// In an order that references allow: tenant, humans, teams with members, agents, bindings.
  func statements(for objects: [StoredObject]) throws -> [SQL] {
    var statements: [SQL] = []
    for kind in ObjectKind.allCases {
      let rows = objects.filter { $0.key.kind == kind }.map(Row.init)
      if rows.isEmpty { continue }
      let source = try Self.source(rows)
      switch kind {
      case .tenant: statements += [tenants(source), version(.tenant, source)]
      case .human: statements += [humans(source), version(.human, source)]
      case .team:
        statements += [teams(source)] + members(source, ids: rows.map(\.id))
        statements += [handoffs(source), version(.team, source)]
      case .agent: statements += [agents(source), version(.agent, source)]
      case .binding: statements += [bindings(source), version(.binding, source)]
      }
    }
    return statements
  }

  /// Takes objects out of effect: their rows stay, for what refers to them.
  func statements(deleting objects: [StoredObject]) throws -> [SQL] {
    var statements: [SQL] = []
    for kind in ObjectKind.allCases.reversed() {
      let rows = objects.filter { $0.key.kind == kind }.map(Row.init)
      if rows.isEmpty { continue }
      let source = try Self.source(rows)
      if kind == .team || kind == .human {
        statements.append(
          """
          delete from team_members where tenant_id = \(tenantID.uuid)
            and \(unsafeRaw: kind == .team ? "team_id" : "human_id")
              = any (\(rows.map(\.id))::uuid[])
          """
        )
      }
      let besides: SQL =
        switch kind {
        case .binding: ", is_active = false, routing_key = null"
        case .team: ", allowed_handoffs = '{}'"
        case .tenant, .human, .agent: ""
        }
      statements.append(
        """
        update \(unsafeRaw: kind.table) set version = o.version, removed_at = now(),
          updated_at = now()\(besides)
        from \(source)
        where \(unsafeRaw: kind.table).tenant_id = \(tenantID.uuid)
          and \(unsafeRaw: kind.table).id = o.id
        """
      )
      statements.append(version(kind, source, config: "'null'::jsonb"))
    }
    return statements
  }

  /// Gives objects to a source, without a version: what they say stays.
  func statements(adopting objects: [StoredObject]) throws -> [SQL] {
    try ObjectKind.allCases.compactMap { kind in
      let rows = objects.filter { $0.key.kind == kind }.map(Row.init)
      if rows.isEmpty { return nil }
      return """
        update \(unsafeRaw: kind.table) set source = o.source
        from \(try Self.source(rows)) where \(unsafeRaw: kind.table).id = o.id
        """
    }
  }

  private static func source(_ rows: [Row]) throws -> SQL {
    """
    jsonb_to_recordset(\(try JSONText.encode(rows))::jsonb)
      as o (id uuid, slug text, version int, source text, spec jsonb)
    """
  }

  private func tenants(_ source: SQL) -> SQL {
    """
    insert into tenants (id, slug, display_name, version, spec, stale_policy, paused_policy,
      paused_message, switch_commit_id, source)
    select o.id, o.slug, coalesce(o.spec->>'display_name', o.slug), o.version, o.spec,
      coalesce(o.spec->>'stale_policy', 'serve'), coalesce(o.spec->>'paused_policy', 'hold'),
      \(object("paused_message")), \(commitID)::uuid, o.source
    from \(source)
    on conflict (id) do update set display_name = excluded.display_name,
      version = excluded.version, spec = excluded.spec, stale_policy = excluded.stale_policy,
      paused_policy = excluded.paused_policy, paused_message = excluded.paused_message,
      source = excluded.source, updated_at = now()
    """
  }

  private func humans(_ source: SQL) -> SQL {
    """
    insert into humans (id, tenant_id, slug, display_name, voice, languages, cultural_register,
      guardrails, version, spec, source)
    select o.id, \(tenantID.uuid)::uuid, o.slug, coalesce(o.spec->>'display_name', o.slug),
      \(object("voice")), \(texts("languages")), o.spec->>'cultural_register',
      \(array("guardrails")), o.version, o.spec, o.source
    from \(source)
    on conflict (id) do update set display_name = excluded.display_name, voice = excluded.voice,
      languages = excluded.languages, cultural_register = excluded.cultural_register,
      guardrails = excluded.guardrails, version = excluded.version, spec = excluded.spec,
      source = excluded.source, removed_at = null, updated_at = now()
    """
  }

  private func teams(_ source: SQL) -> SQL {
    """
    insert into teams (id, tenant_id, slug, display_name, department, sops, escalation, guardrails,
      version, spec, source)
    select o.id, \(tenantID.uuid)::uuid, o.slug, coalesce(o.spec->>'display_name', o.slug),
      o.spec->>'department', \(array("sops")), \(object("escalation")), \(array("guardrails")),
      o.version, o.spec, o.source
    from \(source)
    on conflict (id) do update set display_name = excluded.display_name,
      department = excluded.department, sops = excluded.sops, escalation = excluded.escalation,
      guardrails = excluded.guardrails, version = excluded.version, spec = excluded.spec,
      source = excluded.source, removed_at = null, updated_at = now()
    """
  }

  private func members(_ source: SQL, ids: [UUID]) -> [SQL] {
    // Only what differs: most edits of a team leave its members, and each row has five references.
    [
      // A member that does not exist becomes a null, which the column refuses.
      """
      with wanted as materialized (
        select distinct o.id as team_id, (
          select h.id from humans h where h.tenant_id = \(tenantID.uuid) and h.slug = m.slug
        ) as human_id
        from \(source), jsonb_array_elements_text(\(array("members"))) as m (slug)
      ),
      gone as (
        delete from team_members t
        where t.tenant_id = \(tenantID.uuid) and t.team_id = any (\(ids)::uuid[])
          and not exists (
            select from wanted w where w.team_id = t.team_id and w.human_id = t.human_id)
      )
      insert into team_members (tenant_id, team_id, human_id)
      select \(tenantID.uuid)::uuid, w.team_id, w.human_id from wanted w
      where not exists (
        select from team_members t where t.team_id = w.team_id and t.human_id = w.human_id)
      """
    ]
  }

  /// After all teams of the publication are there: they may name each other.
  private func handoffs(_ source: SQL) -> SQL {
    """
    update teams set allowed_handoffs = coalesce((
      select array_agg(t.id order by w.place)
      from jsonb_array_elements_text(\(array("allowed_handoffs")))
        with ordinality as w (slug, place)
      join teams t on t.tenant_id = \(tenantID.uuid) and t.slug = w.slug), '{}')
    from \(source)
    where teams.tenant_id = \(tenantID.uuid) and teams.id = o.id
    """
  }

  private func agents(_ source: SQL) -> SQL {
    """
    insert into agents (id, tenant_id, slug, display_name, model_routing, tools, memory_policy,
      retrieval, guardrails, max_tool_iterations, version, spec, source)
    select o.id, \(tenantID.uuid)::uuid, o.slug, coalesce(o.spec->>'display_name', o.slug),
      \(object("model_routing")), \(array("tools")), \(object("memory_policy")),
      \(object("retrieval")), \(array("guardrails")),
      coalesce((o.spec->>'max_tool_iterations')::int, 4), o.version, o.spec, o.source
    from \(source)
    on conflict (id) do update set display_name = excluded.display_name,
      model_routing = excluded.model_routing, tools = excluded.tools,
      memory_policy = excluded.memory_policy, retrieval = excluded.retrieval,
      guardrails = excluded.guardrails, max_tool_iterations = excluded.max_tool_iterations,
      version = excluded.version, spec = excluded.spec, source = excluded.source,
      removed_at = null, updated_at = now()
    """
  }

  private func bindings(_ source: SQL) -> SQL {
    """
    insert into agent_bindings (id, tenant_id, slug, human_id, team_id, agent_id, channels,
      is_active, degraded, version, spec, source)
    select o.id, \(tenantID.uuid)::uuid, o.slug,
      (select x.id from humans x where x.tenant_id = \(tenantID.uuid) and x.slug = o.spec->>'human'),
      (select x.id from teams x where x.tenant_id = \(tenantID.uuid) and x.slug = o.spec->>'team'),
      (select x.id from agents x where x.tenant_id = \(tenantID.uuid) and x.slug = o.spec->>'agent'),
      case when jsonb_typeof(o.spec->'channels') = 'array' then \(texts("channels"))
        else '{whatsapp,web}' end,
      coalesce((o.spec->>'is_active')::boolean, true), coalesce(o.spec->>'degraded', 'serve'),
      o.version, o.spec, o.source
    from \(source)
    on conflict (id) do update set human_id = excluded.human_id, team_id = excluded.team_id,
      agent_id = excluded.agent_id, channels = excluded.channels, is_active = excluded.is_active,
      degraded = excluded.degraded, version = excluded.version, spec = excluded.spec,
      source = excluded.source, removed_at = null, updated_at = now()
    """
  }

  /// - Parameter config: of the version; JSON's null says that the object was deleted.
  private func version(_ kind: ObjectKind, _ source: SQL, config: SQL = "o.spec") -> SQL {
    switch kind {
    case .human, .team, .agent:
      """
      insert into tier_config_versions
        (tier, tier_id, tenant_id, slug, version, config, author, reason, source, commit_id)
      select \(kind.rawValue.lowercased())::text, o.id, \(tenantID.uuid)::uuid, o.slug, o.version,
        \(config), \(author), \(reason), o.source, \(commitID)::uuid
      from \(source)
      """
    case .tenant, .binding:
      """
      insert into object_versions
        (kind, object_id, tenant_id, slug, version, config, author, reason, source, commit_id)
      select \(kind.rawValue)::text, o.id, \(tenantID.uuid)::uuid, o.slug, o.version, \(config),
        \(author), \(reason), o.source, \(commitID)::uuid
      from \(source)
      """
    }
  }

  // Keys come from this file alone, never from a spec.

  private func object(_ key: String) -> SQL {
    "coalesce(nullif(o.spec->'\(unsafeRaw: key)', 'null'), '{}')"
  }

  private func array(_ key: String) -> SQL {
    "coalesce(nullif(o.spec->'\(unsafeRaw: key)', 'null'), '[]')"
  }

  private func texts(_ key: String) -> SQL {
    "array(select jsonb_array_elements_text(\(array(key))))"
  }
}
