import Domain
import Foundation
import Testing
import Wire
import WireMapping

@testable import Subscription

@Suite struct NodeStateTests {
  private let store = UUID()
  private let restored = UUID()
  private let tenant = TenantID(UUID())

  private func image(
    _ revision: Int64,
    _ status: TenantStatus = .active,
    at switchRevision: Int64 = 0,
    of store: UUID? = nil,
    policy: StalePolicy = .serve
  ) -> ConfigImage {
    var changes = Bindery_V1_Changes()
    changes.put(
      .tenant(
        TenantResource(
          tenantID: tenant,
          slug: "t",
          displayName: "T",
          status: status,
          switchRevision: Revision(switchRevision),
          stalePolicy: policy,
          pausedPolicy: .hold,
          pausedMessage: [:]
        )
      )
    )
    return ConfigImage().applying(
      .init(
        cursor: .init(incarnation: store ?? self.store, revision: Revision(revision)),
        isWhole: true,
        changes: [changes],
        invalidated: []
      )
    ).image
  }

  private func made(
    _ revision: Int64,
    _ status: TenantStatus,
    of store: UUID? = nil
  ) -> SubscriptionMachine.Switch {
    .init(
      tenantID: tenant,
      revision: Revision(revision),
      status: status,
      incarnation: store ?? self.store
    )
  }

  private let paused = TenantGate.paused(.hold, message: [:])

  @Test func `late data does not undo a switch, newer data does`() {
    var state = NodeState(image: image(3), switches: SwitchTable())
    #expect(state.take(made(7, .paused))?.inForce == Revision(7))
    #expect(state.take(made(5, .active))?.inForce == Revision(7))
    _ = state.adopt(image(5, .active, at: 5))
    #expect(state.gate(tenant, at: .now) == paused)
    _ = state.adopt(image(8, .active, at: 8))
    #expect(state.gate(tenant, at: .now) == .open)
  }

  @Test func `a switch of the store that comes next counts at once, whatever its revision`() {
    var state = NodeState(image: image(90, .active, at: 80), switches: SwitchTable())
    #expect(state.take(made(4, .paused, of: restored))?.inForce == Revision(4))
    #expect(state.gate(tenant, at: .now) == paused)
    // Of the store that was left, nothing counts any more.
    _ = state.adopt(image(5, .paused, at: 4, of: restored))
    #expect(state.gate(tenant, at: .now) == paused)
    _ = state.adopt(image(6, .active, at: 6, of: restored))
    #expect(state.gate(tenant, at: .now) == .open)
  }

  @Test func `another store does not let a tenant go on before its data is here`() {
    var state = NodeState(image: image(90, .paused, at: 80), switches: SwitchTable())
    #expect(state.take(made(99, .active, of: restored)) == nil)
    #expect(state.gate(tenant, at: .now) == paused)
    _ = state.adopt(image(99, .active, at: 99, of: restored))
    #expect(state.gate(tenant, at: .now) == .open)
  }

  @Test func `after a crash between stores, what was acknowledged of either holds`() throws {
    var state = NodeState(image: image(3), switches: SwitchTable())
    _ = state.adopt(image(3))
    _ = state.take(made(7, .paused))
    // The other store has never switched the tenant; its configuration did not reach the disk.
    _ = state.adopt(image(2, .active, of: restored))
    #expect(state.gate(tenant, at: .now) == .open)
    let table = try JSONDecoder().decode(
      SwitchTable.self,
      from: JSONEncoder().encode(state.switches)
    )
    let booted = NodeState(image: image(3), switches: table)
    #expect(booted.gate(tenant, at: .now) == paused)
  }

