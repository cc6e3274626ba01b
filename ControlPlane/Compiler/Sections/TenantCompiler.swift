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
  /// Nil leaves open where tools go.
  let toolAllow: Set<String>?

  /// - Throws: `CanonicalJSONError`, `EncodingError` for a spec with a number that JSON has not.
  func compile(_ tenant: TenantObjects) throws -> CompiledTenant {
    var result = CompiledTenant()
    guard let stored = tenant.find(.tenant, tenant.slug) else { return result }
    let tenantID = TenantID(stored.id)
    compile(stored, tenantID, tenant, into: &result)
    let platform = try section(.platform, of: nil, PlatformTables.section)
    result.resources[platform.key] = .section(platform.section)
    var tiers = CompiledTiers(platform: platform.section.digest)
    for object in tenant.all(.human) {
      guard let spec = read(object, tenant, &result, { HumanSpec($0, problems: $1) }) else {
        continue
      }
      let made = try section(.human, of: tenantID, Self.human(spec, slug: object.key.slug))
      tiers.humans[object.key.slug] = .init(
        stored: object,
        digest: made.section.digest,
        spec: spec
      )
      result.resources[made.key] = .section(made.section)
    }
    for object in tenant.all(.team) {
      let spec = read(object, tenant, &result) {
        let spec = TeamSpec($0, problems: $1)
        checkReferences(spec, in: tenant, $1)
        return spec
      }
      guard let spec else { continue }
      let made = try section(.team, of: tenantID, team(spec, slug: object.key.slug, in: tenant))
      tiers.teams[object.key.slug] = .init(stored: object, digest: made.section.digest, spec: spec)
      result.resources[made.key] = .section(made.section)
    }
    for object in tenant.all(.agent) {
      let spec = read(object, tenant, &result) {
        AgentSpec($0, toolAllow: toolAllow, problems: $1)
      }
      guard let spec else { continue }
      let made = try section(.agent, of: tenantID, Self.agent(spec, slug: object.key.slug))
      tiers.agents[object.key.slug] = .init(stored: object, digest: made.section.digest, spec: spec)
      result.resources[made.key] = .section(made.section)
    }
    for object in tenant.all(.binding) {
      try compile(object, tenantID, &tiers, in: tenant, into: &result)
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

  func document(_ object: StoredObject, _ tenant: TenantObjects) -> AuthoredDocument {
    AuthoredDocument(key: object.key, spec: object.spec, source: tenant.sources[object.key] ?? "")
  }

  private func checkReferences(
    _ spec: TeamSpec,
    in tenant: TenantObjects,
    _ problems: Problems
  ) {
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
