import Changelog
import Domain
import Foundation
import Postgres
import Store
import SwiftProtobuf
import Switches
import Testing
import Wire

@Suite struct `The fleet over replicas` {
  /// A replica of the control plane, as far as it knows of nodes.
  private struct Replica: Sendable {
    let hub = ChangelogHub()
    let nodes: NodeRegistry
    let sync: FleetSync

    init(_ store: Store, _ address: String, lease: Duration = .milliseconds(600)) async throws {
      var options = NodeRegistry.Options()
      options.lease = lease
      options.isShared = true
      nodes = NodeRegistry(options: options)
      var beats = FleetSync.Options()
      beats.beat = .milliseconds(30)
      beats.waitingBeat = .milliseconds(20)
      sync = FleetSync(
        store: store,
        nodes: nodes,
        hub: hub,
        address: address,
        options: beats,
        logger: StoreFixture.logger
      )
      let position = try await store.currentPosition()
      try hub.reset(
        ConfigState(
          incarnation: position.incarnation,
          revision: position.revision,
          resources: []
        )
      )
      try await sync.start()
    }

    func connect(_ name: String, holds: Revision? = nil, _ watcher: Watcher? = nil) throws -> Int {
      var hello = Bindery_V1_Hello()
      hello.nodeID = name
      hello.mode = .eager
      hello.region = "here"
      return nodes.connected(try WatchGreeting(hello), holds: holds, watcher: watcher)
    }

    func node(_ name: String) -> KnownNode? { nodes.nodes.first { $0.nodeID == name } }

    /// Waits for a target as `--wait` does.
    func wait(
      _ target: ConvergenceTarget,
      timeout: Duration = .seconds(20)
    ) async throws -> Convergence {
      try await nodes.waitForConvergence(
        on: target,
        committedAt: Date(),
        timeout: timeout
      ) { _ in }
    }
  }

  private func eventually(_ what: String, _ condition: () throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while try !condition() {
      try #require(ContinuousClock.now < deadline, "\(what)")
      try await Task.sleep(for: .milliseconds(2))
    }
  }