  @Test func `nothing is copied while its switches are not on disk`() throws {
    var state = NodeState(image: nil, switches: SwitchTable())
    let change = state.adopt(image(3, .paused, at: 2))
    #expect(state.copyable == nil)
    let unwritten = try #require(state.unwritten)
    #expect(unwritten.change == change)
    _ = state.take(made(9, .active))
    state.wrote(unwritten.change)
    #expect(state.copyable == nil)
    state.wrote(try #require(state.unwritten).change)
    #expect(state.copyable?.revision == Revision(3))
  }

  @Test func `a lease of another store counts from when its configuration is here`() {
    let now = ContinuousClock.now
    var state = NodeState(
      image: image(3, policy: .refuse),
      switches: SwitchTable()
    )
    #expect(state.gate(tenant, at: now) == .stale)
    func beat(_ store: UUID) -> NodeState.Heartbeat {
      .init(leaseEnd: now + .seconds(5), newest: Revision(9), incarnation: store)
    }
    state.take(beat(restored))
    #expect(state.gate(tenant, at: now) == .stale)
    _ = state.adopt(image(1, of: restored, policy: .refuse))
    #expect(state.gate(tenant, at: now) == .open)
    #expect(state.gate(tenant, at: now + .seconds(5)) == .stale)
  }

  @Test func `what is acknowledged waits for the disk, a sign of life does not`() {
    var outbox = WatchOutbox()
    outbox.acknowledge(tenant, Revision(7), after: 2)
    outbox.acknowledge(Revision(6), rejected: [], after: 1)
    outbox.tell(.init())
    #expect(outbox.take(written: 0).map(\.ack.revision) == [0])
    #expect(outbox.take(written: 1).map(\.ack.revision) == [6])
    #expect(outbox.take(written: 1).isEmpty)
    #expect(outbox.take(written: 2).map(\.ack.control.switchRevision) == [7])
  }

  @Test func `what was fetched and refused goes with the next acknowledgement, or alone`() {
    var outbox = WatchOutbox()
    var rejection = Bindery_V1_Rejection()
    rejection.code = "UNDECODABLE"
    outbox.refuse([rejection], asOf: Revision(6), after: 0)
    let alone = outbox.take(written: 0).map(\.ack)
    #expect(alone.map(\.revision) == [6] && alone.allSatisfy { $0.applied })
    #expect(alone.flatMap(\.rejected).map(\.code) == ["UNDECODABLE"])
    outbox.acknowledge(Revision(8), rejected: [], after: 1)
    outbox.refuse([rejection], asOf: Revision(7), after: 0)
    #expect(outbox.take(written: 0).isEmpty)
    let both = outbox.take(written: 1).map(\.ack)
    #expect(both.map(\.revision) == [8] && both.flatMap(\.rejected).count == 1)
  }

  @Test func `a binding counts as subscribed from the next Subscribe until it is dropped`() {
    var outbox = WatchOutbox()
    let (first, second) = (BindingID(UUID()), BindingID(UUID()))
    outbox.subscribe(add: [first])
    #expect(outbox.take(written: 0).map(\.subscribe.subscribeSeq) == [1])
    outbox.subscribe(add: [second])
    #expect(outbox.subscribed(after: 0) == [first, second])
    #expect(outbox.subscribed(after: 1) == [second])
    outbox.subscribe(remove: [second])
    #expect(outbox.subscribed(after: 0) == [first])
    #expect(!outbox.serves(second))
    #expect(outbox.take(written: 0).map(\.subscribe.subscribeSeq) == [2])
  }

  @Test func `waits grow to their limit, by lot, and start anew after a good stream`() {
    var reconnect = Reconnect(first: .seconds(1), last: .seconds(4))
    func wait(_ chance: Double, wasLive: Bool = false) -> Duration {
      reconnect.wait(wasLive: wasLive, drain: nil, chance: chance)
    }
    #expect(wait(0) == .milliseconds(500))
    #expect(wait(0.5) == .milliseconds(1500))
    #expect(wait(0) == .seconds(2))
    #expect(wait(0) == .seconds(2))
    #expect(wait(0, wasLive: true) == .milliseconds(500))
    let drain = (after: Duration.seconds(2), jitter: Duration.seconds(10))
    #expect(reconnect.wait(wasLive: true, drain: drain, chance: 0.5) == .seconds(7))
    let long = (after: Duration.seconds(9999), jitter: Duration.seconds(9999))
    #expect(reconnect.wait(wasLive: true, drain: long, chance: 0) == .seconds(60))
  }
}
