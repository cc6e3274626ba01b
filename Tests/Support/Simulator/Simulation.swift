import Changelog
import Domain
import Foundation

/// One run of control planes and nodes under one seed: the very types that daemon and node construct, on
/// a clock, a network and disks that this run owns.
package final class Simulation {
  /// What a run came to.
  package struct Outcome: Sendable {
    package var seed: UInt64
    package var steps = 0
    package var faults: [String: Int] = [:]
    package var violation: Violation?
    package var trace: [String] = []
  }

  static let lease: Int64 = 2_000_000
  /// Clocks run at most so much apart from true time; a lease is surely out only after this much more.
  static let drift = 0.04
  static let leaseTolerance = 0.1
  /// Instants of all clocks are counted from here.
  static let epoch = ContinuousClock.now

  let plan: Plan
  var random: SeededGenerator
  var now: Int64 = 0
  var lines: [StoreLine]
  private var names: [UUID: (line: Int, tenants: Set<TenantID>?)] = [:]
  var replicas: [Replica] = []
  var nodes: [Node] = []
  var checker = Checker()
  var isCalm = false
  private let isTraced: Bool
  private var timeline = Timeline()
  private var outcome: Outcome
  private var links = 0

  package init(seed: UInt64, isTraced: Bool = false) {
    random = SeededGenerator(seed: seed)
    plan = Plan(&random)
    self.isTraced = isTraced
    outcome = Outcome(seed: seed)
    lines = []
    add(StoreLine(incarnation: Catalogue.uuid(9, 0, 0)))
  }

  func add(_ line: StoreLine) {
    lines.append(line)
    for tenants in Node.filters {
      let scope = WatchScope(mode: .eager, tenants: tenants)
      names[scope.incarnation(of: line.incarnation)] = (lines.count - 1, tenants)
    }
  }

  /// The line that a scope's name for a store means, and the tenants of the scope.
  func meaning(of incarnation: UUID?) -> (line: StoreLine, tenants: Set<TenantID>?)? {
    incarnation.flatMap { names[$0] }.map { (lines[$0.line], $0.tenants) }
  }

  var line: StoreLine { lines[lines.count - 1] }

  // MARK: - Running

  package func run() -> Outcome {
    do {
      try play()
    } catch let violation as Violation {
      trace { "VIOLATION \(violation)" }
      outcome.violation = violation
    } catch {
      trace { "FAULT \(error)" }
      outcome.violation = Violation(rule: .order, what: "a fault: \(error)")
    }
    return outcome
  }

  private func play() throws {
    trace { "\(plan)" }
    WorldActions.start(self)
    for number in 0 ..< plan.replicas {
      replicas.append(Replica(number, drift: drift(), self))
    }
    for replica in replicas { replica.start(self) }
    for number in 0 ..< plan.nodes {
      let node = Node(number, drift: drift(), self)
      nodes.append(node)
      try node.boot(self)
    }
    WorldActions.plan(self)
    Chaos.plan(self)
    after(plan.duration) { sim in
      sim.isCalm = true
      sim.trace { "calm from here on" }
      try Chaos.heal(sim)
    }
    while let (time, body) = timeline.next(), time <= plan.duration + Plan.calm {
      now = time
      outcome.steps += 1
      try body(self)
    }
    try checker.converged(self)
  }

  func after(_ delay: Int64, _ body: @escaping (Simulation) throws -> Void) {
    timeline.plan(at: now + max(0, delay), body)
  }

  // MARK: - Chance

  func number(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &random) }

  func chance(_ probability: Double) -> Bool { random.chance(probability) }

  /// How long a message is on its way.
  func delay() -> Int64 {
    if isCalm { return number(0 ... 5_000) }
    // Mostly quick, now and then slow.
    return chance(0.1) ? number(0 ... plan.delay * 3) : number(0 ... plan.delay)
  }

  private func drift() -> Double {
    Double.random(in: -Self.drift ... Self.drift, using: &random)
  }

  func link() -> Int {
    links += 1
    return links
  }

  // MARK: - Telling

  func injected(_ fault: String) { outcome.faults[fault, default: 0] += 1 }

  func trace(_ line: () -> String) {
    guard isTraced else { return }
    let seconds = Double(now) / 1_000_000
    outcome.trace.append(String(format: "%10.6f  ", seconds) + line())
  }
}

extension Double {
  /// An instant of a clock that is so much faster than true time, at a true time in µs.
  func instant(at now: Int64) -> ContinuousClock.Instant {
    Simulation.epoch + .microseconds(Int64(Double(now) * (1 + self)))
  }
}
