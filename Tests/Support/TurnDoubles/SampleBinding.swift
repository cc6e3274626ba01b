package import Domain
internal import Foundation
package import Subscription

/// A small tenant with one binding on both channels, made by hand.
package struct SampleTenant: Sendable {
  package var tenant: TenantResource
  package var account: ChannelAccountResource
  package var routes: [RouteResource]
  package var binding: ResolvedBinding

  package init(
    slug: String = "asha-foods",
    number: String = "919800000001",
    host: String = "chat.example",
    tools: [ToolSpec] = [],
    maxToolIterations: Int = 3,
    degraded: CompiledBinding.DegradedPolicy = .serve,
    languages: [String] = ["en", "hi"],
    pausedPolicy: PausedPolicy = .hold,
    guardrails: [GuardrailRule] = []
  ) {
    let tenantID = TenantID(UUID())
    let bindingID = BindingID(UUID())
    tenant = TenantResource(
      tenantID: tenantID,
      slug: slug,
      displayName: slug,
      status: .active,
      switchRevision: .zero,
      stalePolicy: .serve,
      pausedPolicy: pausedPolicy,
      pausedMessage: ["": "We are closed."]
    )
    account = ChannelAccountResource(
      tenantID: tenantID,
      channel: "whatsapp",
      slug: "\(slug)-main",
      phoneNumberID: "phone-of-\(slug)",
      displayNumber: number,
      appSecretRef: "whatsapp_app_secret",
      verifyTokenRef: "whatsapp_verify_token",
      accessTokenRef: "whatsapp_access_token"
    )
    routes = [
      RouteResource(channel: "whatsapp", key: number, tenantID: tenantID, bindingID: bindingID),
      RouteResource(channel: "web", key: host, tenantID: tenantID, bindingID: bindingID),
    ]
    let digest = Digest(of: Data(slug.utf8))
    binding = ResolvedBinding(
      digest: digest,
      binding: CompiledBinding(
        bindingID: bindingID,
        tenantID: tenantID,
        tenantSlug: slug,
        slug: "\(slug)-desk",
        channels: ["whatsapp", "web"],
        pins: CompiledBinding.Pins(
          humanID: HumanID(UUID()),
          humanVersion: 1,
          teamID: TeamID(UUID()),
          teamVersion: 1,
          agentID: AgentID(UUID()),
          agentVersion: 1,
          compilerVersion: 1
        ),
        sections: CompiledBinding.SectionDigests(
          platform: digest,
          human: digest,
          team: digest,
          agent: digest
        ),
        degraded: degraded
      ),
      isActive: true,
      platform: PlatformSection(
        prompt: "Platform.",
        guardrails: [],
        models: ModelTables(version: "1", aliases: [:], prices: [:])
      ),
      human: HumanSection(
        slug: "asha",
        displayName: "Asha",
        prompt: "You are Asha.",
        languages: languages,
        greeting: ["en": "Hello"],
        apology: ["en": "Sorry.", "hi": "माफ़ कीजिए।"],
        guardrails: []
      ),
      team: TeamSection(
        slug: "desk",
        displayName: "Desk",
        prompt: "Team.",
        sops: [],
        escalation: .null,
        allowedHandoffs: [],
        guardrails: []
      ),
      agent: AgentSection(
        slug: "agent",
        displayName: "Agent",
        prompt: "Agent.",
        modelRoutes: ModelRoutes(default: "smart", cheap: nil, fallback: ["other"], maxTokens: 500),
        tools: tools,
        maxToolIterations: maxToolIterations,
        memoryPolicy: .null,
        retrieval: .null,
        guardrails: guardrails
      )
    )
  }

  package static func tool(_ name: String, idempotent: Bool, approval: String = "never") -> ToolSpec
  {
    ToolSpec(
      name: name,
      description: name,
      schema: ["type": "object"],
      url: "https://tools.example",
      method: "POST",
      auth: nil,
      timeoutMS: 1_000,
      idempotent: idempotent,
      approval: approval,
      maxResultBytes: 10_000,
      redact: []
    )
  }
}
