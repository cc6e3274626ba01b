import Domain
import Foundation
import Scenario
import Support
import Testing

/// A switch in a fleet that is torn apart: real control planes, nodes and PostgreSQL, cut off from each
/// other by links that freeze, lose, delay and break. What counts is what the services outside see.
@Suite(.serialized) struct `Switches under partition` {
  /// Between the gate's reading and the service's clock lie a request and a busy machine.
  private static let slack: Duration = .milliseconds(500)

  /// `BINDERY_PARTITION_SEEDS=a,b,c` runs others.
  private static var seeds: [UInt64] {
    let told = ProcessInfo.processInfo.environment["BINDERY_PARTITION_SEEDS"]
    return told?.split(separator: ",").compactMap { UInt64($0) } ?? [1, 3]
  }

  @Test(.timeLimit(.minutes(30)))
  func
    `under refuse nothing starts and nothing leaves once the lease is out, and all is answered later`()
    async throws
  {
    try await PartitionWorld.with(base: 9600, nodes: 4, hasSecondControl: true) { world in
      for seed in Self.seeds {
        do {
          try await Round(world: world, seed: seed, slack: Self.slack).run()
        } catch {
          Issue.record("seed \(seed): \(error)")
        }
      }
    }
  }
}

/// One seed: traffic, faults, a pause, the silence after the bound, healing, and what is made good.
private struct Round {
  let world: PartitionWorld
  let seed: UInt64
  let plan: PartitionPlan
  let slack: Int64
  let traffic: PartitionTraffic

  init(world: PartitionWorld, seed: UInt64, slack: Duration) {
    self.world = world
    self.seed = seed
    self.slack = Int64(slack / .nanoseconds(1))
    plan = PartitionPlan(seed: seed, nodes: world.nodes.count)
    traffic = PartitionTraffic(world, seed: seed)
  }

  func run() async throws {
    try await world.waitUntilHealthy()
    try await world.stack.fail(
      world.stack.ports.anthropic,
      ["slow_ms": .int(Int64(plan.modelSlowness))]
    )
    try await world.stack.fail(world.stack.ports.tools, ["slow_ms": .int(Int64(plan.toolSlowness))])
    let began = monotonicNanoseconds()
    let writing = Task { await traffic.run() }
    defer { writing.cancel() }
    // Each node is seen to work before it is torn off.
    try await waitUntil("all nodes answer", within: .seconds(30)) {
      let seen = try await Sightings(world.stack, tenant: "vakil", seed)
      return world.nodes.allSatisfy { node in seen.all.contains { $0.node == node && $0.at > began }
      }
    }
    let times = try await tear()
    writing.cancel()
    await writing.value
    try await judge(times)
    try await makeGood()
  }

  private struct Times: Sendable {
    /// The pause was committed by then.
    var committed: Int64
    /// `--wait` had all nodes of both control planes then; nil when it ran out of time.
    var confirmed: Int64?
    var end: Int64
  }

