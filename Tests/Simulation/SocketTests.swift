import Changelog
import Domain
import Foundation
import Simulator
import Spool
import Subscription
import Switches
import Synchronization
import Testing
import Wire

@Suite struct SocketTests {
  private func world(_ commits: Int) -> ConfigWorld {
    var random = SeededGenerator(seed: 3)
    var world = ConfigWorld()
    for tenant in world.tenants { _ = world.commit(put: [.tenant(world.tenant(tenant))]) }
    for _ in 0 ..< commits { _ = world.randomCommit(&random) }
    for tenant in world.tenants {
      var active = world.tenant(tenant)
      active.switchRevision = world.revision.next
      _ = world.commit(put: [.tenant(active)])
    }
    return world
  }

  @Test func `a commit reaches the node, is acknowledged, and convergence sees it`() async throws {
    let directory = try ScratchDirectory()
    let socket = "\(directory.path)/s"
    let server = try FleetServer(world(40))
    try await server.serve(at: socket) {
      let node = try await FleetNode("n1", directory: "\(directory.path)/n1", socket: socket)
      try await node.run { _ in
        try await eventually("snapshot") { node.cache.snapshot.revision == server.revision }
        try await eventually("lease") { node.cache.isConnected }
        let tenant = server.expected.tenants[0]
        try server.commit { world in
          let binding = world.binding(tenant, BindingID(UUID()))
          return world.commit(put: [.binding(binding)])
        }
        let reached = try await server.nodes.waitForConvergence(
          on: .revision(server.revision),
          committedAt: Date(),
          timeout: .seconds(20)
        ) { _ in }
        #expect(reached.isComplete)
        #expect(reached.confirmed.map(\.nodeID) == ["n1"])
        #expect(node.cache.snapshot.revision == server.revision)
      }
      try await node.close()
    }
  }

  @Test func `a paused tenant stays paused over a crash and a start without control plane`()
    async throws
  {
    let directory = try ScratchDirectory()
    let socket = "\(directory.path)/s"
    let server = try FleetServer(world(40))
    let tenant = server.expected.tenants[1]
    let other = server.expected.tenants[0]
    try await server.serve(at: socket) {
      let node = try await FleetNode("n1", directory: "\(directory.path)/n1", socket: socket)
      try await node.run { _ in
        try await eventually("snapshot") { node.cache.snapshot.revision == server.revision }
        #expect(node.cache.gate(tenant) == .open)
        try server.switchTenant(tenant, to: .paused)
        let reached = try await server.nodes.waitForConvergence(
          on: .tenantSwitch(tenant, server.revision, .serve),
          committedAt: Date(),
          timeout: .seconds(20)
        ) { _ in }
        #expect(reached.isComplete)
        #expect(node.cache.gate(tenant) == .paused(.hold, message: [:]))
        #expect(node.cache.gate(other) == .open)
      }
      try await node.close()
    }
    let node = try await FleetNode("n1", directory: "\(directory.path)/n1", socket: socket)
    #expect(node.cache.isLoaded)
    #expect(node.cache.gate(tenant) == .paused(.hold, message: [:]))
    #expect(node.cache.gate(other) == .open)
    #expect(!node.cache.isConnected)
    try await node.close()
  }

  @Test func `an outage is bridged: the cursor resumes and every record arrives`() async throws {
    let directory = try ScratchDirectory()
    let socket = "\(directory.path)/s"
    let server = try FleetServer(world(20))
    let node = try await FleetNode("n1", directory: "\(directory.path)/n1", socket: socket)
    try await node.run { _ in
      try await server.serve(at: socket) {
        try await eventually("snapshot") { node.cache.snapshot.revision == server.revision }
        _ = try await node.spool.append(turn(1))
        try await eventually("first record") { node.spool.depth == 0 }
      }
      try await eventually("loss noticed") { !node.cache.isConnected }
      for number in 2 ... 50 as ClosedRange<UInt8> { _ = try await node.spool.append(turn(number)) }
      #expect(node.spool.depth == 49)
      try server.commit { world in
        world.commit(put: [.binding(world.binding(world.tenants[0], BindingID(UUID())))])
      }
      try await server.serve(at: socket) {
        try await eventually("resumed") { node.cache.snapshot.revision == server.revision }
        try await eventually("records") { node.spool.depth == 0 }
      }
    }
    let recorded = server.recorded.withLock { $0 }
    #expect(Set(recorded.keys) == Set((1 ... 50).map { turn($0).turnID }))
    try await node.close()
  }

  @Test func `a lazy node fetches a binding on first use and drops it when it changes`()
    async throws
  {
    let directory = try ScratchDirectory()
    let socket = "\(directory.path)/s"
    let server = try FleetServer(world(0))
    let tenant = server.expected.tenants[0]
    let id = BindingID(UUID())
    try server.commit { world in world.commit(put: [.binding(world.binding(tenant, id))]) }
    try await server.serve(at: socket) {
      let node = try await FleetNode("n1", directory: "\(directory.path)/n1", socket: socket)
      try await node.run(mode: .lazy) { subscription in
        try await eventually("snapshot") { node.cache.snapshot.revision == server.revision }
        #expect(node.cache.snapshot.binding(id) == nil)
        let first = try await subscription.fetch(id, of: tenant)
        #expect(first != nil)
        #expect(node.cache.snapshot.binding(id)?.digest == first?.digest)
        #expect(try await subscription.fetch(BindingID(UUID()), of: tenant) == nil)
        try server.commit { world in world.commit(put: [.binding(world.binding(tenant, id))]) }
        try await eventually("invalidated") { node.cache.snapshot.binding(id) == nil }
        let second = try await subscription.fetch(id, of: tenant)
        #expect(second != nil)
        #expect(second?.digest != first?.digest)
      }
      try await node.close()
    }
  }

  @Test func `under refuse, a node out of reach stops serving before its lease is surely out`()
    async throws
  {
    let directory = try ScratchDirectory()
    let socket = "\(directory.path)/s"
    var world = ConfigWorld(tenants: 1)
    let tenant = world.tenants[0]
    _ = world.commit(put: [.tenant(world.tenant(tenant, stalePolicy: .refuse))])
    let server = try FleetServer(world, lease: .milliseconds(300))
    let node = try await FleetNode("n1", directory: "\(directory.path)/n1", socket: socket)
    try await node.run { _ in
      try await server.serve(at: socket) {
        try await eventually("open") { node.cache.gate(tenant) == .open }
      }
      try server.switchTenant(tenant, to: .paused)
      let reached = try await server.nodes.waitForConvergence(
        on: .tenantSwitch(tenant, server.revision, .refuse),
        committedAt: Date(),
        timeout: .seconds(20)
      ) { _ in }
      #expect(reached.isComplete)
      #expect(reached.confirmed.map(\.byLease) == [true])
      #expect(node.cache.gate(tenant) == .stale)
      // Under serve, nobody can say that it does not go on.
      let unsure = try await server.nodes.waitForConvergence(
        on: .tenantSwitch(tenant, server.revision, .serve),
        committedAt: Date(),
        timeout: .zero
      ) { _ in }
      #expect(unsure.unconfirmed == ["n1"])
    }
    try await node.close()
  }

  private func turn(_ number: UInt8) -> Bindery_V1_TurnRecord {
    var record = Bindery_V1_TurnRecord()
    record.turnID = Data(repeating: number, count: 16)
    return record
  }
}
