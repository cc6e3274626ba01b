import Changelog
import Compiler
import Domain
import Foundation
import Postgres
import Publishing
import Rollouts
import Store
import Switches
import Synchronization
import Testing
import Wire

/// Figures that a test sets.
private final class FakeGateSource: GateSource {
  private let arms = Mutex((baseline: ArmFigures(), candidate: ArmFigures()))
  private let isDown = Mutex(false)

  func fail() { isDown.withLock { $0 = true } }

  func set(baseline: ArmFigures, candidate: ArmFigures) {
    arms.withLock { $0 = (baseline, candidate) }
  }

  func figures(
    of rollout: RolloutRecord
  ) async throws -> (baseline: ArmFigures, candidate: ArmFigures) {
    if isDown.withLock({ $0 }) { throw StoreError.corrupt(what: "figures") }
    return arms.withLock { $0 }
  }
}

/// A replica's driver, looked at by hand.
private struct Replica {
  let driver: RolloutDriver
  let nodes = NodeRegistry()
  let gates = FakeGateSource()

  init(_ store: Store) {
    var options = RolloutDriver.Options()
    options.gateInterval = .zero
    driver = RolloutDriver(
      store: store,
      nodes: nodes,
      gates: gates,
      options: options,
      logger: StoreFixture.logger
    )
  }

  func connect(_ name: String, region: String = "south", holds: Revision?) throws {
    var hello = Bindery_V1_Hello()
    hello.nodeID = name
    hello.region = region
    hello.mode = .eager
    _ = nodes.connected(try WatchGreeting(hello), holds: holds)
  }
}

@Suite struct `The driver of rollouts` {
  private func shop(_ fixture: StoreFixture) async throws -> AuthoredShop {
    let shop = AuthoredShop(fixture.store)
    try await shop.apply(AuthoredShop.whole)
    return shop
  }

  private func create(_ shop: AuthoredShop, _ strategy: RolloutStrategy) async throws {
    let made = try await shop.publisher.createRollout(
      [AuthoredShop.human("asha", "Asha the new")],
      strategy: strategy,
      name: "r",
      options: ApplyOptions(author: "tests", reason: ""),
      dryRun: false
    )
    #expect(made.name == "r")
  }

  private func rollout(_ shop: AuthoredShop) async throws -> RolloutRecord {
    try await shop.store.rollout(tenant: "shop", name: "r")
  }

  private func look(_ replica: Replica) async throws {
    var looks = RolloutLooks()
    _ = try await replica.driver.look(&looks)
  }

  private func steps(_ count: Int, hold: Int64? = 0) -> RolloutStrategy {
    RolloutStrategy(
      steps: (1 ... count).map { RolloutStep(basisPoints: $0 * 100, holdMS: hold) }
    )
  }