  /// Carries out the plan around a pause.
  private func tear() async throws -> Times {
    let zero = ContinuousClock.now + .milliseconds(1600)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      for node in world.nodes {
        if let fault = plan.faults[node] {
          group.addTask {
            try await Task.sleep(until: zero + fault.at)
            world.links[node].set(fault.condition)
          }
        }
        if let crash = plan.crashes[node] {
          group.addTask {
            try await Task.sleep(until: zero + crash.at)
            try await world.stack.kill("node-\(node + 1)")
            try await Task.sleep(until: zero + crash.backAt)
            try await world.startNode(node)
          }
        }
      }
      if let fault = plan.database {
        group.addTask {
          try await Task.sleep(until: zero + fault.at)
          world.database?.set(fault.condition)
        }
      }
      group.addTask {
        try await Task.sleep(until: zero - .milliseconds(500))
        guard plan.failingSends > 0 else { return }
        try await world.stack.fail(
          world.stack.ports.whatsapp,
          ["status": 503, "times": .int(Int64(plan.failingSends))]
        )
      }
      try await Task.sleep(until: zero)
      let paused = try await world.stack.tool().json(["tenant", "pause", "vakil"])
      let committed = monotonicNanoseconds()
      try require(paused["changed"] == true, "not paused: \(paused)")
      let waited = try await world.stack.tool().run(
        ["tenant", "pause", "vakil", "--wait", "--timeout", "6"]
      )
      let confirmed = waited.status == 0 ? monotonicNanoseconds() : nil
      // Well beyond the bound, all nodes that were killed are back, and people still write.
      try await Task.sleep(until: zero + PartitionWorld.lease + .milliseconds(4000))
      try await group.waitForAll()
      return Times(committed: committed, confirmed: confirmed, end: monotonicNanoseconds())
    }
  }

  private func judge(_ times: Times) async throws {
    let lease = Int64(PartitionWorld.lease / .nanoseconds(1))
    let bound = times.committed + lease
    let seen = try await Sightings(world.stack, tenant: "vakil", seed)
    for sighting in seen.after(bound + slack) {
      Issue.record(
        "seed \(seed): a \(sighting.what) of node \(sighting.node.map { $0 + 1 } ?? 0) came \((sighting.at - bound) / 1_000_000) ms after the bound: \(plan.told)"
      )
    }
    if let confirmed = times.confirmed {
      for sighting in seen.after(confirmed + slack) where sighting.node != nil {
        Issue.record("seed \(seed): a \(sighting.what) of a node that had confirmed: \(plan.told)")
      }
    }
    for web in await traffic.webReplies where web.endedAt > bound + slack {
      if web.reply.end["reason"] == "replied" {
        Issue.record("seed \(seed): node \(web.node + 1) answered on the web: \(plan.told)")
      }
    }
    // Others' people are served all the while.
    let others = try await Sightings(world.stack, tenant: "sahayak", seed).after(bound + slack)
    #expect(!others.isEmpty, "seed \(seed): nobody was served: \(plan.told)")
    let last = (seen.before(bound + slack).map(\.at).max() ?? 0) - times.committed
    let confirmed =
      times.confirmed.map { "\(($0 - times.committed) / 1_000_000) ms" } ?? "unconfirmed"
    print(
      "seed \(seed): paused; last call or send \(last / 1_000_000) ms after the commit (bound \(lease / 1_000_000)), --wait \(confirmed), others' sends afterwards \(others.count); \(plan.told)"
    )
  }

  /// Heals and resumes: who wrote is answered, each once.
  private func makeGood() async throws {
    try await world.heal()
    try await traffic.redeliver()
    let resumed = monotonicNanoseconds()
    _ = try await world.stack.tool().json(["tenant", "resume", "vakil", "--wait"])
    try await world.waitUntilHealthy()
    let people = await traffic.people.filter { $0.value.tenant == "vakil" }
    let unknown = try await answered(people.keys)
    let seen = try await Sightings(world.stack, tenant: "vakil", seed)
    let later = seen.all.filter { $0.what == "send" && $0.isTaken && $0.at > resumed }
    #expect(!later.isEmpty, "seed \(seed): nothing was kept: \(plan.told)")
    for (phone, person) in people {
      let sends = seen.all.count { $0.phone == phone && $0.isTaken }
      // A node that dies between a send and its record can't know of it.
      if sends > 1, plan.crashes[person.node] == nil {
        Issue.record("seed \(seed): \(phone) was answered \(sends) times: \(plan.told)")
      }
    }
    print(
      "seed \(seed): \(people.count) people, \(later.count) of them answered after the resume, \(unknown.count) sends of unknown outcome"
    )
  }

  /// Waits until each has an answer, but for those whose answer may have been sent by a node that died,
  /// or was refused by the service too often.
  private func answered(_ phones: some Collection<String>) async throws -> Set<String> {
    let limit = ContinuousClock.now + .seconds(60)
    while true {
      let seen = try await Sightings(world.stack, tenant: "vakil", seed)
      let missing = Set(phones).subtracting(seen.all.filter(\.isTaken).map(\.phone))
      let rows = missing.isEmpty ? [] : try await states(of: missing)
      let ended = rows.filter { ["ambiguous", "failed"].contains($0["outbox"]?.stringValue) }
      let unknown = Set(ended.compactMap { $0["phone"]?.stringValue })
      if unknown == missing { return unknown }
      guard ContinuousClock.now < limit else {
        throw ScenarioFailure(
          "without an answer: \(missing.subtracting(unknown).sorted()), \(rows)"
        )
      }
      try await Task.sleep(for: .milliseconds(500))
    }
  }

  private func states(of phones: Set<String>) async throws -> [[String: JSONValue]] {
    try await world.stack.database().rows(
      """
      select i.external_id phone, i.state input, o.state outbox, o.error
      from inputs i
      left join sessions s on s.external_id = i.external_id
      left join messages m on m.session_id = s.id
      left join outbox o on o.message_id = m.id
      where i.external_id in ('\(phones.joined(separator: "','"))')
      """
    )
  }
}
