import Domain
import Foundation

/// A store in memory that makes valid commits at random: what the database would hold and tell.
struct ConfigWorld {
  let incarnation: UUID
  private(set) var revision = Revision.zero
  private(set) var resources: [ResourceKey: ConfigResource] = [:]
  private var sections: [ResourceKey: SectionResource] = [:]
  private var counter = 0
  let tenants: [TenantID]

  init(incarnation: UUID = UUID(), tenants: Int = 3) {
    self.incarnation = incarnation
    self.tenants = (1 ... tenants).map { number in
      TenantID(UUID(uuid: (UInt8(number), 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0)))
    }
  }

  /// Everything that nodes hold: only sections that a binding names.
  var whole: [ConfigResource] {
    var all = resources
    for case .binding(let binding) in resources.values {
      for section in named(by: binding) {
        all[.section(section.tenantID, section.digest)] = .section(section)
      }
    }
    return Array(all.values)
  }

  private func named(by binding: BindingResource) -> [SectionResource] {
    binding.sectionDigests.compactMap {
      sections[.section(binding.tenantID, $0)] ?? sections[.section(nil, $0)]
    }
  }

  var snapshot: (incarnation: UUID, commit: Commit) {
    (
      incarnation,
      Commit(revision: revision, committedAt: Date(), resources: whole, removed: [])
    )
  }

  // MARK: - Commits

  mutating func commit(put: [ConfigResource], removed: [ResourceKey] = []) -> Commit {
    revision = revision.next
    var told: [ConfigResource] = []
    for resource in put {
      if case .binding(let binding) = resource {
        told += named(by: binding).map { .section($0) }
      }
    }
    told += put
    for key in removed { resources[key] = nil }
    for resource in put { resources[resource.key] = resource }
    return Commit(revision: revision, committedAt: Date(), resources: told, removed: removed)
  }

  mutating func randomCommit(_ random: inout some RandomNumberGenerator) -> Commit {
    let tenant = tenants.randomElement(using: &random) ?? tenants[0]
    guard case .tenant(var known)? = resources[.tenant(tenant)] else {
      return commit(put: [.tenant(self.tenant(tenant))])
    }
    let bindings = resources.values.compactMap { resource -> BindingResource? in
      guard case .binding(let binding) = resource, binding.tenantID == tenant else { return nil }
      return binding
    }.sorted { $0.bindingID < $1.bindingID }
    switch Int.random(in: 0 ..< 10, using: &random) {
    case 0, 1:
      known.status = [.active, .paused, .archived].randomElement(using: &random) ?? .active
      known.switchRevision = revision.next
      return commit(put: [.tenant(known)])
    case 2:
      guard let gone = bindings.randomElement(using: &random) else { fallthrough }
      let routes = resources.values.compactMap { resource -> ResourceKey? in
        guard case .route(let route) = resource, route.bindingID == gone.bindingID else {
          return nil
        }
        return resource.key
      }
      return commit(put: [], removed: [.binding(tenant, gone.bindingID)] + routes)
    case 3:
      guard var binding = bindings.randomElement(using: &random) else { fallthrough }
      binding.isActive.toggle()
      return commit(put: [.binding(binding)])
    case 4, 5, 6:
      guard let binding = bindings.randomElement(using: &random) else { fallthrough }
      return commit(put: [.binding(self.binding(tenant, binding.bindingID))])
    default:
      let id = BindingID(
        UUID(
          uuid: (
            9, UInt8(counter % 250), tenant.bytes[0], 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0
          )
        )
      )
      counter += 1
      return commit(put: [
        .binding(binding(tenant, id)),
        .route(
          RouteResource(
            channel: "web",
            key: "host-\(id).example",
            tenantID: tenant,
            bindingID: id
          )
        ),
      ])
    }
  }

  // MARK: - Resources

  func tenant(_ id: TenantID, stalePolicy: StalePolicy = .serve) -> TenantResource {
    TenantResource(
      tenantID: id,
      slug: "tenant-\(id.bytes[0])",
      displayName: "Tenant",
      status: .active,
      switchRevision: .zero,
      stalePolicy: stalePolicy,
      pausedPolicy: .hold,
      pausedMessage: [:]
    )
  }

  /// A binding whose persona is new.
  mutating func binding(_ tenant: TenantID, _ id: BindingID) -> BindingResource {
    counter += 1
    let platform = section(
      nil,
      .platform,
      PlatformSection(
        prompt: "platform",
        guardrails: [],
        models: ModelTables(version: "1", aliases: [:], prices: [:])
      )
    )
    let human = section(
      tenant,
      .human,
      HumanSection(
        slug: "asha",
        displayName: "Asha",
        prompt: "persona \(counter)",
        languages: ["hi"],
        greeting: [:],
        apology: [:],
        guardrails: []
      )
    )
    let team = section(
      tenant,
      .team,
      TeamSection(
        slug: "desk",
        displayName: "Desk",
        prompt: "",
        sops: [],
        escalation: .null,
        allowedHandoffs: [],
        guardrails: []
      )
    )
    let agent = section(
      tenant,
      .agent,
      AgentSection(
        slug: "chat",
        displayName: "Chat",
        prompt: "",
        modelRoutes: ModelRoutes(default: "m", cheap: nil, fallback: [], maxTokens: 100),
        tools: [],
        maxToolIterations: 1,
        memoryPolicy: .null,
        retrieval: .null,
        guardrails: []
      )
    )
    let pins = CompiledBinding.Pins(
      humanID: HumanID(id.uuid),
      humanVersion: Int32(counter),
      teamID: TeamID(id.uuid),
      teamVersion: 1,
      agentID: AgentID(id.uuid),
      agentVersion: 1,
      compilerVersion: 1
    )
    let compiled = CompiledBinding(
      bindingID: id,
      tenantID: tenant,
      tenantSlug: "t",
      slug: "b",
      channels: ["web"],
      pins: pins,
      sections: .init(platform: platform, human: human, team: team, agent: agent),
      degraded: .serve
    )
    let content = Self.json(compiled)
    return BindingResource(
      tenantID: tenant,
      bindingID: id,
      digest: Digest(of: Data(content.utf8)),
      content: content,
      sectionDigests: compiled.sections.all,
      isActive: true
    )
  }

  private mutating func section(
    _ tenant: TenantID?,
    _ kind: SectionKind,
    _ value: some Encodable
  ) -> Digest {
    let content = Self.json(value)
    let digest = Digest(of: Data(content.utf8))
    sections[.section(tenant, digest)] = SectionResource(
      tenantID: tenant,
      digest: digest,
      kind: kind,
      content: content
    )
    return digest
  }

  private static func json(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      preconditionFailure("plain values encode: \(error)")
    }
  }
}
