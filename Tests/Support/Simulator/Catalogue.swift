import Domain
import Foundation
import Synchronization

/// Bindings and sections in a few forms each, made once for all runs: the runs are about their ways, not
/// about their content.
enum Catalogue {
  struct Form: Hashable, Sendable {
    var tenant: UInt8
    var binding: UInt8
    var human: UInt8
    var team: UInt8
    var platform: UInt8
  }

  struct Made: Sendable {
    var binding: BindingResource
    var sections: [SectionResource]
  }

  private static let made = Mutex<[Form: Made]>([:])

  static func tenantID(_ number: UInt8) -> TenantID { TenantID(uuid(1, number, 0)) }

  static func bindingID(_ tenant: UInt8, _ number: UInt8) -> BindingID {
    BindingID(uuid(2, tenant, number))
  }

  static func uuid(_ kind: UInt8, _ a: UInt8, _ b: UInt8) -> UUID {
    UUID(uuid: (kind, a, b, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1))
  }

  static func binding(_ form: Form) -> Made {
    if let known = made.withLock({ $0[form] }) { return known }
    let new = make(form)
    made.withLock { $0[form] = new }
    return new
  }

  private static func make(_ form: Form) -> Made {
    let tenant = tenantID(form.tenant)
    let id = bindingID(form.tenant, form.binding)
    let platform = section(
      nil,
      .platform,
      PlatformSection(
        prompt: "platform \(form.platform)",
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
        prompt: "persona \(form.human)",
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
        prompt: "role \(form.team)",
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
    let compiled = CompiledBinding(
      bindingID: id,
      tenantID: tenant,
      tenantSlug: "t",
      slug: "b",
      channels: ["web"],
      pins: CompiledBinding.Pins(
        humanID: HumanID(id.uuid),
        humanVersion: Int32(form.human) + 1,
        teamID: TeamID(id.uuid),
        teamVersion: Int32(form.team) + 1,
        agentID: AgentID(id.uuid),
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
    let content = json(compiled)
    return Made(
      binding: BindingResource(
        tenantID: tenant,
        bindingID: id,
        digest: Digest(of: Data(content.utf8)),
        content: content,
        sectionDigests: compiled.sections.all,
        isActive: true
      ),
      sections: [platform, human, team, agent]
    )
  }

  private static func section(
    _ tenant: TenantID?,
    _ kind: SectionKind,
    _ value: some Encodable
  ) -> SectionResource {
    let content = json(value)
    return SectionResource(
      tenantID: tenant,
      digest: Digest(of: Data(content.utf8)),
      kind: kind,
      content: content
    )
  }

  static func json(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      preconditionFailure("plain values encode: \(error)")
    }
  }
}
