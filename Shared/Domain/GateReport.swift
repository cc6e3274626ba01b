/// What the turns of one arm came to.
package struct ArmFigures: Hashable, Sendable, Codable {
  package var turns: Int64
  /// Turns that failed or were given up.
  package var errors: Int64
  /// Turns that guardrails blocked.
  package var blocks: Int64
  /// Of all model calls together, in ms.
  package var latencyMS: Int64
  /// Of all model calls together.
  package var costPicoUSD: Int64

  package init(
    turns: Int64 = 0,
    errors: Int64 = 0,
    blocks: Int64 = 0,
    latencyMS: Int64 = 0,
    costPicoUSD: Int64 = 0
  ) {
    self.turns = turns
    self.errors = errors
    self.blocks = blocks
    self.latencyMS = latencyMS
    self.costPicoUSD = costPicoUSD
  }
}

/// One look at a rollout's gates.
package struct GateReport: Hashable, Sendable, Codable {
  package struct Result: Hashable, Sendable, Codable {
    /// "errors", "blocks", "latency" or "cost".
    package var gate: String
    /// A part of the turns, or ms or pico-USD a turn.
    package var baseline: Double
    package var candidate: Double
    /// The highest that the candidate may have.
    package var limit: Double
    package var passed: Bool

    package init(
      gate: String,
      baseline: Double,
      candidate: Double,
      limit: Double,
      passed: Bool
    ) {
      self.gate = gate
      self.baseline = baseline
      self.candidate = candidate
      self.limit = limit
      self.passed = passed
    }
  }

  package var baseline: ArmFigures
  package var candidate: ArmFigures
  /// None while there are too few turns.
  package var results: [Result]

  package init(baseline: ArmFigures, candidate: ArmFigures, results: [Result]) {
    self.baseline = baseline
    self.candidate = candidate
    self.results = results
  }
}
