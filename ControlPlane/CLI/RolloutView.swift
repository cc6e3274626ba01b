internal import Domain
internal import Foundation
internal import Wire

/// A rollout as people read it: where it stands, in one line, and what belongs to it.
struct RolloutView {
  private let rollout: Bindery_V1_Rollout

  init(_ rollout: Bindery_V1_Rollout) { self.rollout = rollout }

  private var name: String { "\(rollout.tenant)/\(rollout.name)" }

  private var current: Bindery_V1_RolloutStep? {
    let steps = rollout.strategy.steps
    return steps.indices.contains(Int(rollout.step)) ? steps[Int(rollout.step)] : nil
  }

  /// How it stands, in one line.
  var headline: String {
    switch rollout.state {
    case "promoted": return "\(name) is promoted: everybody has it, revision \(rollout.revision)"
    case "rolled_back":
      return
        "\(name) was rolled back, revision \(rollout.revision): \(rollout.endCode), \(rollout.endMessage)"
    case "aborted":
      let why = rollout.endMessage.isEmpty ? "" : ": \(rollout.endMessage)"
      return "\(name) was aborted, revision \(rollout.revision)\(why)"
    default:
      let step = current.map { "\(Self.percent($0.basisPoints)) of people \(Self.place($0))" } ?? ""
      let waiting = rollout.waiting.isEmpty ? "" : ", waits for \(rollout.waiting)"
      return
        "\(name) is \(rollout.state) in step \(rollout.step + 1) of \(rollout.strategy.steps.count): \(step)\(waiting)"
    }
  }

  /// Of `rollout list`.
  var row: [String] {
    let isActive = rollout.endedAtMs == 0
    let share =
      switch rollout.state {
      case "promoted": "100%"
      case "rolled_back", "aborted": "0%"
      default: current.map { Self.percent($0.basisPoints) } ?? ""
      }
    return [
      name, rollout.state, "\(rollout.step + 1)/\(rollout.strategy.steps.count)", share,
      String(rollout.bindingCount), Self.time(rollout.createdAtMs), rollout.author,
      isActive || rollout.endCode == "PROMOTED"
        ? rollout.reason : "\(rollout.endCode) \(rollout.endMessage)",
    ]
  }

  func print() {
    Terminal.print(headline)
    for object in rollout.objects {
      Terminal.print(
        "  \(object.kind) \(object.slug): version \(object.baselineVersion) -> \(object.candidateVersion)"
      )
    }
    Terminal.print("")
    let isActive = rollout.endedAtMs == 0
    let steps = Self.steps(
      rollout.strategy,
      current: isActive ? Int(rollout.step) : nil,
      heldMS: rollout.heldMs,
      done: rollout.state == "promoted" ? rollout.strategy.steps.count : Int(rollout.step)
    )
    for line in steps.lines { Terminal.print(line) }
    printBindings()
    printNodes()
    printGates()
  }

  private func printBindings() {
    guard !rollout.bindings.isEmpty else { return }
    var table = Table([("BINDING", .left), ("BASELINE", .left), ("CANDIDATE", .left)])
    for binding in rollout.bindings.prefix(10) {
      table.add([
        binding.slug, String(binding.baselineDigest.prefix(12)),
        String(binding.candidateDigest.prefix(12)),
      ])
    }
    Terminal.print("")
    for line in table.lines { Terminal.print(line) }
    let more = Int(rollout.bindingCount) - min(10, rollout.bindings.count)
    if more > 0 { Terminal.print("and \(more) more") }
  }

  private func printNodes() {
    guard !rollout.nodes.isEmpty else { return }
    var table = Table([("NODE", .left), ("REGION", .left), ("STEP", .left), ("SEEN", .right)])
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    for node in rollout.nodes {
      let state =
        !node.rejectedCode.isEmpty
        ? "refused: \(node.rejectedCode) \(node.rejectedMessage)"
        : node.confirmed ? "confirmed" : "not confirmed"
      table.add([
        node.nodeID, node.region, state, "\(max(0, now - node.lastSeenMs) / 1000) s",
      ])
    }
    Terminal.print("")
    for line in table.lines { Terminal.print(line) }
  }

  private func printGates() {
    let gates = rollout.strategy.gates
    guard gates.minTurns > 0 else { return }
    Terminal.print("")
    Terminal.print(
      "Turns: \(rollout.candidateTurns) of the candidate, \(rollout.baselineTurns) of the baseline; \(gates.minTurns) of both are needed"
    )
    guard !rollout.gateResults.isEmpty else { return }
    var table = Table([
      ("GATE", .left), ("BASELINE", .right), ("CANDIDATE", .right), ("AT MOST", .right),
      ("", .left),
    ])
    for result in rollout.gateResults {
      func text(_ value: Double) -> String { Self.figure(value, of: result.gate) }
      table.add([
        result.gate, text(result.baseline), text(result.candidate), text(result.limit),
        result.passed ? "passed" : "failed",
      ])
    }
    for line in table.lines { Terminal.print(line) }
  }

