internal import Domain

/// The tiers of a tenant, by slug, as read; those with faults too, so that what follows from them
/// can be told along with them.
struct CompiledTiers {
  struct Tier<Spec: Sendable>: Sendable {
    let stored: StoredObject
    let spec: Spec
    let guarded: GuardedTier
    /// The digest of its section; nil when it has faults.
    let digest: Digest?
    /// JSON Pointers of its faults.
    let faults: [String]
  }

  var humans: [String: Tier<HumanSpec>] = [:]
  var teams: [String: Tier<TeamSpec>] = [:]
  var agents: [String: Tier<AgentSpec>] = [:]
}

/// Names a human, a team and an agent: what their rules say together holds for all their bindings.
struct TierTriple: Hashable {
  let human: String
  let team: String
  let agent: String
}

/// What one object compiles to.
struct CompiledObject: Sendable {
  var resources: [ConfigResource] = []
  /// About the object itself.
  var diagnostics: [Diagnostic] = []
  /// Bindings: about its tiers together. Told once, however many bindings have the same ones.
  var clashes: [Diagnostic] = []
  var routes: [(route: RouteResource, path: String)] = []
  var accounts: [(account: ChannelAccountResource, path: String)] = []
  /// Bindings: the tiers that it names, there or not.
  var names: [ObjectKey] = []
  /// Bindings: the digest of the compiled form.
  var digest: Digest?

  /// Whether it names a tier that is not there.
  var isAstray: Bool {
    diagnostics.contains {
      ["BND_FOREIGN_TIER", "TEAM_HANDOFF_FOREIGN", "ESC_UNKNOWN_TEAM"].contains($0.code)
    }
  }
}
