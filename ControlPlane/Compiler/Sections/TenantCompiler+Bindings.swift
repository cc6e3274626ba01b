internal import Codecs
internal import Domain

extension TenantCompiler {
  /// Compiles one binding over tiers that have been read.
  ///
  /// - Parameter known: What triples of tiers have been found to say together.
  func binding(
    _ object: StoredObject,
    _ tenantID: TenantID,
    _ tiers: CompiledTiers,
    in tenant: TenantObjects,
    known: inout [TierTriple: [Diagnostic]]
  ) throws -> CompiledObject {
    var result = CompiledObject()
    let document = tenant.document(object)
    let problems = Problems(of: document)
    let spec = BindingSpec(document, problems: problems)
    checkReferences(spec, in: tenant, problems)
    result.names = [
      ObjectKey(kind: .human, tenant: tenant.slug, slug: spec.human),
      ObjectKey(kind: .team, tenant: tenant.slug, slug: spec.team),
      ObjectKey(kind: .agent, tenant: tenant.slug, slug: spec.agent),
    ]
    // Also of a binding with faults: whether a route is taken is told along with them.
    result.routes = spec.routes.map { route in
      let made = RouteResource(
        channel: route.channel,
        key: route.key,
        tenantID: tenantID,
        bindingID: BindingID(object.id)
      )
      return (made, route.path)
    }
    guard let human = tiers.humans[spec.human], let team = tiers.teams[spec.team],
      let agent = tiers.agents[spec.agent]
    else {
      result.diagnostics = problems.list
      return result
    }
    if !team.spec.members.contains(spec.human),
      !team.faults.contains(where: { $0.hasPrefix("/members") })
    {
      problems.add(
        "BND_HUMAN_NOT_IN_TEAM",
        at: "/human",
        got: .string(spec.human),
        "'\(spec.human)' is no member of team '\(spec.team)'",
        hint: "add it to the team's members"
      )
    }
    let triple = TierTriple(human: spec.human, team: spec.team, agent: spec.agent)
    let found = known[triple] ?? clashes(human, team, agent)
    known[triple] = found
    result.clashes = found
    result.diagnostics = problems.list
    guard !problems.hasErrors, !found.contains(where: { $0.level == .error }),
      let humanDigest = human.digest, let teamDigest = team.digest, let agentDigest = agent.digest
    else { return result }
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
        compilerVersion: compilerVersion,
        aliasTable: tables.version,
        priceTable: priceTable
      ),
      sections: .init(
        platform: try platform().digest,
        human: humanDigest,
        team: teamDigest,
        agent: agentDigest
      ),
      degraded: spec.degraded
    )
    let content = compiled.canonicalText
    let resource = BindingResource(
      tenantID: tenantID,
      bindingID: compiled.bindingID,
      digest: CanonicalJSON.digest(of: content),
      content: content,
      sectionDigests: compiled.sections.all,
      isActive: spec.isActive
    )
    result.digest = resource.digest
    result.resources = [.binding(resource)] + result.routes.map { .route($0.route) }
    return result
  }
}