  /// - Parameters:
  ///   - current: From 0; nil when it is in none.
  ///   - done: So many steps are behind.
  static func steps(
    _ strategy: Bindery_V1_RolloutStrategy,
    current: Int?,
    heldMS: Int64,
    done: Int = 0
  ) -> Table {
    var table = Table([
      ("", .left), ("STEP", .right), ("PEOPLE", .right), ("WHERE", .left), ("HOLD", .left),
    ])
    for (index, step) in strategy.steps.enumerated() {
      let sign = index == current ? ">" : index < done ? "x" : ""
      var hold = step.holdUntilPromoted ? "until promoted" : span(step.holdMs)
      if index == current, !step.holdUntilPromoted, step.holdMs > 0 {
        hold = "\(bar(heldMS, of: step.holdMs)) \(rounded(heldMS)) of \(span(step.holdMs))"
      }
      table.add([sign, String(index + 1), percent(step.basisPoints), place(step), hold])
    }
    return table
  }

  private static func bar(_ part: Int64, of whole: Int64) -> String {
    let filled = min(10, Int(10 * Double(part) / Double(max(1, whole))))
    return "[" + String(repeating: "#", count: filled)
      + String(repeating: ".", count: 10 - filled) + "]"
  }

  private static func place(_ step: Bindery_V1_RolloutStep) -> String {
    var parts: [String] = []
    if !step.regions.isEmpty { parts.append("in \(step.regions.joined(separator: ", "))") }
    let labels = step.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    if !labels.isEmpty { parts.append("where \(labels.joined(separator: ", "))") }
    return parts.isEmpty ? "everywhere" : parts.joined(separator: " ")
  }

  private static func percent(_ basisPoints: UInt32) -> String {
    let (whole, rest) = basisPoints.quotientAndRemainder(dividingBy: 100)
    if rest == 0 { return "\(whole)%" }
    return rest % 10 == 0 ? "\(whole).\(rest / 10)%" : "\(whole).\(rest < 10 ? "0" : "")\(rest)%"
  }

  private static func span(_ milliseconds: Int64) -> String {
    switch milliseconds {
    case 0: "none"
    case let ms where ms % 3_600_000 == 0: "\(ms / 3_600_000)h"
    case let ms where ms % 60_000 == 0: "\(ms / 60_000)m"
    case let ms where ms % 1_000 == 0: "\(ms / 1_000)s"
    default: "\(milliseconds)ms"
    }
  }

  /// To the second.
  private static func rounded(_ milliseconds: Int64) -> String {
    let seconds = milliseconds / 1000
    if seconds < 60 { return "\(seconds)s" }
    if seconds < 3600 { return "\(seconds / 60)m \(seconds % 60)s" }
    return "\(seconds / 3600)h \(seconds % 3600 / 60)m"
  }

  private static func figure(_ value: Double, of gate: String) -> String {
    switch gate {
    case "errors", "blocks": String(format: "%.2f%%", value * 100)
    case "latency": String(format: "%.0f ms", value)
    case "cost": String(format: "%.6f USD", value / 1e12)
    default: String(format: "%.4f", value)
    }
  }

  static func time(_ milliseconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(milliseconds) / 1000).formatted(.iso8601)
  }
}

extension Bindery_V1_Rollout {
  var json: JSONValue {
    var members: [String: JSONValue] = [
      "id": .string(RolloutID(bytes: id)?.description ?? ""),
      "tenant": .string(tenant), "name": .string(name), "state": .string(state),
      "step": .int(Int64(step) + 1), "revision": .int(revision), "held_ms": .int(heldMs),
      "created_at_ms": .int(createdAtMs), "author": .string(author), "reason": .string(reason),
      "waiting": .string(waiting), "binding_count": .int(Int64(bindingCount)),
      "node_timeout_ms": .int(strategy.nodeTimeoutMs),
      "steps": .array(strategy.steps.map(\.json)),
      "objects": .array(
        objects.map {
          [
            "kind": .string($0.kind), "slug": .string($0.slug),
            "baseline_version": .int(Int64($0.baselineVersion)),
            "candidate_version": .int(Int64($0.candidateVersion)),
          ]
        }
      ),
      "bindings": .array(
        bindings.map {
          [
            "binding": .string($0.slug), "baseline": .string($0.baselineDigest),
            "candidate": .string($0.candidateDigest),
          ]
        }
      ),
      "nodes": .array(nodes.map(\.json)),
    ]
    if endedAtMs > 0 {
      members["ended_at_ms"] = .int(endedAtMs)
      members["end_code"] = .string(endCode)
      members["end_message"] = .string(endMessage)
    }
    if strategy.gates.minTurns > 0 {
      members["gates"] = [
        "min_turns": .int(strategy.gates.minTurns), "baseline_turns": .int(baselineTurns),
        "candidate_turns": .int(candidateTurns),
        "results": .array(
          gateResults.map {
            [
              "gate": .string($0.gate), "baseline": .double($0.baseline),
              "candidate": .double($0.candidate), "limit": .double($0.limit),
              "passed": .bool($0.passed),
            ]
          }
        ),
      ]
    }
    return .object(members)
  }
}

extension Bindery_V1_RolloutStep {
  var json: JSONValue {
    [
      "percent": .double(Double(basisPoints) / 100), "regions": .array(regions.map { .string($0) }),
      "labels": .object(labels.mapValues { .string($0) }),
      "hold_ms": holdUntilPromoted ? .null : .int(holdMs),
    ]
  }
}

extension Bindery_V1_RolloutNode {
  var json: JSONValue {
    var members: [String: JSONValue] = [
      "node": .string(nodeID), "region": .string(region), "revision": .int(revision),
      "confirmed": .bool(confirmed), "last_seen_ms": .int(lastSeenMs),
    ]
    if !rejectedCode.isEmpty {
      members["rejected"] = ["code": .string(rejectedCode), "message": .string(rejectedMessage)]
    }
    return .object(members)
  }
}
