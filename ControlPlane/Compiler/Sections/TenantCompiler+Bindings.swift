internal import Codecs
internal import Domain

/// The tiers of a tenant that are free of errors, by slug.
struct CompiledTiers {
  /// One tier: what is stored, what it means, and the digest of its section.
  struct Tier<Spec> {
    let stored: StoredObject
    let digest: Digest
    let spec: Spec
  }

  let platform: Digest
  var humans: [String: Tier<HumanSpec>] = [:]
  var teams: [String: Tier<TeamSpec>] = [:]
  var agents: [String: Tier<AgentSpec>] = [:]
  /// How the rules of a human, a team and an agent clash: one answer for all their bindings.
  var clashes: [[String]: [Diagnostic]] = [:]
}

extension TenantCompiler {
  /// Compiles one binding from tiers that are compiled already.
  func compile(
    _ object: StoredObject,
    _ tenantID: TenantID,
    _ tiers: inout CompiledTiers,
    in tenant: TenantObjects,
    into result: inout CompiledTenant
  ) throws {
    let problems = Problems(of: document(object, tenant))
    let spec = BindingSpec(document(object, tenant), problems: problems)
    checkReferences(spec, in: tenant, problems)
    // Also of a binding with faults: whether a route is taken is told along with them.
    let routes = spec.routes.map { route in
      let made = RouteResource(
        channel: route.channel,
        key: route.key,
        tenantID: tenantID,
        bindingID: BindingID(object.id)
      )
      return (route: made, key: object.key, path: route.path)
    }
    result.routes += routes
    defer { result.diagnostics += problems.list }
    guard let human = tiers.humans[spec.human], let team = tiers.teams[spec.team],
      let agent = tiers.agents[spec.agent]
    else { return }
    if !team.spec.members.contains(spec.human) {
      problems.add(
        "BND_HUMAN_NOT_IN_TEAM",
        at: "/human",
        got: .string(spec.human),
        "'\(spec.human)' is no member of team '\(spec.team)'",
        hint: "add it to the team's members"
      )
    }
    let triple = [spec.human, spec.team, spec.agent]
    let clashes =
      tiers.clashes[triple]
      ?? GuardrailChecks(
        human: (document(human.stored, tenant), human.spec.guardrails),
        team: (document(team.stored, tenant), team.spec.guardrails),
        agent: (document(agent.stored, tenant), agent.spec.guardrails)
      ).diagnostics(greeting: human.spec.greeting, apology: human.spec.apology)
    tiers.clashes[triple] = clashes
    // Two tiers clash in every binding that has both: once is enough.
    result.diagnostics += clashes.filter { !result.diagnostics.contains($0) }
    guard !problems.hasErrors, !clashes.contains(where: { $0.level == .error }) else { return }
    let compiled = CompiledBinding(
      bindingID: BindingID(object.id),
      tenantID: tenantID,
      tenantSlug: tenant.slug,
      slug: object.key.slug,
      channels: spec.channels,
      pins: .init(
        humanID: HumanID(human.stored.id),
        humanVersion: human.stored.version,
        teamID: TeamID(team.stored.id),
        teamVersion: team.stored.version,
        agentID: AgentID(agent.stored.id),
        agentVersion: agent.stored.version,
        compilerVersion: PlatformTables.compilerVersion
      ),
      sections: .init(
        platform: tiers.platform,
        human: human.digest,
        team: team.digest,
        agent: agent.digest
      ),
      degraded: spec.degraded
    )
    try add(compiled, isActive: spec.isActive, of: object, into: &result)
    for (route, _, _) in routes {
      let key = ResourceKey.route(tenantID, channel: route.channel, key: route.key)
      result.resources[key] = .route(route)
    }
  }

  private func add(
    _ compiled: CompiledBinding,
    isActive: Bool,
    of object: StoredObject,
    into result: inout CompiledTenant
  ) throws {
    let content = try CanonicalJSON.encode(compiled)
    let resource = BindingResource(
      tenantID: compiled.tenantID,
      bindingID: compiled.bindingID,
      digest: CanonicalJSON.digest(of: content),
      content: content,
      sectionDigests: compiled.sections.all,
      isActive: isActive
    )
    result.resources[.binding(compiled.tenantID, compiled.bindingID)] = .binding(resource)
    result.bindings[object.key] = resource.digest
  }

  private func checkReferences(
    _ spec: BindingSpec,
    in tenant: TenantObjects,
    _ problems: Problems
  ) {
    let names = [(ObjectKind.human, spec.human), (.team, spec.team), (.agent, spec.agent)]
    for (kind, name) in names where !name.isEmpty && tenant.find(kind, name) == nil {
      let known = tenant.all(kind).map(\.key.slug)
      problems.add(
        "BND_FOREIGN_TIER",
        at: "/\(kind.rawValue.lowercased())",
        got: .string(name),
        "tenant \(tenant.slug) has no \(kind.rawValue) '\(name.prefix(63))'",
        hint: nearest(to: name, among: known).map { "did you mean '\($0)'?" }
          ?? (known.isEmpty
            ? "write a \(kind.rawValue) document" : "known are \(known.joined(separator: ", "))")
      )
    }
  }
}
