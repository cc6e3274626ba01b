import Domain
import Foundation
import Rollouts
import Store
import Testing

@Suite struct `What a rollout does next` {
  private typealias Sight = RolloutMachine.Sight

  private func strategy(_ holds: Int64?..., gates: RolloutGates = RolloutGates()) -> RolloutStrategy
  {
    RolloutStrategy(
      steps: holds.enumerated().map { index, hold in
        RolloutStep(basisPoints: 1_000 * (index + 1), holdMS: hold)
      },
      gates: gates,
      nodeTimeoutMS: 30_000
    )
  }

  private func node(
    _ name: String = "n1",
    at revision: Int64 = 5,
    unconfirmedMS: Int64? = nil,
    refused: String? = nil
  ) -> RolloutRecord.Node {
    RolloutRecord.Node(
      nodeID: name,
      revision: Revision(revision),
      silentMS: 0,
      unconfirmedMS: unconfirmedMS,
      rejection: refused.map { .init(code: $0, message: "no agent at /") }
    )
  }

  private func waits(_ sight: Sight) -> String? {
    if case .wait(let why) = RolloutMachine.decide(sight) { why } else { nil }
  }

  private func changes(_ sight: Sight) -> RolloutChange? {
    if case .change(let change) = RolloutMachine.decide(sight) { change } else { nil }
  }

  private func code(_ sight: Sight) -> String? {
    if case .rollBack(let code, _) = changes(sight) { code } else { nil }
  }

  @Test func `holds, goes on, and is promoted after the last step`() {
    var sight = Sight(strategy: strategy(10_000, 5_000), heldMS: 9_999, revision: Revision(5))
    #expect(waits(sight) == "the hold of 10s")
    sight.heldMS = 10_000
    #expect(changes(sight) == .advance(1))
    sight.step = 1
    sight.heldMS = 4_999
    #expect(waits(sight) != nil)
    sight.heldMS = 5_000
    #expect(changes(sight) == .promote)
  }

  @Test func `waits for somebody when a step says so, and while it is paused`() {
    var sight = Sight(strategy: strategy(nil), heldMS: .max / 2, revision: Revision(5))
    #expect(waits(sight) == "somebody to promote it")
    sight = Sight(strategy: strategy(0), state: .paused, heldMS: 1, revision: Revision(5))
    #expect(waits(sight) == "somebody to resume it")
  }

  @Test func `waits for every node that was given the step, and takes it back from a silent one`() {
    var sight = Sight(strategy: strategy(1_000, 0), heldMS: 2_000, revision: Revision(6))
    sight.nodes = [node(at: 6), node("n2", at: 5, unconfirmedMS: 2_000)]
    #expect(waits(sight) == "node n2 to confirm the step")
    // Another replica may not have told of it yet.
    sight.nodes[1].unconfirmedMS = nil
    #expect(waits(sight) == "node n2 to confirm the step")
    sight.nodes[1].unconfirmedMS = 30_001
    #expect(code(sight) == "NODE_LOST")
    // It had confirmed what it was given and left before the step.
    sight.nodes[1].unconfirmedMS = nil
    sight.nodes[1].silentMS = RolloutMachine.newsMS
    #expect(changes(sight) == .advance(1))
  }

  @Test func `is taken back when a node refuses it, even while it is paused`() {
    for state in [RolloutState.running, .paused] {
      let sight = Sight(
        strategy: strategy(nil),
        state: state,
        revision: Revision(5),
        nodes: [node(), node("n2", refused: "UNDECODABLE")]
      )
      guard case .rollBack("NODE_REJECTED", let message) = changes(sight) else {
        Issue.record("not taken back")
        continue
      }
      #expect(message == "node n2 refused it: UNDECODABLE no agent at /")
    }
  }

