import Simulator
import Support

/// What happens to a fleet around a pause, drawn by a seed. Times count from the moment at which the
/// pause is asked for.
struct PartitionPlan: Sendable {
  struct Fault: Sendable {
    var name: String
    var condition: LinkProxy.Condition
    var at: Duration
  }

  struct Crash: Sendable {
    var at: Duration
    /// From then on it runs again.
    var backAt: Duration
  }

  /// For each node; nil for one that is left alone.
  var faults: [Fault?] = []
  var crashes: [Crash?] = []
  /// Between the second control plane and the database.
  var database: Fault?
  /// In ms: how slow the model and the tools are.
  var modelSlowness: Int
  var toolSlowness: Int
  /// Sends that fail, from half a second before the pause on, so that they are tried again.
  var failingSends: Int

  init(seed: UInt64, nodes: Int) {
    var random = SeededGenerator(seed: seed)
    modelSlowness = [0, 300, 900].randomElement(using: &random) ?? 0
    toolSlowness = [0, 200, 700].randomElement(using: &random) ?? 0
    failingSends = [0, 20, 60].randomElement(using: &random) ?? 0
    for index in 0 ..< nodes {
      let isAlone = Int.random(in: 0 ..< 8, using: &random) == 0
      let fault = Self.fault(isAlert: PartitionWorld.isAlert(index), &random)
      faults.append(isAlone ? nil : fault)
      let crashAt = Self.milliseconds(-300 ... 2000, &random)
      let crash = Crash(
        at: crashAt,
        backAt: crashAt + Self.milliseconds(50 ... 900, &random)
      )
      crashes.append(Int.random(in: 0 ..< 3, using: &random) == 0 ? crash : nil)
    }
    switch Int.random(in: 0 ..< 3, using: &random) {
    case 0:
      database = Fault(
        name: "database frozen",
        condition: .init(up: .frozen, down: .frozen),
        at: Self.milliseconds(-1200 ... 300, &random)
      )
    case 1:
      database = Fault(
        name: "database cut",
        condition: .init(isCut: true),
        at: Self.milliseconds(-1200 ... 300, &random)
      )
    default: break
    }
  }

  private static func fault(isAlert: Bool, _ random: inout SeededGenerator) -> Fault {
    let late = milliseconds(150 ... 2500, &random)
    var all: [(String, LinkProxy.Condition)] = [
      ("frozen", .init(up: .frozen, down: .frozen)),
      ("frozen up", .init(up: .frozen)),
      ("frozen down", .init(down: .frozen)),
      ("cut", .init(isCut: true)),
      ("late down", .init(downDelay: late)),
      ("late", .init(upDelay: late / 2, downDelay: late / 2)),
    ]
    if isAlert {
      all += [
        ("lost", .init(up: .lost, down: .lost)), ("lost up", .init(up: .lost)),
        ("lost down", .init(down: .lost)),
      ]
    }
    let chosen = all[Int.random(in: 0 ..< all.count, using: &random)]
    return Fault(
      name: chosen.0,
      condition: chosen.1,
      at: milliseconds(-1500 ... 700, &random)
    )
  }

  private static func milliseconds(
    _ range: ClosedRange<Int>,
    _ random: inout SeededGenerator
  ) -> Duration {
    .milliseconds(Int.random(in: range, using: &random))
  }

  /// One line for a person.
  var told: String {
    var parts = [
      "model +\(modelSlowness) ms", "tools +\(toolSlowness) ms", "\(failingSends) failing sends",
    ]
    func at(_ time: Duration) -> String { "\(Int(time / .milliseconds(1))) ms" }
    for (index, fault) in faults.enumerated() {
      var text = "node-\(index + 1) "
      text += fault.map { "\($0.name) at \(at($0.at))" } ?? "well"
      if let crash = crashes[index] {
        text += ", killed at \(at(crash.at)), back at \(at(crash.backAt))"
      }
      parts.append(text)
    }
    if let database { parts.append("\(database.name) at \(at(database.at))") }
    return parts.joined(separator: "; ")
  }
}
