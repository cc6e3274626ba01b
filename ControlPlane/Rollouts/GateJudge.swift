package import Domain
internal import Foundation
package import Store

/// Where the figures of a rollout's arms come from.
package protocol GateSource: Sendable {
  /// What both arms came to since the rollout began.
  func figures(
    of rollout: RolloutRecord
  ) async throws -> (baseline: ArmFigures, candidate: ArmFigures)
}

/// The turns, model calls and violations that nodes have sent in.
package struct LedgerGateSource: GateSource {
  private let store: Store

  package init(store: Store) { self.store = store }

  package func figures(
    of rollout: RolloutRecord
  ) async throws -> (baseline: ArmFigures, candidate: ArmFigures) {
    try await store.armFigures(of: rollout)
  }
}

/// Compares the arms of a rollout.
package enum GateJudge {
  /// Without enough turns of both arms nothing is judged.
  package static func judge(
    baseline: ArmFigures,
    candidate: ArmFigures,
    by gates: RolloutGates
  ) -> GateReport {
    var report = GateReport(baseline: baseline, candidate: candidate, results: [])
    guard gates.minTurns > 0, min(baseline.turns, candidate.turns) >= gates.minTurns else {
      return report
    }
    func part(_ count: Int64, _ arm: ArmFigures) -> Double { Double(count) / Double(arm.turns) }
    func add(_ gate: String, _ old: Double, _ new: Double, limit: Double) {
      report.results.append(
        GateReport.Result(
          gate: gate,
          baseline: old,
          candidate: new,
          limit: limit,
          // Figures are sums of whole numbers: what is equal must not fail by a rounding.
          passed: new <= limit * (1 + 1e-9) + 1e-12
        )
      )
    }
    if let more = gates.maxMoreErrors {
      let old = part(baseline.errors, baseline)
      add("errors", old, part(candidate.errors, candidate), limit: old + Double(more) / 10_000)
    }
    if let more = gates.maxMoreBlocks {
      let old = part(baseline.blocks, baseline)
      add("blocks", old, part(candidate.blocks, candidate), limit: old + Double(more) / 10_000)
    }
    if let more = gates.maxMoreLatency {
      let old = part(baseline.latencyMS, baseline)
      add(
        "latency",
        old,
        part(candidate.latencyMS, candidate),
        limit: old * (1 + Double(more) / 10_000)
      )
    }
    if let more = gates.maxMoreCost {
      let old = part(baseline.costPicoUSD, baseline)
      add(
        "cost",
        old,
        part(candidate.costPicoUSD, candidate),
        limit: old * (1 + Double(more) / 10_000)
      )
    }
    return report
  }

  /// A figure for people.
  package static func text(_ value: Double, of gate: String) -> String {
    switch gate {
    case "errors", "blocks": String(format: "%.2f%%", value * 100)
    case "latency": String(format: "%.0f ms", value)
    case "cost": String(format: "%.6f USD", value / 1e12)
    default: String(format: "%.4f", value)
    }
  }
}