  @Test func `does nothing more once it has ended`() {
    for state in RolloutState.allCases where !state.isActive {
      let sight = Sight(
        strategy: strategy(0),
        state: state,
        heldMS: 100,
        revision: Revision(5),
        nodes: [node(refused: "X")]
      )
      #expect(waits(sight) == "")
    }
  }

  @Test func `too few turns hold it on, until the time for them is over`() {
    var gates = RolloutGates()
    gates.minTurns = 10
    gates.maxMoreErrors = 100
    var sight = Sight(strategy: strategy(1_000, gates: gates), heldMS: 1_000, revision: Revision(5))
    #expect(waits(sight) == "10 turns of both arms (0 so far)")
    sight.heldMS = .max / 2
    #expect(waits(sight) != nil)
    sight.strategy.gates.timeoutMS = 500
    sight.heldMS = 1_499
    #expect(waits(sight) != nil)
    sight.heldMS = 1_500
    #expect(changes(sight) == .pause)
    sight.strategy.gates.onTimeout = .rollback
    #expect(code(sight) == "GATE_TIMEOUT")
  }

  @Test func `a gate that fails takes it back at once, one that passes lets it go on`() {
    var gates = RolloutGates()
    gates.minTurns = 10
    gates.maxMoreErrors = 100
    let good = ArmFigures(turns: 100, errors: 1)
    func sight(_ candidate: ArmFigures, heldMS: Int64) -> Sight {
      Sight(
        strategy: strategy(1_000, gates: gates),
        heldMS: heldMS,
        revision: Revision(5),
        report: GateJudge.judge(baseline: good, candidate: candidate, by: gates)
      )
    }
    #expect(changes(sight(ArmFigures(turns: 100, errors: 2), heldMS: 1_000)) == .promote)
    let failing = sight(ArmFigures(turns: 100, errors: 3), heldMS: 10)
    guard case .rollBack("GATE_FAILED", let message) = changes(failing) else {
      Issue.record("not taken back")
      return
    }
    #expect(
      message
        == "errors 3.00%, at most 2.00% beside a baseline of 1.00% (100 turns against 100)"
    )
    var paused = failing
    paused.state = .paused
    #expect(code(paused) == "GATE_FAILED")
    paused.report = sight(ArmFigures(turns: 100, errors: 2), heldMS: 0).report
    #expect(waits(paused) == "somebody to resume it")
    // Too few turns say nothing, however bad they are.
    #expect(waits(sight(ArmFigures(turns: 9, errors: 9), heldMS: 10)) == "the hold of 1s")
  }

  /// Whatever comes in whatever order: steps only rise by one, nothing goes on over an unconfirmed node,
  /// and a refusal ends it.
  @Test func `never skips a step, nor goes on over a node that has not confirmed`() {
    var random = SeededGenerator(seed: 42)
    for _ in 0 ..< 5_000 {
      let count = Int.random(in: 1 ... 5, using: &random)
      var gates = RolloutGates()
      if Bool.random(using: &random) {
        gates.minTurns = 5
        gates.maxMoreErrors = Int.random(in: 0 ... 500, using: &random)
      }
      let holds: [Int64?] = (0 ..< count).map { _ in
        Int.random(in: 0 ..< 5, using: &random) == 0
          ? nil : Int64.random(in: 0 ... 100, using: &random)
      }
      let arms = (0 ..< 2).map { _ in
        ArmFigures(
          turns: Int64.random(in: 0 ... 20, using: &random),
          errors: Int64.random(in: 0 ... 3, using: &random)
        )
      }
      var sight = Sight(
        strategy: RolloutStrategy(
          steps: holds.enumerated().map { RolloutStep(basisPoints: $0 + 1, holdMS: $1) },
          gates: gates,
          nodeTimeoutMS: 50
        ),
        state: Bool.random(using: &random) ? .running : .paused,
        step: Int.random(in: 0 ..< count, using: &random),
        heldMS: Int64.random(in: 0 ... 200, using: &random),
        revision: Revision(9),
        report: GateJudge.judge(baseline: arms[0], candidate: arms[1], by: gates)
      )
      sight.nodes = (0 ..< Int.random(in: 0 ... 3, using: &random)).map { number in
        let isBehind = Bool.random(using: &random)
        return node(
          "n\(number)",
          at: isBehind ? 8 : 9,
          unconfirmedMS: isBehind ? Int64.random(in: 0 ... 100, using: &random) : nil,
          refused: Int.random(in: 0 ..< 10, using: &random) == 0 ? "UNSUPPORTED" : nil
        )
      }
      let refused = sight.nodes.contains { $0.rejection != nil }
      let behind = sight.nodes.contains { $0.unconfirmedMS != nil }
      switch RolloutMachine.decide(sight) {
      case .wait(let why): #expect(!why.isEmpty && !refused)
      case .change(.advance(let step)):
        #expect(step == sight.step + 1 && step < count)
        #expect(!refused && !behind && sight.state == .running)
        #expect(sight.heldMS >= holds[sight.step] ?? .max)
        #expect(sight.report?.results.allSatisfy { $0.passed } == true)
      case .change(.promote):
        #expect(sight.step == count - 1 && !refused && !behind && sight.state == .running)
        #expect(gates.minTurns == 0 || min(arms[0].turns, arms[1].turns) >= 5)
      case .change(.rollBack(let code, let message)):
        #expect(refused == (code == "NODE_REJECTED") && !message.isEmpty)
      case .change(.pause): Issue.record("paused without a timeout")
      case .change(.resume), .change(.abort): Issue.record("nobody asked for it")
      }
    }
  }
}