  /// Both run while `body` does; the second one until it is ended.
  private func withTwo(
    _ fixture: StoreFixture,
    _ body:
      @Sendable (Replica, Replica, _ endSecond: @escaping @Sendable () async -> Void)
      async throws -> Void
  ) async throws {
    let (one, two) = (
      try await Replica(fixture.store, "one:1"), try await Replica(fixture.store, "two:2")
    )
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await one.sync.run() }
      let second = Task { try await two.sync.run() }
      do {
        try await body(one, two) {
          second.cancel()
          _ = await second.result
        }
      } catch {
        second.cancel()
        throw error
      }
      second.cancel()
      group.cancelAll()
    }
  }

  @Test func `each replica knows the other's nodes, and what they have refused`() async throws {
    try await withStore { fixture in
      try await withTwo(fixture) { one, two, _ in
        _ = try one.connect("a", holds: Revision(3))
        let key = ResourceKey.binding(TenantID(UUID()), BindingID(UUID()))
        one.nodes.acknowledged(
          "a",
          Revision(4),
          rejected: [
            NodeRejection(key: key, digest: Digest(of: Data()), code: "BAD_DIGEST", message: "x")
          ]
        )
        try await eventually("the other knows it") { two.node("a")?.revision == Revision(4) }
        let seen = try #require(two.node("a"))
        #expect(seen.isConnected)
        #expect(seen.region == "here")
        #expect(seen.told?.by == "one:1")
        #expect(seen.rejections[key]?.code == "BAD_DIGEST")
        #expect(one.node("a")?.told == nil)
      }
    }
  }

  @Test func `a wait at one replica ends when the other's node has acknowledged`() async throws {
    try await withStore { fixture in
      try await withTwo(fixture) { one, two, _ in
        _ = try one.connect("a", holds: Revision(3))
        _ = try two.connect("b", holds: Revision(3))
        try await eventually("known") { two.node("a") != nil && one.node("b") != nil }
        let isThere = try await two.wait(.revision(Revision(3)))
        #expect(isThere.confirmed.map(\.nodeID) == ["a", "b"])
        async let waiting = two.wait(.revision(Revision(7)))
        try await eventually("somebody waits") { two.nodes.isAwaited }
        one.nodes.acknowledged("a", Revision(7), rejected: [])
        two.nodes.acknowledged("b", Revision(7), rejected: [])
        let found = try await waiting
        #expect(found.confirmed.map(\.nodeID) == ["a", "b"])
        let late = try await two.wait(.revision(Revision(8)), timeout: .milliseconds(200))
        #expect(late.unconfirmed == ["a", "b"])
      }
    }
  }

  @Test func `nodes of a replica that is gone keep a switch open until their leases are out`()
    async throws
  {
    try await withStore { fixture in
      try await withTwo(fixture) { one, two, endSecond in
        let tenant = TenantID(UUID())
        _ = try two.connect("b", holds: Revision(3))
        two.nodes.reported("b", spoolDepth: 0, activeTurns: 0)
        try await eventually("known") { one.node("b") != nil }
        await endSecond()
        let refused = try await one.wait(.tenantSwitch(tenant, Revision(5), .refuse))
        #expect(refused.confirmed.map(\.nodeID) == ["b"])
        #expect(refused.confirmed.map(\.byLease) == [true])
        let served = try await one.wait(
          .tenantSwitch(tenant, Revision(5), .serve),
          timeout: .milliseconds(100)
        )
        #expect(served.unconfirmed == ["b"])
        // A replica that starts only now knows it, too, and so does its wait.
        let third = try await Replica(fixture.store, "three:3")
        #expect(third.node("b")?.revision == Revision(3))
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await third.sync.run() }
          try await eventually("its replica is gone") { third.node("b")?.isConnected == false }
          let again = try await third.wait(
            .tenantSwitch(tenant, Revision(5), .serve),
            timeout: .milliseconds(300)
          )
          #expect(again.unconfirmed == ["b"])
          group.cancelAll()
        }
      }
    }
  }

  @Test func `no wait is over at any replica while nodes of before the first one may have a lease`()
    async throws
  {
    try await withStore { fixture in
      try await fixture.store.publish(SampleTenant("medicly", number: "919800000004").publication())
      _ = try await Replica(fixture.store, "one:1", lease: .seconds(60))
      let second = try await Replica(fixture.store, "two:2", lease: .seconds(60))
      _ = try await fixture.owner.query(
        "update fleet_replicas set started_at = now() - interval '1 hour'"
      )
      let third = try await Replica(fixture.store, "three:3", lease: .seconds(60))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await second.sync.run() }
        group.addTask { try await third.sync.run() }
        let found = try await third.wait(.revision(Revision(1)))
        #expect(found.isComplete)
        await #expect(throws: FleetUnknown.self) {
          _ = try await second.wait(.revision(Revision(1)), timeout: .milliseconds(300))
        }
        group.cancelAll()
      }
    }
  }

  @Test func `a connected node that has fallen silent keeps a switch open until its lease is out`()
    async throws
  {
    try await withStore { fixture in
      try await withTwo(fixture) { one, two, _ in
        _ = try two.connect("b", holds: Revision(3))
        two.nodes.reported("b", spoolDepth: 0, activeTurns: 0)
        try await eventually("known") { one.node("b")?.isConnected == true }
        let found = try await one.wait(.tenantSwitch(TenantID(UUID()), Revision(5), .refuse))
        #expect(found.confirmed.map(\.byLease) == [true])
        #expect(one.node("b")?.isConnected == true)
        // Once it is heard again, it counts again.
        two.nodes.reported("b", spoolDepth: 0, activeTurns: 0)
        try await eventually("it counts") { one.node("b")?.isLeaseOut(at: .now) == false }
      }
    }
  }

  @Test func `no lease is given before the others know of the node and the store was asked again`()
    async throws
  {
    try await withStore { fixture in
      let replica = try await Replica(fixture.store, "one:1")
      let watcher = replica.hub.watch(leaseMilliseconds: 600, isRegistered: false)
      var hello = Bindery_V1_WatchRequest()
      hello.hello.nodeID = "a"
      hello.hello.mode = .eager
      func status(_ sequence: Int64) -> Bindery_V1_WatchRequest {
        var request = Bindery_V1_WatchRequest()
        request.status.statusSeq = sequence
        return request
      }
      replica.hub.confirm(at: .now)
      try watcher.receive(hello)
      _ = try replica.connect("a", holds: nil, watcher)
      try watcher.receive(status(1))
      func leases() throws -> [Int64] {
        var leases: [Int64] = []
        while let frame = try watcher.next() {
          let response = try Bindery_V1_WatchResponse(serializedBytes: frame.bytes)
          if case .heartbeat(let it) = response.message { leases.append(it.leaseMs) }
        }
        return leases
      }
      #expect(try leases() == [])
      // It is not left without an answer for long.
      try watcher.receive(status(2))
      #expect(try leases() == [0])
      try watcher.receive(status(3))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await replica.sync.run() }
        let database = fixture.owner
        var isStored = false
        let deadline = ContinuousClock.now + .seconds(20)
        while !isStored {
          try #require(ContinuousClock.now < deadline)
          isStored = try await !database.query("select 1 from fleet_nodes").isEmpty
        }
        // Not asked since.
        #expect(try leases() == [])
        var given: [Int64] = []
        try await eventually("a lease") {
          replica.hub.confirm(at: .now)
          given += try leases()
          return !given.isEmpty
        }
        #expect(given.count == 1)
        #expect(given.allSatisfy { (1 ... 600).contains($0) })
        group.cancelAll()
      }
    }
  }

  @Test func `a node belongs to the replica that saw it last`() async throws {
    try await withStore { fixture in
      try await withTwo(fixture) { one, two, _ in
        let old = try one.connect("a", holds: Revision(3))
        try await eventually("known") { two.node("a")?.told?.by == "one:1" }
        let new = try two.connect("a", holds: Revision(4))
        try await eventually("known") {
          one.nodes.disconnected("a", connection: old)
          return one.node("a")?.told?.by == "two:2"
        }
        #expect(one.node("a")?.isConnected == true)
        #expect(one.node("a")?.revision == Revision(4))
        // Once it leaves that one, too, it is with nobody.
        two.nodes.disconnected("a", connection: new)
        try await eventually("it is with nobody") {
          one.node("a")?.isConnected == false && two.node("a")?.isConnected == false
        }
      }
    }
  }

  @Test func `a stream that died unnoticed hides no live one elsewhere`() async throws {
    try await withStore { fixture in
      try await withTwo(fixture) { one, two, _ in
        _ = try two.connect("a", holds: Revision(3))
        try await eventually("known") { one.node("a")?.told?.by == "two:2" }
        _ = try one.connect("a", holds: Revision(4))
        try await eventually("the live one speaks for it") {
          one.nodes.reported("a", spoolDepth: 0, activeTurns: 0)
          return two.node("a")?.told?.by == "one:1"
        }
        #expect(two.node("a")?.isConnected == true)
        #expect(two.node("a")?.revision == Revision(4))
        #expect(one.node("a")?.told == nil)
      }
    }
  }

  @Test func `a node can go to another replica though the database's clock was set back`()
    async throws
  {
    try await withStore { fixture in
      let one = FleetMember(id: UUID(), address: "one:1", lease: 60_000)
      let two = FleetMember(id: UUID(), address: "two:2", lease: 60_000)
      var node = FleetNode(nodeID: "a")
      node.isConnected = true
      #expect(try await fixture.store.tellFleet(one, report: 1, nodes: [node]) == ["a"])
      _ = try await fixture.owner.query(
        "update fleet_nodes set seen_at = now() + interval '10 minutes'"
      )
      #expect(try await fixture.store.tellFleet(two, report: 1, nodes: [node]) == ["a"])
      // By the clock as it is now, who saw it last has it.
      node.seenAgo = 5000
      #expect(try await fixture.store.tellFleet(one, report: 2, nodes: [node]) == [])
    }
  }

  @Test func `of more nodes than one report holds, none is left untold`() throws {
    var options = NodeRegistry.Options()
    options.isShared = true
    let nodes = NodeRegistry(options: options)
    let count = 2100
    for number in 0 ..< count {
      var hello = Bindery_V1_Hello()
      hello.nodeID = "node-\(number)"
      hello.mode = .eager
      _ = nodes.connected(try WatchGreeting(hello), holds: nil)
    }
    var told: Set<String> = []
    for _ in 1 ... 2 {
      let now = ContinuousClock.now
      let report = nodes.report(at: now)
      told.formUnion(report.map { $0.node.nodeID })
      // All stay due: they are not this replica's yet.
      nodes.told(report, taken: [], asked: now)
    }
    #expect(told.count == count)
  }

  @Test func `a node that is gone can be taken out at any replica, a connected one can't`()
    async throws
  {
    try await withStore { fixture in
      try await withTwo(fixture) { one, two, _ in
        let stream = try one.connect("a", holds: Revision(3))
        try await eventually("known") { two.node("a") != nil }
        #expect(try await fixture.store.forgetNode("a") == false)
        #expect(try await fixture.store.forgetNode("b") == nil)
        one.nodes.disconnected("a", connection: stream)
        var forgotten: Bool? = false
        let deadline = ContinuousClock.now + .seconds(20)
        while forgotten == false {
          try #require(ContinuousClock.now < deadline)
          forgotten = try await fixture.store.forgetNode("a")
        }
        #expect(forgotten == true)
        try await eventually("both have forgotten it") {
          one.node("a") == nil && two.node("a") == nil
        }
      }
    }
  }

  @Test func `what nobody has seen for long is taken out by age`() async throws {
    try await withStore { fixture in
      try await withTwo(fixture) { one, two, _ in
        let stream = try one.connect("a", holds: Revision(3))
        _ = try one.connect("b", holds: Revision(3))
        one.nodes.disconnected("a", connection: stream)
        try await eventually("known") {
          two.node("a")?.isConnected == false && two.node("b") != nil
        }
        #expect(try await fixture.store.ageFleet(olderThan: .seconds(3600)) == [])
        _ = try await fixture.owner.query(
          "update fleet_nodes set seen_at = now() - interval '25 hours'"
        )
        #expect(try await fixture.store.ageFleet(olderThan: .seconds(24 * 3600)) == ["a"])
        try await eventually("forgotten") { two.node("a") == nil && one.node("a") == nil }
        #expect(two.node("b") != nil)
      }
    }
  }
}
