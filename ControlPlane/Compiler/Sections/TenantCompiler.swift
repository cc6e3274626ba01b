internal import Codecs
internal import Domain
internal import Foundation

/// A tenant's objects with ids and versions, as one state of them.
struct TenantObjects {
  var slug: String
  var objects: [ObjectKey: StoredObject]
  /// Where documents stand that are applied now.
  var sources: [ObjectKey: String] = [:]
  /// Objects beyond these that are there to be referred to.
  var names: [ObjectKey: UUID] = [:]
  /// Tiers that are as they were when they were stored, and what they name is, too: their references
  /// are not looked at again.
  var settled: Set<ObjectKey> = []

  func find(_ kind: ObjectKind, _ slug: String) -> StoredObject? {
    objects[ObjectKey(kind: kind, tenant: self.slug, slug: slug)]
  }

  /// The id of an object that may be referred to; nil when it is not there.
  func id(_ kind: ObjectKind, _ slug: String) -> UUID? {
    let key = ObjectKey(kind: kind, tenant: self.slug, slug: slug)
    return objects[key]?.id ?? names[key]
  }

  func slugs(_ kind: ObjectKind) -> [String] {
    let known = Set(objects.keys.filter { $0.kind == kind }.map(\.slug))
    return known.union(names.keys.filter { $0.kind == kind }.map(\.slug)).sorted()
  }

  func document(_ object: StoredObject) -> AuthoredDocument {
    AuthoredDocument(key: object.key, spec: object.spec, source: sources[object.key] ?? "")
  }
}

/// What one tenant's objects compile to.
struct CompiledTenant {
  let slug: String
  var resources: [ResourceKey: ConfigResource] = [:]
  /// Digest by binding's key.
  var bindings: [ObjectKey: Digest] = [:]
  /// Where a route was written, for BND_ROUTE_TAKEN.
  var routes: [(route: RouteResource, key: ObjectKey, path: String)] = []
  var accounts: [(account: ChannelAccountResource, key: ObjectKey, path: String)] = []
  var diagnostics: [Diagnostic] = []
}

extension CompiledTenant {
  /// All that a binding names must be stored with it; to store a section again is no change.
  func sections(of binding: BindingResource) -> [ResourceKey: ConfigResource] {
    var named: [ResourceKey: ConfigResource] = [:]
    for digest in binding.sectionDigests {
      for key in [ResourceKey.section(binding.tenantID, digest), .section(nil, digest)] {
        if let section = resources[key] { named[key] = section }
      }
    }
    return named
  }
}

/// Compiles a tenant's objects: pure functions of an object and of what it names.
struct TenantCompiler: Sendable {
  /// Nil leaves open where tools go.
  let toolAllow: Set<String>?
  /// Model aliases and prices.
  let tables: ModelTables
  let compilerVersion: Int
  private let platformSection: Result<SectionResource, any Error>

  /// - Parameter toolAllow: "host:port" that tools may reach without https and on private addresses.
  init(
    toolAllow: Set<String>?,
    tables: ModelTables = PlatformTables.models,
    compilerVersion: Int = PlatformTables.compilerVersion
  ) {
    self.toolAllow = toolAllow
    self.compilerVersion = compilerVersion
    self.tables = tables
    platformSection = Result {
      try Self.section(.platform, of: nil, PlatformTables.section(tables))
    }
  }

  /// The section that all bindings share.
  func platform() throws -> SectionResource { try platformSection.get() }

  // MARK: - Objects

