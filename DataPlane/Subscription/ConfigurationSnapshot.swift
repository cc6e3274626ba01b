package import Domain

/// All configuration that a node serves, as of one revision. Immutable; swapped whole.
package protocol ConfigurationSnapshot: Sendable {
  var revision: Revision { get }
  func route(channel: String, key: String) -> RouteResource?
  /// The binding with its sections decoded; nil when unknown, or LAZY and not fetched yet.
  func binding(_ id: BindingID) -> ResolvedBinding?
  /// What a part of the people get in place of a binding; nil without a rollout.
  func candidate(of id: BindingID) -> Candidate?
  func tenant(_ id: TenantID) -> TenantResource?
  func tenant(slug: String) -> TenantResource?
  /// By the slug that stands in webhook paths.
  func channelAccount(channel: String, slug: String) -> ChannelAccountResource?
}

extension ConfigurationSnapshot {
  package func candidate(of id: BindingID) -> Candidate? { nil }

  /// The form of a binding that a person gets: the candidate for those of a rollout's cohort.
  package func binding(
    _ id: BindingID,
    for externalID: String,
    on channel: String
  ) -> ResolvedBinding? {
    guard let binding = binding(id) else { return nil }
    guard let candidate = candidate(of: id),
      candidate.resource.includes(externalID: externalID, on: channel)
    else { return binding }
    return candidate.resolved
  }
}

/// The new form of a binding under a rollout, with its sections decoded.
package struct Candidate: Sendable {
  package let resource: CandidateResource
  package let resolved: ResolvedBinding

  package init(resource: CandidateResource, resolved: ResolvedBinding) {
    self.resource = resource
    self.resolved = resolved
  }
}

/// A compiled binding with its sections decoded, ready to run turns on.
package struct ResolvedBinding: Sendable {
  package let digest: Digest
  package let binding: CompiledBinding
  package let isActive: Bool
  package let platform: PlatformSection
  package let human: HumanSection
  package let team: TeamSection
  package let agent: AgentSection

  package init(
    digest: Digest,
    binding: CompiledBinding,
    isActive: Bool,
    platform: PlatformSection,
    human: HumanSection,
    team: TeamSection,
    agent: AgentSection
  ) {
    self.digest = digest
    self.binding = binding
    self.isActive = isActive
    self.platform = platform
    self.human = human
    self.team = team
    self.agent = agent
  }
}

/// What a node may do for a tenant right now. Read live, never pinned by a turn.
package enum TenantGate: Hashable, Sendable {
  case open
  case paused(PausedPolicy, message: LocalizedText)
  /// Archived or unknown: answers like an unknown route.
  case closed
  /// The node lease has run out and the tenant's stale policy is `refuse`.
  case stale
}

/// Where the rest of the node reads configuration.
package protocol ConfigurationReading: Sendable {
  /// The newest snapshot; a turn takes one and keeps it to its end.
  var snapshot: any ConfigurationSnapshot { get }
  /// The switch of a tenant, live.
  func gate(_ tenant: TenantID) -> TenantGate
  /// Whether a binding is active, live.
  func isActive(_ binding: BindingID) -> Bool
  /// Whether the watch is connected and the node lease is good.
  var isConnected: Bool { get }
}
