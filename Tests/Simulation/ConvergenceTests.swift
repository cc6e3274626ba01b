import Changelog
import Domain
import Foundation
import Simulator
import Subscription
import Testing
import Wire

@Suite struct ConvergenceSimulation {
  /// What a node with this filter is to hold.
  private func expected(
    _ world: ConfigWorld,
    _ mode: NodeIdentity.Mode,
    _ filter: [TenantID]
  ) -> Set<ConfigResource> {
    Set(
      world.whole.filter { resource in
        if let owner = resource.key.tenantID, !filter.isEmpty, !filter.contains(owner) {
          return false
        }
        switch resource {
        case .binding, .section: return mode == .eager
        default: return true
        }
      }
    )
  }

  @Test(arguments: 0 ..< 60 as Range<UInt64>)
  func `any order of commits, slow reads and reconnects ends in what the store holds`(
    _ seed: UInt64
  ) throws {
    var random = SeededGenerator(seed: seed)
    var world = ConfigWorld()
    let hub = ChangelogHub()
    try hub.reset(state(world))
    let filter = seed % 3 == 0 ? [world.tenants[0], world.tenants[2]] : []
    let mode: NodeIdentity.Mode = seed % 4 == 1 ? .lazy : .eager
    var node = SimulatedNode(hub: hub, mode: mode, filter: filter)
    var last = Revision.zero
    for _ in 0 ..< 150 {
      switch Int.random(in: 0 ..< 12, using: &random) {
      case 0: try node.connect()
      case 1: node.disconnect()
      case 2 ... 5: _ = try node.read(Int.random(in: 1 ... 4, using: &random))
      default: try hub.publish(world.randomCommit(&random))
      }
      #expect(node.image.revision >= last)
      last = node.image.revision
    }
    if !node.isConnected { try node.connect() }
    while try node.read() {}
    #expect(node.image.revision == world.revision)
    #expect(node.held.symmetricDifference(expected(world, mode, filter)).map(\.key).isEmpty)
    #expect(node.rejections.isEmpty)
    for tenant in node.image.allTenants where tenant.switchRevision > .zero {
      #expect(node.switches[tenant.tenantID]?.revision == tenant.switchRevision)
      #expect(node.switches[tenant.tenantID]?.status == tenant.status)
    }
  }

  private func state(_ world: ConfigWorld) -> ConfigState {
    let (incarnation, commit) = world.snapshot
    return ConfigState(
      incarnation: incarnation,
      revision: commit.revision,
      resources: commit.resources
    )
  }

  @Test func `a resume ships what changed since and no snapshot`() throws {
    var random = SeededGenerator(seed: 7)
    var world = ConfigWorld()
    let hub = ChangelogHub()
    try hub.reset(state(world))
    for _ in 0 ..< 200 { try hub.publish(world.randomCommit(&random)) }
    var node = SimulatedNode(hub: hub)
    try node.connect()
    while try node.read() {}
    #expect(node.snapshots == 1)
    let whole = node.bytes
    node.disconnect()
    for _ in 0 ..< 3 { try hub.publish(world.randomCommit(&random)) }
    try node.connect()
    while try node.read() {}
    #expect(node.snapshots == 1)
    #expect(node.bytes - whole < whole / 4)
    #expect(node.held.symmetricDifference(expected(world, .eager, [])).map(\.key).isEmpty)
  }

  @Test func `another store is told from the one before, and its switches are its own`() throws {
    var random = SeededGenerator(seed: 8)
    var world = ConfigWorld()
    let hub = ChangelogHub()
    try hub.reset(state(world))
    for _ in 0 ..< 50 { try hub.publish(world.randomCommit(&random)) }
    var node = SimulatedNode(hub: hub)
    try node.connect()
    while try node.read() {}
    world = ConfigWorld()
    for _ in 0 ..< 10 { _ = world.randomCommit(&random) }
    try hub.reset(state(world))
    while try node.read() {}
    #expect(node.snapshots == 2)
    #expect(node.image.cursor?.incarnation == world.incarnation)
    #expect(node.held.symmetricDifference(expected(world, .eager, [])).map(\.key).isEmpty)
  }

  @Test func `a switch overtakes the snapshot that is being sent`() throws {
    var random = SeededGenerator(seed: 9)
    var world = ConfigWorld(tenants: 1)
    let hub = ChangelogHub()
    for _ in 0 ..< 100 { _ = world.randomCommit(&random) }
    try hub.reset(state(world))
    var node = SimulatedNode(hub: hub)
    try node.connect()
    // SnapshotBegin only.
    _ = try node.read(1)
    var tenant = world.tenant(world.tenants[0])
    tenant.status = .paused
    tenant.switchRevision = world.revision.next
    try hub.publish(world.commit(put: [.tenant(tenant)]))
    _ = try node.read(1)
    #expect(node.switches[tenant.tenantID]?.status == .paused)
    #expect(node.image.cursor == nil)
    while try node.read() {}
    #expect(node.image.revision == world.revision)
  }

  @Test func `a refused binding keeps its last good form and is not sent again`() throws {
    var world = ConfigWorld(tenants: 1)
    let hub = ChangelogHub()
    try hub.reset(state(world))
    let tenant = world.tenants[0]
    let id = BindingID(UUID())
    let good = world.binding(tenant, id)
    try hub.publish(world.commit(put: [.tenant(world.tenant(tenant)), .binding(good)]))
    var node = SimulatedNode(hub: hub)
    try node.connect()
    while try node.read() {}
    var bad = world.binding(tenant, id)
    bad.content = String(bad.content.dropLast())
    try hub.publish(world.commit(put: [.binding(bad)]))
    while try node.read() {}
    #expect(node.rejections.map(\.code) == ["BAD_DIGEST"])
    #expect(node.image.binding(id)?.digest == good.digest)
    // Its switch still counts, and the content is left out.
    bad.isActive = false
    try hub.publish(world.commit(put: [.binding(bad)]))
    while try node.read() {}
    #expect(node.image.binding(id)?.digest == good.digest)
    #expect(node.image.binding(id)?.isActive == false)
    #expect(node.rejections.count == 1)
    let better = world.binding(tenant, id)
    try hub.publish(world.commit(put: [.binding(better)]))
    while try node.read() {}
    #expect(node.image.binding(id)?.digest == better.digest)
    #expect(node.image.rejections.isEmpty)
    #expect(node.held.symmetricDifference(expected(world, .eager, [])).map(\.key).isEmpty)
  }

  @Test func `a stream that reads nothing holds no more than a cursor, and then gets one delta`()
    throws
  {
    var random = SeededGenerator(seed: 10)
    var world = ConfigWorld()
    let hub = ChangelogHub()
    try hub.reset(state(world))
    var node = SimulatedNode(hub: hub)
    try node.connect()
    while try node.read() {}
    let before = node.image.revision
    for _ in 0 ..< 100 { try hub.publish(world.randomCommit(&random)) }
    #expect(node.image.revision == before)
    while try node.read() {}
    #expect(node.snapshots == 1)
    #expect(node.held.symmetricDifference(expected(world, .eager, [])).map(\.key).isEmpty)
  }
}