  func tenant(_ stored: StoredObject, in tenant: TenantObjects) -> CompiledObject {
    var result = CompiledObject()
    let (spec, problems) = read(stored, tenant) { TenantSpec($0, problems: $1) }
    result.diagnostics = problems.list
    guard !problems.hasErrors else { return result }
    let id = TenantID(stored.id)
    result.resources.append(
      .tenant(
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
      result.accounts.append((made, "\(account.path)/slug"))
      result.resources.append(.channelAccount(made))
    }
    return result
  }

  func human(
    _ stored: StoredObject,
    _ id: TenantID,
    in tenant: TenantObjects
  ) throws -> (CompiledTiers.Tier<HumanSpec>, CompiledObject) {
    let (spec, problems) = read(stored, tenant) { HumanSpec($0, problems: $1) }
    let said =
      SaidText.all(spec.greeting, at: "/greeting") + SaidText.all(spec.apology, at: "/apology")
    return try tier(stored, id, tenant, spec, spec.guardrails, said, problems, .human) {
      HumanSection(
        slug: stored.key.slug,
        displayName: spec.displayName,
        prompt: Prompts.human(spec),
        languages: spec.languages,
        greeting: spec.greeting,
        apology: Apologies.complete(spec.apology, for: spec.languages),
        guardrails: spec.guardrails.rules
      )
    }
  }

  func team(
    _ stored: StoredObject,
    _ id: TenantID,
    in tenant: TenantObjects
  ) throws -> (CompiledTiers.Tier<TeamSpec>, CompiledObject) {
    let (spec, problems) = read(stored, tenant) { TeamSpec($0, problems: $1) }
    if !tenant.settled.contains(stored.key) { checkReferences(spec, in: tenant, problems) }
    let said = spec.procedures.flatMap(\.prose) + spec.said
    return try tier(stored, id, tenant, spec, spec.guardrails, said, problems, .team) {
      TeamSection(
        slug: stored.key.slug,
        displayName: spec.displayName,
        prompt: Prompts.team(spec),
        sops: spec.sops,
        escalation: spec.escalationSpec,
        allowedHandoffs: spec.allowedHandoffs.compactMap {
          tenant.id(.team, $0).map { TeamID($0) }
        },
        guardrails: spec.guardrails.rules
      )
    }
  }

  func agent(
    _ stored: StoredObject,
    _ id: TenantID,
    in tenant: TenantObjects
  ) throws -> (CompiledTiers.Tier<AgentSpec>, CompiledObject) {
    let (spec, problems) = read(stored, tenant) {
      AgentSpec($0, toolAllow: toolAllow, models: tables, problems: $1)
    }
    return try tier(stored, id, tenant, spec, spec.guardrails, [], problems, .agent) {
      AgentSection(
        slug: stored.key.slug,
        displayName: spec.displayName,
        prompt: Prompts.agent(spec),
        modelRoutes: spec.routes,
        tools: spec.tools,
        maxToolIterations: spec.maxToolIterations,
        memoryPolicy: spec.memoryPolicy,
        retrieval: spec.retrieval,
        guardrails: spec.guardrails.rules
      )
    }
  }

  private func tier<Spec: Sendable>(
    _ stored: StoredObject,
    _ id: TenantID,
    _ tenant: TenantObjects,
    _ spec: Spec,
    _ rules: TierRules,
    _ said: [SaidText],
    _ problems: Problems,
    _ kind: SectionKind,
    _ content: () -> some Encodable
  ) throws -> (CompiledTiers.Tier<Spec>, CompiledObject) {
    var result = CompiledObject()
    result.diagnostics = problems.list
    var digest: Digest?
    if !problems.hasErrors {
      let section = try Self.section(kind, of: id, content())
      digest = section.digest
      result.resources = [.section(section)]
    }
    let tier = CompiledTiers.Tier(
      stored: stored,
      spec: spec,
      guarded: GuardedTier(tenant.document(stored), rules, said: said),
      digest: digest,
      faults: problems.list.filter { $0.level == .error }.map(\.path)
    )
    return (tier, result)
  }

  private func read<Spec>(
    _ object: StoredObject,
    _ tenant: TenantObjects,
    _ make: (AuthoredDocument, Problems) -> Spec
  ) -> (Spec, Problems) {
    let document = tenant.document(object)
    let problems = Problems(of: document)
    return (make(document, problems), problems)
  }

  private static func section(
    _ kind: SectionKind,
    of tenant: TenantID?,
    _ content: some Encodable
  ) throws -> SectionResource {
    let text = try CanonicalJSON.encode(content)
    return SectionResource(
      tenantID: tenant,
      digest: CanonicalJSON.digest(of: text),
      kind: kind,
      content: text
    )
  }
}
