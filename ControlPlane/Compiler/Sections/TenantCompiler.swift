internal import Codecs
internal import Domain
internal import Foundation

/// A tenant's objects with ids and versions, as one state of them.
struct TenantObjects {
  var slug: String
  var objects: [ObjectKey: StoredObject]
  /// Where documents stand that are applied now.
  var sources: [ObjectKey: String] = [:]

  func find(_ kind: ObjectKind, _ slug: String) -> StoredObject? {
    objects[ObjectKey(kind: kind, tenant: self.slug, slug: slug)]
  }

  func all(_ kind: ObjectKind) -> [StoredObject] {
    objects.values.filter { $0.key.kind == kind }.sorted { $0.key < $1.key }
  }
}

/// What one tenant's objects compile to.
struct CompiledTenant {
  var resources: [ResourceKey: ConfigResource] = [:]
  /// Digest by binding's key.
  var bindings: [ObjectKey: Digest] = [:]
  /// Where a route was written, for BND_ROUTE_TAKEN.
  var routes: [(route: RouteResource, key: ObjectKey, path: String)] = []
  var accounts: [(account: ChannelAccountResource, key: ObjectKey, path: String)] = []
  var diagnostics: [Diagnostic] = []
}

/// Compiles a tenant: a pure function of its objects.
struct TenantCompiler {
  let toolAllow: Set<String>

