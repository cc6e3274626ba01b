package enum RolloutKind {}
package typealias RolloutID = ID<RolloutKind>

/// The nodes that a step of a rollout is for.
package struct Audience: Hashable, Sendable, Codable {
  /// Empty: nodes of all regions.
  package var regions: Set<String>
  /// A node must have all of these.
  package var labels: [String: String]

  package init(regions: Set<String> = [], labels: [String: String] = [:]) {
    self.regions = regions
    self.labels = labels
  }

  package var isEveryone: Bool { regions.isEmpty && labels.isEmpty }

  package func includes(region: String, labels has: [String: String]) -> Bool {
    (regions.isEmpty || regions.contains(region)) && labels.allSatisfy { has[$0.key] == $0.value }
  }

  /// Whether it includes every node that `other` does.
  package func covers(_ other: Audience) -> Bool {
    let coversRegions =
      regions.isEmpty || (!other.regions.isEmpty && other.regions.isSubset(of: regions))
    return coversRegions && labels.allSatisfy { other.labels[$0.key] == $0.value }
  }
}

/// The new form of a binding under a rollout: what nodes give to the people of the cohort.
package struct CandidateResource: Hashable, Sendable, Codable {
  package var tenantID: TenantID
  package var bindingID: BindingID
  package var rolloutID: RolloutID
  package var digest: Digest
  /// RFC 8785 canonical JSON of `CompiledBinding`.
  package var content: String
  package var sectionDigests: [Digest]
  /// Size of the cohort in hundredths of a percent.
  package var basisPoints: Int
  package var audience: Audience

  package init(
    tenantID: TenantID,
    bindingID: BindingID,
    rolloutID: RolloutID,
    digest: Digest,
    content: String,
    sectionDigests: [Digest],
    basisPoints: Int,
    audience: Audience
  ) {
    self.tenantID = tenantID
    self.bindingID = bindingID
    self.rolloutID = rolloutID
    self.digest = digest
    self.content = content
    self.sectionDigests = sectionDigests
    self.basisPoints = basisPoints
    self.audience = audience
  }
}

/// Who has the candidate, and for how long before the next step.
package struct RolloutStep: Hashable, Sendable, Codable {
  /// In hundredths of a percent.
  package var basisPoints: Int
  package var audience: Audience
  /// In ms; nil: until somebody promotes it.
  package var holdMS: Int64?

  package init(basisPoints: Int, audience: Audience = Audience(), holdMS: Int64?) {
    self.basisPoints = basisPoints
    self.audience = audience
    self.holdMS = holdMS
  }
}

/// How much worse than the baseline the candidate may be.
package struct RolloutGates: Hashable, Sendable, Codable {
  package enum OnTimeout: String, Hashable, Sendable, Codable {
    case pause
    case rollback
  }

  /// Turns that both arms must have had; 0: no gate.
  package var minTurns: Int64 = 0
  /// For so long past the hold too few turns are waited for, in ms; 0: as long as it takes.
  package var timeoutMS: Int64 = 0
  package var onTimeout = OnTimeout.pause
  /// How many more of its turns may fail, in hundredths of a percentage point.
  package var maxMoreErrors: Int?
  /// Likewise be blocked by guardrails.
  package var maxMoreBlocks: Int?
  /// How much longer its turns may take, in hundredths of a percent.
  package var maxMoreLatency: Int?
  /// How much more its turns may cost, in hundredths of a percent.
  package var maxMoreCost: Int?

  package init() {}
}

package struct RolloutStrategy: Hashable, Sendable, Codable {
  package static let stepLimit = 20
  package static let defaultNodeTimeoutMS: Int64 = 120_000
  private static let longestMS: Int64 = 366 * 86_400_000

  package var steps: [RolloutStep]
  package var gates: RolloutGates
  /// A node that was given a step and does not confirm it for so long rolls it back.
  package var nodeTimeoutMS: Int64

  package init(
    steps: [RolloutStep],
    gates: RolloutGates = RolloutGates(),
    nodeTimeoutMS: Int64 = RolloutStrategy.defaultNodeTimeoutMS
  ) {
    self.steps = steps
    self.gates = gates
    self.nodeTimeoutMS = nodeTimeoutMS
  }

  /// All that is wrong with it, each with what to do.
  package var problems: [String] {
    var found: [String] = []
    if steps.isEmpty { found.append("there are no steps; write at least one, e.g. 10% for 10m") }
    if steps.count > Self.stepLimit {
      found.append("there are \(steps.count) steps; at most \(Self.stepLimit) are taken")
    }
    for (index, step) in steps.enumerated() {
      let name = "step \(index + 1)"
      if !(1 ... Cohort.size).contains(step.basisPoints) {
        found.append("\(name): the part must be 0.01% to 100%")
      }
      if let hold = step.holdMS, !(0 ... Self.longestMS).contains(hold) {
        found.append("\(name): the hold must be 0 to 366 days")
      }
      let words =
        Array(step.audience.regions) + step.audience.labels.flatMap { [$0.key, $0.value] }
      if step.audience.regions.count > 64 || step.audience.labels.count > 64
        || words.contains(where: { $0.isEmpty || $0.utf8.count > 64 })
      {
        found.append("\(name): regions and labels are at most 64, of 1 to 64 bytes")
      }
      guard index > 0 else { continue }
      let before = steps[index - 1]
      if step.basisPoints < before.basisPoints {
        found.append(
          "\(name) is for fewer people than the step before; whoever has the candidate keeps it, so let the parts rise"
        )
      }
      if !step.audience.covers(before.audience) {
        found.append(
          "\(name) leaves out nodes of the step before; whoever has the candidate keeps it, so name their regions and labels too"
        )
      }
    }
    let limits = [
      gates.maxMoreErrors, gates.maxMoreBlocks, gates.maxMoreLatency, gates.maxMoreCost,
    ]
    if limits.contains(where: { $0 != nil }), gates.minTurns < 1 {
      found.append("gates need min_turns, from 1: so many turns of both arms are compared")
    }
    if gates.minTurns > 0, limits.allSatisfy({ $0 == nil }) {
      found.append("min_turns alone compares nothing; set errors, blocks, latency or cost")
    }
    if limits.contains(where: { !(0 ... 1_000_000).contains($0 ?? 0) })
      || !(0 ... 1_000_000_000).contains(gates.minTurns)
    {
      found.append("a gate's limit must be 0% to 10000%, its min_turns at most 1000000000")
    }
    if !(0 ... Self.longestMS).contains(gates.timeoutMS) {
      found.append("the gates' timeout must be 0 to 366 days")
    }
    if !(1_000 ... Self.longestMS).contains(nodeTimeoutMS) {
      found.append("node_timeout must be 1 s to 366 days")
    }
    return found
  }
}

/// Where a rollout stands.
package enum RolloutState: String, Hashable, Sendable, Codable, CaseIterable {
  case running
  case paused
  case promoted
  case rolledBack = "rolled_back"
  case aborted

  package var isActive: Bool { self == .running || self == .paused }
}

/// A rollout that is to begin.
package struct RolloutDraft: Hashable, Sendable {
  package var id: RolloutID
  package var tenant: String
  package var name: String
  package var strategy: RolloutStrategy
  /// The tiers as they are now.
  package var baseline: [StoredObject]

  package init(
    id: RolloutID,
    tenant: String,
    name: String,
    strategy: RolloutStrategy,
    baseline: [StoredObject]
  ) {
    self.id = id
    self.tenant = tenant
    self.name = name
    self.strategy = strategy
    self.baseline = baseline
  }
}
