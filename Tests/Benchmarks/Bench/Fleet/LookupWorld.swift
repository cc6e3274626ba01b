internal import Domain
internal import Foundation

/// Bindings over shared tiers, as resources: each with two routes.
struct LookupWorld {
  let bindings: Int
  let tiers: Int
  let tenant = TenantID(UUID(uuid: (1, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0)))
  private let sections: [SectionResource]
  private let digests: (platform: Digest, human: [Digest], team: [Digest], agent: [Digest])

  init(bindings: Int, tiers: Int) throws {
    self.bindings = bindings
    self.tiers = tiers
    var sections: [SectionResource] = []
    let owner = tenant
    func add(_ tenant: TenantID?, _ kind: SectionKind, _ value: some Encodable) throws -> Digest {
      let content = try Self.json(value)
      let digest = Digest(of: Data(content.utf8))
      sections.append(
        SectionResource(tenantID: tenant, digest: digest, kind: kind, content: content)
      )
      return digest
    }
    // About as long as what authors write.
    let text = String(
      repeating: "Ask one question at a time, and repeat what was understood. ",
      count: 20
    )
    let platform = try add(
      nil,
      .platform,
      PlatformSection(
        prompt: text,
        guardrails: [],
        models: ModelTables(version: "1", aliases: [:], prices: [:])
      )
    )
    let human = try (0 ..< tiers).map { number in
      try add(
        owner,
        .human,
        HumanSection(
          slug: "human-\(number)",
          displayName: "Human \(number)",
          prompt: "You are human \(number). \(text)",
          languages: ["hi", "en"],
          greeting: ["hi": "नमस्ते", "en": "Hello"],
          apology: ["en": "Sorry."],
          guardrails: []
        )
      )
    }
    let team = try (0 ..< tiers).map { number in
      try add(
        owner,
        .team,
        TeamSection(
          slug: "team-\(number)",
          displayName: "Team \(number)",
          prompt: "Team \(number). \(text)",
          sops: [],
          escalation: .null,
          allowedHandoffs: [],
          guardrails: []
        )
      )
    }
    let agent = try (0 ..< tiers).map { number in
      try add(
        owner,
        .agent,
        AgentSection(
          slug: "agent-\(number)",
          displayName: "Agent \(number)",
          prompt: "Agent \(number). \(text)",
          modelRoutes: ModelRoutes(default: "m", cheap: nil, fallback: [], maxTokens: 100),
          tools: [],
          maxToolIterations: 1,
          memoryPolicy: .null,
          retrieval: .null,
          guardrails: []
        )
      )
    }
    self.sections = sections
    digests = (platform, human, team, agent)
  }

  var resources: [ConfigResource] {
    get throws {
      var all: [ConfigResource] = [.tenant(tenantResource)]
      all += sections.map { .section($0) }
      for number in 0 ..< bindings {
        all.append(.binding(try binding(number)))
        for (channel, key) in Self.routes(number) {
          all.append(
            .route(
              RouteResource(
                channel: channel,
                key: key,
                tenantID: tenant,
                bindingID: Self.id(number)
              )
            )
          )
        }
      }
      return all
    }
  }

  private var tenantResource: TenantResource {
    TenantResource(
      tenantID: tenant,
      slug: "bench",
      displayName: "Bench",
      status: .active,
      switchRevision: .zero,
      stalePolicy: .serve,
      pausedPolicy: .hold,
      pausedMessage: [:]
    )
  }

  static func routes(_ number: Int) -> [(channel: String, key: String)] {
    [("web", "b\(number).bench.example"), ("whatsapp", "91980\(1_000_000 + number)")]
  }

  static func id(_ number: Int) -> BindingID {
    let bytes = UInt32(number).bigEndian
    return withUnsafeBytes(of: bytes) { it in
      BindingID(
        UUID(uuid: (it[0], it[1], it[2], it[3], 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0))
      )
    }
  }

  /// Another version makes another form.
  func binding(_ number: Int, version: Int32 = 1) throws -> BindingResource {
    let round = number / tiers
    let compiled = CompiledBinding(
      bindingID: Self.id(number),
      tenantID: tenant,
      tenantSlug: "bench",
      slug: "binding-\(number)",
      channels: ["web", "whatsapp"],
      pins: .init(
        humanID: HumanID(Self.id(number).uuid),
        humanVersion: version,
        teamID: TeamID(Self.id(number).uuid),
        teamVersion: 1,
        agentID: AgentID(Self.id(number).uuid),
        agentVersion: 1,
        compilerVersion: 1
      ),
      sections: .init(
        platform: digests.platform,
        human: digests.human[number % tiers],
        team: digests.team[(number + round * 7) % tiers],
        agent: digests.agent[(number + round * 13) % tiers]
      ),
      degraded: .serve
    )
    let content = try Self.json(compiled)
    return BindingResource(
      tenantID: tenant,
      bindingID: Self.id(number),
      digest: Digest(of: Data(content.utf8)),
      content: content,
      sectionDigests: compiled.sections.all,
      isActive: true
    )
  }

  private static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