  @Test func `of several replicas takes each step once`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      let before = try await shop.store.currentRevision()
      try await create(shop, steps(8))
      let replicas = (0 ..< 3).map { _ in Replica(fixture.store) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for replica in replicas {
          group.addTask {
            while try await rollout(shop).state.isActive { try await look(replica) }
          }
        }
        try await group.waitForAll()
      }
      let ended = try await rollout(shop)
      #expect(ended.state == .promoted && ended.transitions == 8)
      // The creation, seven further steps and the promotion, each one revision.
      #expect(try await shop.store.currentRevision().value == before.value + 9)
    }
  }

  @Test func `takes it back when a node refuses a candidate, and says which and why`() async throws
  {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop, steps(2, hold: nil))
      let running = try await rollout(shop)
      let digests = try await shop.store.candidateDigests(of: running)
      let (binding, digest) = try #require(digests.first)
      let replica = Replica(fixture.store)
      try replica.connect("edge-1", holds: Revision(1))
      // A refusal of something else is none of its business.
      for (key, refused, isOver) in [
        (ResourceKey.candidate(running.tenantID, binding), Digest(of: Data()), false),
        (.binding(running.tenantID, binding), digest, false),
        (.candidate(running.tenantID, binding), digest, true),
      ] {
        replica.nodes.acknowledged(
          "edge-1",
          running.revision,
          rejected: [
            NodeRejection(key: key, digest: refused, code: "UNDECODABLE", message: "no agent at /")
          ]
        )
        try await look(replica)
        #expect(try await rollout(shop).state == (isOver ? .rolledBack : .running))
      }
      let ended = try await rollout(shop)
      #expect(ended.endCode == "NODE_REJECTED")
      #expect(ended.endMessage == "node edge-1 refused it: UNDECODABLE no agent at /")
      let nodes = try await shop.store.nodes(of: ended)
      #expect(nodes.map(\.rejection?.code) == ["UNDECODABLE"])
    }
  }

  @Test func `waits for the nodes of its step, as another replica tells of them`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      var strategy = steps(2)
      strategy.steps[0].audience = Audience(regions: ["south"])
      strategy.steps[1].audience = Audience(regions: ["south"])
      try await create(shop, strategy)
      let running = try await rollout(shop)
      let (one, other) = (Replica(fixture.store), Replica(fixture.store))
      try one.connect("behind", holds: Revision(running.revision.value - 1))
      // Not of the step.
      try one.connect("north", region: "north", holds: Revision(1))
      try await look(one)
      #expect(try await rollout(shop).waiting == "node behind to confirm the step")
      try await look(other)
      #expect(try await rollout(shop).step == 0)
      one.nodes.acknowledged("behind", running.revision, rejected: [])
      try await look(one)
      let advanced = try await rollout(shop)
      #expect(advanced.step == 1)
      #expect(try await shop.store.nodes(of: advanced).map(\.nodeID) == ["behind"])
    }
  }

  @Test func `takes it back when a node goes silent over a step`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop, steps(2))
      let running = try await rollout(shop)
      let replica = Replica(fixture.store)
      try replica.connect("crashing", holds: Revision(running.revision.value - 1))
      try await look(replica)
      try await fixture.owner.execute(
        "update rollout_nodes set unconfirmed_since = clock_timestamp() - interval '3 minutes'"
      )
      try await look(replica)
      let ended = try await rollout(shop)
      #expect(ended.state == .rolledBack && ended.endCode == "NODE_LOST")
      #expect(ended.endMessage == "node crashing did not confirm step 1 within 2m")
    }
  }

  @Test func `goes by its gates, and keeps the figures that it went by`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      var strategy = steps(2)
      strategy.gates.minTurns = 10
      strategy.gates.maxMoreBlocks = 500
      try await create(shop, strategy)
      let replica = Replica(fixture.store)
      replica.gates.set(
        baseline: ArmFigures(turns: 100, blocks: 1),
        candidate: ArmFigures(turns: 9)
      )
      try await look(replica)
      #expect(try await rollout(shop).waiting == "10 turns of both arms (9 so far)")
      replica.gates.set(
        baseline: ArmFigures(turns: 100, blocks: 1),
        candidate: ArmFigures(turns: 10, blocks: 0)
      )
      try await look(replica)
      #expect(try await rollout(shop).step == 1)
      replica.gates.set(
        baseline: ArmFigures(turns: 100, blocks: 1),
        candidate: ArmFigures(turns: 20, blocks: 2)
      )
      try await look(replica)
      let ended = try await rollout(shop)
      #expect(ended.state == .rolledBack && ended.endCode == "GATE_FAILED")
      #expect(ended.endMessage.hasPrefix("blocks 10.00%, at most 6.00%"))
      #expect(ended.report?.candidate.turns == 20 && ended.report?.results.map(\.passed) == [false])
    }
  }

  @Test func `goes on by no figures that it could not have, and protects all the same`()
    async throws
  {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      var strategy = steps(3)
      strategy.gates.minTurns = 10
      strategy.gates.maxMoreBlocks = 500
      try await create(shop, strategy)
      let replica = Replica(fixture.store)
      let enough = ArmFigures(turns: 100)
      replica.gates.set(baseline: enough, candidate: enough)
      try await look(replica)
      #expect(try await rollout(shop).step == 1)
      replica.gates.fail()
      try await look(replica)
      let waiting = try await rollout(shop)
      #expect(waiting.step == 1 && waiting.waiting == "the figures of its gates")
      let digests = try await shop.store.candidateDigests(of: waiting)
      let (binding, digest) = try #require(digests.first)
      try replica.connect("edge-1", holds: waiting.revision)
      replica.nodes.acknowledged(
        "edge-1",
        waiting.revision,
        rejected: [
          NodeRejection(
            key: .candidate(waiting.tenantID, binding),
            digest: digest,
            code: "UNDECODABLE",
            message: "no agent at /"
          )
        ]
      )
      try await look(replica)
      #expect(try await rollout(shop).endCode == "NODE_REJECTED")
    }
  }

  @Test func `does nothing to one that is paused, but for a refusal or a failed gate`() async throws
  {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop, steps(2))
      try await shop.store.change(try await rollout(shop), .pause, author: "t", reason: "")
      let replica = Replica(fixture.store)
      try await look(replica)
      let paused = try await rollout(shop)
      #expect(paused.state == .paused && paused.step == 0)
      #expect(paused.waiting == "somebody to resume it")
    }
  }
}
