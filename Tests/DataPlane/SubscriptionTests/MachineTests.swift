import Domain
import Foundation
import Testing
import Wire

@testable import Subscription

@Suite struct MachineTests {
  private let store = TenantID(UUID())

  private func message(
    _ fill: (inout Bindery_V1_WatchResponse) -> Void
  ) -> Bindery_V1_WatchResponse {
    var message = Bindery_V1_WatchResponse()
    fill(&message)
    return message
  }

  private func resumed(_ revision: Int64) -> Bindery_V1_WatchResponse {
    message {
      $0.resumed.from = revision
      $0.resumed.storeIncarnation = store.data
    }
  }

  private func delta(_ from: Int64, _ to: Int64) -> Bindery_V1_WatchResponse {
    message {
      $0.delta.fromRevision = from
      $0.delta.revision = to
    }
  }

  private func machine(at revision: Int64) throws -> SubscriptionMachine {
    var machine = SubscriptionMachine(
      held: .init(incarnation: store.uuid, revision: Revision(revision))
    )
    #expect(try machine.receive(resumed(revision)) == nil)
    return machine
  }

  @Test func `a delta that does not start where the node stands ends the stream`() throws {
    var machine = try machine(at: 5)
    #expect(throws: SubscriptionMachine.Fault(code: .gap, what: "")) {
      try machine.receive(delta(6, 7))
    }
    #expect(throws: SubscriptionMachine.Fault(code: .gap, what: "")) {
      try machine.receive(delta(5, 5))
    }
    guard case .apply(let batch)? = try machine.receive(delta(5, 7)) else {
      Issue.record("no batch")
      return
    }
    #expect(batch.cursor.revision == Revision(7))
    #expect(!batch.isWhole)
  }

  @Test func `parts wait for the delta that they belong to`() throws {
    var machine = try machine(at: 1)
    #expect(try machine.receive(message { $0.deltaChunk.tenants = [.init()] }) == nil)
    #expect(try machine.receive(message { $0.heartbeat.statusSeq = 1 }) != nil)
    guard case .apply(let batch)? = try machine.receive(delta(1, 2)) else {
      Issue.record("no batch")
      return
    }
    #expect(batch.changes.map(\.tenants.count) == [1, 0])
    guard case .apply(let next)? = try machine.receive(delta(2, 3)) else {
      Issue.record("no batch")
      return
    }
    #expect(next.changes.count == 1)
  }

  @Test func `a resume of another cursor or store is refused`() throws {
    var other = SubscriptionMachine(held: .init(incarnation: UUID(), revision: Revision(5)))
    #expect(throws: SubscriptionMachine.Fault(code: .unexpected, what: "")) {
      try other.receive(resumed(5))
    }
    var empty = SubscriptionMachine(held: nil)
    #expect(throws: SubscriptionMachine.Fault(code: .unexpected, what: "")) {
      try empty.receive(resumed(5))
    }
    #expect(throws: SubscriptionMachine.Fault(code: .unexpected, what: "")) {
      try empty.receive(delta(0, 1))
    }
  }

  @Test func `a lease runs from when the status was sent`() throws {
    var keeper = LeaseKeeper()
    let start = ContinuousClock.now
    let first = keeper.nextStatus(at: start)
    let second = keeper.nextStatus(at: start + .seconds(2))
    #expect(keeper.renew(first, lease: .seconds(5)) == start + .seconds(5))
    #expect(keeper.renew(second, lease: .seconds(5)) == start + .seconds(7))
    // Its memory is gone with what came before the newest echo.
    #expect(keeper.renew(first, lease: .seconds(5)) == nil)
    #expect(keeper.renew(99, lease: .seconds(5)) == nil)
  }

  @Test func `a control that can't be read is a fault, not a guess`() throws {
    var machine = try machine(at: 1)
    #expect(throws: SubscriptionMachine.Fault(code: .malformed, what: "")) {
      try machine.receive(message { $0.control.tenantID = Data([1]) })
    }
    #expect(throws: SubscriptionMachine.Fault(code: .malformed, what: "")) {
      try machine.receive(message { $0.control.tenantID = store.data })
    }
    // Nor is one before it was told which store its revision belongs to.
    var early = SubscriptionMachine(held: nil)
    #expect(throws: SubscriptionMachine.Fault(code: .unexpected, what: "")) {
      try early.receive(
        message {
          $0.control.tenantID = store.data
          $0.control.status = .paused
        }
      )
    }
  }
}
