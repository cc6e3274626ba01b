package import Domain
package import Store

/// Decides what a rollout does next, from what is known of it. A function without I/O or memory: all
/// that it knows is stored, so that any replica decides alike, also after a crash.
package enum RolloutMachine {
  /// What is known of a rollout at one moment.
  package struct Sight: Sendable {
    package var strategy: RolloutStrategy
    package var state: RolloutState
    package var step: Int
    /// How long the step has been held, pauses left out.
    package var heldMS: Int64
    /// That brought the step.
    package var revision: Revision
    /// That were given the candidate by now.
    package var nodes: [RolloutRecord.Node]
    /// Nil when it has no gates, or nobody looked.
    package var report: GateReport?

    package init(
      strategy: RolloutStrategy,
      state: RolloutState = .running,
      step: Int = 0,
      heldMS: Int64 = 0,
      revision: Revision,
      nodes: [RolloutRecord.Node] = [],
      report: GateReport? = nil
    ) {
      self.strategy = strategy
      self.state = state
      self.step = step
      self.heldMS = heldMS
      self.revision = revision
      self.nodes = nodes
      self.report = report
    }

    package init(
      _ rollout: RolloutRecord,
      nodes: [RolloutRecord.Node],
      report: GateReport?
    ) {
      self.init(
        strategy: rollout.strategy,
        state: rollout.state,
        step: rollout.step,
        heldMS: rollout.heldMS,
        revision: rollout.revision,
        nodes: nodes,
        report: report
      )
    }
  }

  package enum Decision: Hashable, Sendable {
    /// Nothing to do yet; why, in words.
    case wait(String)
    case change(RolloutChange)
  }

  /// The code of a rollout that is taken back because it waited too long for turns.
  package static let tooFewTurns = "GATE_TIMEOUT"

  /// By then every replica has told what it knows of its nodes, in ms.
  package static let newsMS: Int64 = 10_000

  package static func decide(_ sight: Sight) -> Decision {
    guard sight.state.isActive else { return .wait("") }
    // Protection goes on during a pause, and comes before everything else.
    if let rejected = sight.nodes.first(where: { $0.rejection != nil }),
      let rejection = rejected.rejection
    {
      return .change(
        .rollBack(
          code: "NODE_REJECTED",
          message: "node \(rejected.nodeID) refused it: \(rejection.code) \(rejection.message)"
        )
      )
    }
    if let failure = failedGate(sight.report) {
      return .change(.rollBack(code: "GATE_FAILED", message: failure))
    }
    if sight.state == .paused { return .wait("somebody to resume it") }
    // One that was heard of just now may not have been asked about this step yet.
    let unconfirmed = sight.nodes.filter {
      $0.revision < sight.revision && ($0.unconfirmedMS != nil || $0.silentMS < newsMS)
    }
    let lost = unconfirmed.first { $0.unconfirmedMS ?? 0 > sight.strategy.nodeTimeoutMS }
    if let lost {
      return .change(
        .rollBack(
          code: "NODE_LOST",
          message:
            "node \(lost.nodeID) did not confirm step \(sight.step + 1) within \(span(sight.strategy.nodeTimeoutMS))"
        )
      )
    }
    let step = sight.strategy.steps[sight.step]
    guard let hold = step.holdMS else { return .wait("somebody to promote it") }
    if sight.heldMS < hold { return .wait("the hold of \(span(hold))") }
    if let node = unconfirmed.first {
      let more = unconfirmed.count > 1 ? " and \(unconfirmed.count - 1) more" : ""
      return .wait("node \(node.nodeID)\(more) to confirm the step")
    }
    let gates = sight.strategy.gates
    if gates.minTurns > 0 {
      let turns = min(sight.report?.baseline.turns ?? 0, sight.report?.candidate.turns ?? 0)
      if turns < gates.minTurns {
        return waitForTurns(sight, hold: hold, turns: turns)
      }
    }
    let next = sight.step + 1
    return .change(sight.strategy.steps.indices.contains(next) ? .advance(next) : .promote)
  }

  private static func waitForTurns(_ sight: Sight, hold: Int64, turns: Int64) -> Decision {
    let gates = sight.strategy.gates
    guard gates.timeoutMS > 0, sight.heldMS - hold >= gates.timeoutMS else {
      return .wait("\(gates.minTurns) turns of both arms (\(turns) so far)")
    }
    switch gates.onTimeout {
    case .pause: return .change(.pause)
    case .rollback:
      return .change(
        .rollBack(
          code: tooFewTurns,
          message:
            "only \(turns) of \(gates.minTurns) turns of both arms within \(span(gates.timeoutMS)) past the hold"
        )
      )
    }
  }

  private static func failedGate(_ report: GateReport?) -> String? {
    guard let report else { return nil }
    let failed = report.results.filter { !$0.passed }
    if failed.isEmpty { return nil }
    let told = failed.map {
      "\($0.gate) \(GateJudge.text($0.candidate, of: $0.gate)), at most \(GateJudge.text($0.limit, of: $0.gate)) beside a baseline of \(GateJudge.text($0.baseline, of: $0.gate))"
    }
    return told.joined(separator: "; ")
      + " (\(report.candidate.turns) turns against \(report.baseline.turns))"
  }

  /// For people: "90s", "10m", "2h".
  package static func span(_ milliseconds: Int64) -> String {
    switch milliseconds {
    case 0: "0s"
    case let ms where ms % 3_600_000 == 0: "\(ms / 3_600_000)h"
    case let ms where ms % 60_000 == 0: "\(ms / 60_000)m"
    case let ms where ms % 1_000 == 0: "\(ms / 1_000)s"
    default: "\(milliseconds)ms"
    }
  }
}