  /// - Throws: `CanonicalJSONError`, `EncodingError` for a spec with a number that JSON has not.
  func compile(_ tenant: TenantObjects) throws -> CompiledTenant {
    var result = CompiledTenant()
    guard let stored = tenant.find(.tenant, tenant.slug) else { return result }
    let tenantID = TenantID(stored.id)
    compile(stored, tenantID, tenant, into: &result)
    let platform = try section(.platform, of: nil, PlatformTables.section)
    result.resources[platform.key] = .section(platform.section)
    var humans: [String: (stored: StoredObject, digest: Digest, rules: [GuardrailRule])] = [:]
    var teams: [String: (stored: StoredObject, digest: Digest, spec: TeamSpec)] = [:]
    var agents: [String: (stored: StoredObject, digest: Digest, rules: [GuardrailRule])] = [:]
    for object in tenant.all(.human) {
      guard let spec = read(object, tenant, &result, { HumanSpec($0, problems: $1) }) else {
        continue
      }
      let made = try section(.human, of: tenantID, Self.human(spec, slug: object.key.slug))
      humans[object.key.slug] = (object, made.section.digest, spec.guardrails)
      result.resources[made.key] = .section(made.section)
    }
    for object in tenant.all(.team) {
      guard let spec = read(object, tenant, &result, { TeamSpec($0, problems: $1) }) else {
        continue
      }
      checkReferences(spec, of: object, in: tenant, &result)
      let made = try section(.team, of: tenantID, team(spec, slug: object.key.slug, in: tenant))
      teams[object.key.slug] = (object, made.section.digest, spec)
      result.resources[made.key] = .section(made.section)
    }
    for object in tenant.all(.agent) {
      guard
        let spec = read(
          object,
          tenant,
          &result,
          { AgentSpec($0, toolAllow: toolAllow, problems: $1) }
        )
      else { continue }
      let made = try section(.agent, of: tenantID, Self.agent(spec, slug: object.key.slug))
      agents[object.key.slug] = (object, made.section.digest, spec.guardrails)
      result.resources[made.key] = .section(made.section)
    }
    for object in tenant.all(.binding) {
      let problems = Problems(of: document(object, tenant))
      let spec = BindingSpec(document(object, tenant), problems: problems)
      let names = [(ObjectKind.human, spec.human), (.team, spec.team), (.agent, spec.agent)]
      for (kind, name) in names where !name.isEmpty && tenant.find(kind, name) == nil {
        let known = tenant.all(kind).map(\.key.slug)
        problems.add(
          "BND_FOREIGN_TIER",
          at: "/\(kind.rawValue.lowercased())",
          got: .string(name),
          "tenant \(tenant.slug) has no \(kind.rawValue) '\(name.prefix(63))'",
          hint: nearest(to: name, among: known).map { "did you mean '\($0)'?" }
            ?? "known are \(known.joined(separator: ", "))"
        )
      }
      if let human = humans[spec.human], let team = teams[spec.team], let agent = agents[spec.agent]
      {
        if !team.spec.members.contains(spec.human) {
          problems.add(
            "BND_HUMAN_NOT_IN_TEAM",
            at: "/human",
            got: .string(spec.human),
            "'\(spec.human)' is no member of team '\(spec.team)'",
            hint: "add it to the team's members"
          )
        }
        GuardrailChecks.check(
          human: human.rules,
          team: team.spec.guardrails,
          agent: agent.rules,
          problems: problems
        )
        if !problems.hasErrors {
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
              platform: platform.section.digest,
              human: human.digest,
              team: team.digest,
              agent: agent.digest
            ),
            degraded: spec.degraded
          )
          let content = try CanonicalJSON.encode(compiled)
          let resource = BindingResource(
            tenantID: tenantID,
            bindingID: compiled.bindingID,
            digest: CanonicalJSON.digest(of: content),
            content: content,
            sectionDigests: compiled.sections.all,
            isActive: spec.isActive
          )
          result.resources[.binding(tenantID, compiled.bindingID)] = .binding(resource)
          result.bindings[object.key] = resource.digest
          for route in spec.routes {
            let made = RouteResource(
              channel: route.channel,
              key: route.key,
              tenantID: tenantID,
              bindingID: compiled.bindingID
            )
            result.routes.append((made, object.key, route.path))
            result.resources[.route(tenantID, channel: made.channel, key: made.key)] = .route(made)
          }
        }
      }
      result.diagnostics += problems.list
    }
    return result
  }

  private func compile(
    _ stored: StoredObject,
    _ id: TenantID,
    _ tenant: TenantObjects,
    into result: inout CompiledTenant
  ) {
    guard let spec = read(stored, tenant, &result, { TenantSpec($0, problems: $1) }) else { return }
    result.resources[.tenant(id)] = .tenant(
      TenantResource(
        tenantID: id,
        slug: tenant.slug,
        displayName: spec.displayName,
        status: stored.status ?? .active,
        switchRevision: stored.switchRevision ?? .zero,
        stalePolicy: spec.stalePolicy,
        pausedPolicy: spec.pausedPolicy,
        pausedMessage: spec.pausedMessage
      )
    )
    for account in spec.accounts {
      let made = ChannelAccountResource(
        tenantID: id,
        channel: account.channel,
        slug: account.slug,
        phoneNumberID: account.phoneNumberID,
        displayNumber: account.displayNumber,
        appSecretRef: account.appSecretRef,
        verifyTokenRef: account.verifyTokenRef,
        accessTokenRef: account.accessTokenRef
      )
      result.accounts.append((made, stored.key, "\(account.path)/slug"))
      result.resources[.channelAccount(id, channel: made.channel, slug: made.slug)] =
        .channelAccount(made)
    }
  }

  /// The spec, unless it has errors; what is wrong with it goes to the diagnostics.
  private func read<Spec>(
    _ object: StoredObject,
    _ tenant: TenantObjects,
    _ result: inout CompiledTenant,
    _ make: (AuthoredDocument, Problems) -> Spec
  ) -> Spec? {
    let document = document(object, tenant)
    let problems = Problems(of: document)
    let spec = make(document, problems)
    result.diagnostics += problems.list
    return problems.hasErrors ? nil : spec
  }

  private func document(_ object: StoredObject, _ tenant: TenantObjects) -> AuthoredDocument {
    AuthoredDocument(key: object.key, spec: object.spec, source: tenant.sources[object.key] ?? "")
  }

  private func checkReferences(
    _ spec: TeamSpec,
    of object: StoredObject,
    in tenant: TenantObjects,
    _ result: inout CompiledTenant
  ) {
    let problems = Problems(of: document(object, tenant))
    for (index, member) in spec.members.enumerated() where tenant.find(.human, member) == nil {
      problems.add(
        "BND_FOREIGN_TIER",
        at: "/members/\(index)",
        got: .string(member),
        "tenant \(tenant.slug) has no Human '\(member.prefix(63))'",
        hint: nearest(to: member, among: tenant.all(.human).map(\.key.slug))
          .map { "did you mean '\($0)'?" } ?? "add the Human, or take it out"
      )
    }
    for (index, team) in spec.allowedHandoffs.enumerated() where tenant.find(.team, team) == nil {
      problems.add(
        "TEAM_HANDOFF_FOREIGN",
        at: "/allowed_handoffs/\(index)",
        got: .string(team),
        "tenant \(tenant.slug) has no Team '\(team.prefix(63))'",
        hint: "name teams of the same tenant"
      )
    }
    result.diagnostics += problems.list
  }

  // MARK: - Sections

  private func section(
    _ kind: SectionKind,
    of tenant: TenantID?,
    _ content: some Encodable
  ) throws -> (key: ResourceKey, section: SectionResource) {
    let text = try CanonicalJSON.encode(content)
    let digest = CanonicalJSON.digest(of: text)
    return (
      .section(tenant, digest),
      SectionResource(tenantID: tenant, digest: digest, kind: kind, content: text)
    )
  }

  private static func human(_ spec: HumanSpec, slug: String) -> HumanSection {
    HumanSection(
      slug: slug,
      displayName: spec.displayName,
      prompt: Prompts.human(spec),
      languages: spec.languages,
      greeting: spec.greeting,
      apology: Apologies.complete(spec.apology, for: spec.languages),
      guardrails: spec.guardrails
    )
  }

  private func team(_ spec: TeamSpec, slug: String, in tenant: TenantObjects) -> TeamSection {
    TeamSection(
      slug: slug,
      displayName: spec.displayName,
      prompt: Prompts.team(spec),
      sops: spec.sops,
      escalation: .object(spec.escalation.members),
      allowedHandoffs: spec.allowedHandoffs.compactMap {
        tenant.find(.team, $0).map { TeamID($0.id) }
      },
      guardrails: spec.guardrails
    )
  }

  private static func agent(_ spec: AgentSpec, slug: String) -> AgentSection {
    AgentSection(
      slug: slug,
      displayName: spec.displayName,
      prompt: Prompts.agent(spec),
      modelRoutes: spec.routes,
      tools: spec.tools,
      maxToolIterations: spec.maxToolIterations,
      memoryPolicy: spec.memoryPolicy,
      retrieval: spec.retrieval,
      guardrails: spec.guardrails
    )
  }
}