@Suite struct `Gates of a rollout` {
  @Test func `compare errors and blocks by parts, latency and cost by turns`() throws {
    var gates = RolloutGates()
    gates.minTurns = 10
    gates.maxMoreErrors = 100
    gates.maxMoreBlocks = 0
    gates.maxMoreLatency = 2_000
    gates.maxMoreCost = 0
    let baseline = ArmFigures(
      turns: 200,
      errors: 2,
      blocks: 10,
      latencyMS: 200_000,
      costPicoUSD: 2_000_000_000
    )
    let candidate = ArmFigures(
      turns: 20,
      errors: 0,
      blocks: 1,
      latencyMS: 24_000,
      costPicoUSD: 200_000_000
    )
    let report = GateJudge.judge(baseline: baseline, candidate: candidate, by: gates)
    #expect(report.results.map(\.gate) == ["errors", "blocks", "latency", "cost"])
    // All at their limits, none over.
    let areAllWithin = report.results.allSatisfy { $0.passed }
    #expect(areAllWithin)
    #expect(report.results.map(\.limit) == [0.02, 0.05, 1_200, 10_000_000] as [Double])
    for worse in [
      ArmFigures(turns: 20, errors: 1, blocks: 1, latencyMS: 24_000, costPicoUSD: 200_000_000),
      ArmFigures(turns: 20, errors: 0, blocks: 2, latencyMS: 24_000, costPicoUSD: 200_000_000),
      ArmFigures(turns: 20, errors: 0, blocks: 1, latencyMS: 24_100, costPicoUSD: 200_000_000),
      ArmFigures(turns: 20, errors: 0, blocks: 1, latencyMS: 24_000, costPicoUSD: 200_100_000),
    ] {
      let report = GateJudge.judge(baseline: baseline, candidate: worse, by: gates)
      #expect(report.results.count { !$0.passed } == 1)
    }
  }

  @Test func `judge nothing without enough turns of both, or without gates`() {
    var gates = RolloutGates()
    let arm = ArmFigures(turns: 100, errors: 100)
    #expect(GateJudge.judge(baseline: arm, candidate: arm, by: gates).results.isEmpty)
    gates.minTurns = 101
    gates.maxMoreErrors = 0
    #expect(GateJudge.judge(baseline: arm, candidate: arm, by: gates).results.isEmpty)
  }
}
