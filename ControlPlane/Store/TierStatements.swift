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
    let spec: JSONValue
  }

  /// In an order that references allow: tenant, humans, teams with members, agents, bindings.
  func statements(for objects: [StoredObject]) throws -> [SQL] {
    var statements: [SQL] = []
    for kind in ObjectKind.allCases {
      let rows = objects.filter { $0.key.kind == kind }.map {
        Row(id: $0.id, slug: $0.key.slug, version: $0.version, spec: $0.spec)
      }
      if rows.isEmpty { continue }
      let source: SQL = """
        jsonb_to_recordset(\(try JSONText.encode(rows))::jsonb)
          as o (id uuid, slug text, version int, spec jsonb)
        """
      switch kind {
      case .tenant: statements.append(tenants(source))
      case .human: statements += [humans(source), version("human", source)]
      case .team:
        statements += [teams(source)] + members(source, ids: rows.map(\.id))
        statements += [handoffs(source), version("team", source)]
      case .agent: statements += [agents(source), version("agent", source)]
      case .binding: statements.append(bindings(source))
      }
    }
    return statements
  }

  private func tenants(_ source: SQL) -> SQL {
    """
    insert into tenants (id, slug, display_name, version, spec, stale_policy, paused_policy,
      paused_message, switch_commit_id)
    select o.id, o.slug, coalesce(o.spec->>'display_name', o.slug), o.version, o.spec,
      coalesce(o.spec->>'stale_policy', 'serve'), coalesce(o.spec->>'paused_policy', 'hold'),
      \(object("paused_message")), \(commitID)::uuid
    from \(source)
    on conflict (id) do update set display_name = excluded.display_name,
      version = excluded.version, spec = excluded.spec, stale_policy = excluded.stale_policy,
      paused_policy = excluded.paused_policy, paused_message = excluded.paused_message,
      updated_at = now()
    """
  }

  private func humans(_ source: SQL) -> SQL {
    """
    insert into humans (id, tenant_id, slug, display_name, voice, languages, cultural_register,
      guardrails, version, spec)
    select o.id, \(tenantID.uuid)::uuid, o.slug, coalesce(o.spec->>'display_name', o.slug),
      \(object("voice")), \(texts("languages")), o.spec->>'cultural_register',
      \(array("guardrails")), o.version, o.spec
    from \(source)
    on conflict (id) do update set display_name = excluded.display_name, voice = excluded.voice,
      languages = excluded.languages, cultural_register = excluded.cultural_register,
      guardrails = excluded.guardrails, version = excluded.version, spec = excluded.spec,
      updated_at = now()
    """
  }

  private func teams(_ source: SQL) -> SQL {
    """
    insert into teams (id, tenant_id, slug, display_name, department, sops, escalation, guardrails,
      version, spec)
    select o.id, \(tenantID.uuid)::uuid, o.slug, coalesce(o.spec->>'display_name', o.slug),
      o.spec->>'department', \(array("sops")), \(object("escalation")), \(array("guardrails")),
      o.version, o.spec
    from \(source)
    on conflict (id) do update set display_name = excluded.display_name,
      department = excluded.department, sops = excluded.sops, escalation = excluded.escalation,
      guardrails = excluded.guardrails, version = excluded.version, spec = excluded.spec,
      updated_at = now()
    """
  }

  private func members(_ source: SQL, ids: [UUID]) -> [SQL] {
    [
      "delete from team_members where tenant_id = \(tenantID.uuid) and team_id = any (\(ids)::uuid[])",
      // A member that does not exist becomes a null, which the column refuses.
      """
      insert into team_members (tenant_id, team_id, human_id)
      select distinct \(tenantID.uuid)::uuid, o.id, (
        select h.id from humans h where h.tenant_id = \(tenantID.uuid) and h.slug = m.slug)
      from \(source), jsonb_array_elements_text(\(array("members"))) as m (slug)
      """,
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
      retrieval, guardrails, max_tool_iterations, version, spec)
    select o.id, \(tenantID.uuid)::uuid, o.slug, coalesce(o.spec->>'display_name', o.slug),
      \(object("model_routing")), \(array("tools")), \(object("memory_policy")),
      \(object("retrieval")), \(array("guardrails")),
      coalesce((o.spec->>'max_tool_iterations')::int, 4), o.version, o.spec
    from \(source)
    on conflict (id) do update set display_name = excluded.display_name,
      model_routing = excluded.model_routing, tools = excluded.tools,
      memory_policy = excluded.memory_policy, retrieval = excluded.retrieval,
      guardrails = excluded.guardrails, max_tool_iterations = excluded.max_tool_iterations,
      version = excluded.version, spec = excluded.spec, updated_at = now()
    """
  }

  private func bindings(_ source: SQL) -> SQL {
    """
    insert into agent_bindings (id, tenant_id, slug, human_id, team_id, agent_id, channels,
      is_active, degraded, version, spec)
    select o.id, \(tenantID.uuid)::uuid, o.slug,
      (select x.id from humans x where x.tenant_id = \(tenantID.uuid) and x.slug = o.spec->>'human'),
      (select x.id from teams x where x.tenant_id = \(tenantID.uuid) and x.slug = o.spec->>'team'),
      (select x.id from agents x where x.tenant_id = \(tenantID.uuid) and x.slug = o.spec->>'agent'),
      case when jsonb_typeof(o.spec->'channels') = 'array' then \(texts("channels"))
        else '{whatsapp,web}' end,
      coalesce((o.spec->>'is_active')::boolean, true), coalesce(o.spec->>'degraded', 'serve'),
      o.version, o.spec
    from \(source)
    on conflict (id) do update set human_id = excluded.human_id, team_id = excluded.team_id,
      agent_id = excluded.agent_id, channels = excluded.channels, is_active = excluded.is_active,
      degraded = excluded.degraded, version = excluded.version, spec = excluded.spec,
      updated_at = now()
    """
  }

  private func version(_ tier: String, _ source: SQL) -> SQL {
    """
    insert into tier_config_versions
      (tier, tier_id, tenant_id, version, config, author, reason, commit_id)
    select \(tier), o.id, \(tenantID.uuid)::uuid, o.version, o.spec, \(author), \(reason),
      \(commitID)::uuid
    from \(source)
    """
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
