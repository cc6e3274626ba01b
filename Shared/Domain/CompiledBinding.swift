/// What a node runs a conversation on: a small record that names the sections of its tiers.
///
/// Stored and sent as RFC 8785 canonical JSON; its SHA-256 is the binding's digest.
package struct CompiledBinding: Hashable, Sendable, Codable {
  package var bindingID: BindingID
  package var tenantID: TenantID
  package var tenantSlug: String
  package var slug: String
  package var channels: [String]
  package var pins: Pins
  package var sections: SectionDigests
  /// What a node does with this binding's messages while the control plane is away.
  package var degraded: DegradedPolicy

  package struct Pins: Hashable, Sendable, Codable {
    package var humanID: HumanID
    package var humanVersion: Int32
    package var teamID: TeamID
    package var teamVersion: Int32
    package var agentID: AgentID
    package var agentVersion: Int32
    package var compilerVersion: Int
    /// Versions of the model aliases and of the prices; nil in what older compilers made.
    package var aliasTable: String?
    package var priceTable: String?

    package init(
      humanID: HumanID,
      humanVersion: Int32,
      teamID: TeamID,
      teamVersion: Int32,
      agentID: AgentID,
      agentVersion: Int32,
      compilerVersion: Int,
      aliasTable: String? = nil,
      priceTable: String? = nil
    ) {
      self.humanID = humanID
      self.humanVersion = humanVersion
      self.teamID = teamID
      self.teamVersion = teamVersion
      self.agentID = agentID
      self.agentVersion = agentVersion
      self.compilerVersion = compilerVersion
      self.aliasTable = aliasTable
      self.priceTable = priceTable
    }

    private enum CodingKeys: String, CodingKey {
      case humanID = "human_id"
      case humanVersion = "human_version"
      case teamID = "team_id"
      case teamVersion = "team_version"
      case agentID = "agent_id"
      case agentVersion = "agent_version"
      case compilerVersion = "compiler_version"
      case aliasTable = "alias_table"
      case priceTable = "price_table"
    }
  }

  package struct SectionDigests: Hashable, Sendable, Codable {
    package var platform: Digest
    package var human: Digest
    package var team: Digest
    package var agent: Digest

    package init(platform: Digest, human: Digest, team: Digest, agent: Digest) {
      self.platform = platform
      self.human = human
      self.team = team
      self.agent = agent
    }

    package var all: [Digest] { [platform, human, team, agent] }
  }

  package enum DegradedPolicy: String, Hashable, Sendable, Codable {
    case serve
    case hold
  }

  package init(
    bindingID: BindingID,
    tenantID: TenantID,
    tenantSlug: String,
    slug: String,
    channels: [String],
    pins: Pins,
    sections: SectionDigests,
    degraded: DegradedPolicy
  ) {
    self.bindingID = bindingID
    self.tenantID = tenantID
    self.tenantSlug = tenantSlug
    self.slug = slug
    self.channels = channels
    self.pins = pins
    self.sections = sections
    self.degraded = degraded
  }

  private enum CodingKeys: String, CodingKey {
    case bindingID = "binding_id"
    case tenantID = "tenant_id"
    case tenantSlug = "tenant_slug"
    case slug
    case channels
    case pins
    case sections
    case degraded
  }
}
