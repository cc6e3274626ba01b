/// How rough a run is; drawn from its seed, so that some runs are calm and others are not.
package struct Plan: Sendable {
  package var replicas: Int
  package var nodes: Int
  package var duration: Int64
  package var commitInterval: Int64
  package var delay: Int64
  package var chunkBytes: Int
  package var logKeys: Int
  /// Per node and second of run.
  package var disconnects: Double
  package var crashes: Double
  package var stalls: Double
  /// Per replica and second of run.
  package var restarts: Double
  package var partitions: Double
  package var writeFailures: Double
  package var poison: Double
  package var restores: Double
  package var window: Int

  static let second: Int64 = 1_000_000
  /// How long all is left alone at the end, so that all must converge.
  static let calm: Int64 = 10 * second

  package init(_ random: inout SeededGenerator) {
    func pick<Value>(_ values: [Value]) -> Value {
      values[Int.random(in: 0 ..< values.count, using: &random)]
    }
    replicas = pick([1, 2, 2, 3])
    nodes = pick([1, 2, 3])
    duration = pick([2, 4, 7]) * Self.second
    commitInterval = pick([60, 200, 600]) * 1000
    delay = pick([1, 20, 150, 400]) * 1000
    chunkBytes = pick([1, 400, 3000, 256 * 1024])
    logKeys = pick([12, 60, 10_000, 10_000])
    disconnects = pick([0, 0.1, 0.5])
    crashes = pick([0, 0.1, 0.3])
    stalls = pick([0, 0.1, 0.3])
    restarts = pick([0, 0.05, 0.2])
    partitions = pick([0, 0.1, 0.3])
    writeFailures = pick([0, 0, 0.05, 0.3])
    poison = pick([0, 0.1, 0.3])
    restores = pick([0, 0, 0, 0.15])
    window = pick([1, 2, 8])
  }
}
