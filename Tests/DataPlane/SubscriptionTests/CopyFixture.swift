import Domain
import Foundation
import Subscription
import Wire
import WireMapping

/// Configuration as a control plane sends it: a tenant with an account, a binding of four sections, and
/// its routes.
struct CopyFixture {
  let incarnation = UUID()
  let tenant = TenantID(UUID())
  let binding = BindingID(UUID())

  /// - Parameter persona: Stands in the persona's prompt, to tell one revision from another.
  func batch(_ revision: Int64, persona: String) throws -> SubscriptionMachine.Batch {
    var changes = Bindery_V1_Changes()
    for resource in try resources(persona) { changes.put(resource) }
    return .init(
      cursor: .init(incarnation: incarnation, revision: Revision(revision)),
      isWhole: true,
      changes: [changes],
      invalidated: []
    )
  }

  private func resources(_ persona: String) throws -> [ConfigResource] {
    let platform = try section(
      nil,
      .platform,
      PlatformSection(
        prompt: "Be of help.",
        guardrails: [],
        models: ModelTables(version: "1", aliases: [:], prices: [:])
      )
    )
    let human = try section(
      tenant,
      .human,
      HumanSection(
        slug: "asha",
        displayName: "Asha",
        prompt: persona,
        languages: ["hi", "en"],
        greeting: ["hi": "नमस्ते"],
        apology: ["en": "Sorry."],
        guardrails: []
      )
    )
    let team = try section(
      tenant,
      .team,
      TeamSection(
        slug: "desk",
        displayName: "Desk",
        prompt: "You are the desk.",
        sops: [],
        escalation: .null,
        allowedHandoffs: [],
        guardrails: []
      )
    )
    let agent = try section(
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
    let compiled = CompiledBinding(
      bindingID: binding,
      tenantID: tenant,
      tenantSlug: "shop",
      slug: "main",
      channels: ["web", "whatsapp"],
      pins: .init(
        humanID: HumanID(binding.uuid),
        humanVersion: 1,
        teamID: TeamID(binding.uuid),
        teamVersion: 1,
        agentID: AgentID(binding.uuid),
        agentVersion: 1,
        compilerVersion: 1
      ),
      sections: .init(
        platform: platform.digest,
        human: human.digest,
        team: team.digest,
        agent: agent.digest
      ),
      degraded: .serve
    )
    let content = try Self.json(compiled)
    return [
      .tenant(
        TenantResource(
          tenantID: tenant,
          slug: "shop",
          displayName: "Shop",
          status: .active,
          switchRevision: .zero,
          stalePolicy: .serve,
          pausedPolicy: .hold,
          pausedMessage: ["en": "Closed."]
        )
      ),
      .channelAccount(
        ChannelAccountResource(
          tenantID: tenant,
          channel: "whatsapp",
          slug: "shop",
          phoneNumberID: "1098",
          displayNumber: "9198",
          appSecretRef: "app_secret",
          verifyTokenRef: "verify_token",
          accessTokenRef: "access_token"
        )
      ),
      .section(platform), .section(human), .section(team), .section(agent),
      .binding(
        BindingResource(
          tenantID: tenant,
          bindingID: binding,
          digest: Digest(of: Data(content.utf8)),
          content: content,
          sectionDigests: compiled.sections.all,
          isActive: true
        )
      ),
      .route(
        RouteResource(channel: "web", key: "shop.example", tenantID: tenant, bindingID: binding)
      ),
      .route(
        RouteResource(channel: "whatsapp", key: "9198", tenantID: tenant, bindingID: binding)
      ),
    ]
  }

  private func section(
    _ tenant: TenantID?,
    _ kind: SectionKind,
    _ value: some Encodable
  ) throws -> SectionResource {
    let content = try Self.json(value)
    return SectionResource(
      tenantID: tenant,
      digest: Digest(of: Data(content.utf8)),
      kind: kind,
      content: content
    )
  }

  private static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
