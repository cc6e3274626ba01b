import Changelog
import Domain
import Foundation
import Subscription
import SwiftProtobuf
import Synchronization
import Wire

/// Remembers that a watcher rang.
final class Bell: Sendable {
  private let rung = Mutex(false)

  func ring() { rung.withLock { $0 = true } }

  /// Whether it has since the last time.
  func isRung() -> Bool {
    rung.withLock { rung in
      defer { rung = false }
      return rung
    }
  }
}

/// One stream between a node and a replica: in order each way, late as chance has it, and cut at any
/// time, which the ends notice at different times.
final class Link {
  let number: Int
  let node: Node
  let replica: Replica
  let scope: WatchScope
  let bell = Bell()
  let watcher: Watcher
  /// What the checker keeps of it.
  var record: LinkRecord
  private(set) var isOpenAtNode = true
  private(set) var isOpenAtReplica = true
  /// The line of the store that it is of.
  private(set) var line: StoreLine?
  /// Frames that were written and not read yet: a socket holds so many.
  private var underWay = 0
  private var lastToNode: Int64 = 0
  private var lastToReplica: Int64 = 0

  init(_ node: Node, _ replica: Replica, _ sim: Simulation, hello: Bindery_V1_Hello) {
    self.node = node
    self.replica = replica
    number = sim.link()
    scope = node.scope
    record = LinkRecord(hello)
    let bell = bell
    watcher = replica.hub.watch(leaseMilliseconds: Simulation.lease / 1000) { bell.ring() }
    replica.take(self)
  }

  var name: String { "#\(number) node \(node.number) - replica \(replica.number)" }

  // MARK: - To the node

  /// Writes as long as there is room.
  func pump(_ sim: Simulation) throws {
    while isOpenAtReplica, underWay < sim.plan.window, let frame = try watcher.next() {
      let message = try Bindery_V1_WatchResponse(serializedBytes: frame.bytes)
      sim.trace { "\(name): writes \(Telling.of(message))" }
      line = sim.meaning(of: record.position?.incarnation)?.line
      try sim.checker.wrote(message, on: self)
      underWay += 1
      lastToNode = max(lastToNode, sim.now + sim.delay())
      sim.after(lastToNode - sim.now) { sim in
        guard self.isOpenAtNode else { return }
        try self.node.arrived(message, on: self, sim)
      }
    }
  }

  /// The node has read one.
  func hasRead(_ sim: Simulation) {
    underWay -= 1
    sim.after(0) { try $0.isAlive(self)?.pump($0) }
  }

  // MARK: - To the replica

  func send(_ request: Bindery_V1_WatchRequest, _ sim: Simulation) {
    lastToReplica = max(lastToReplica, sim.now + sim.delay())
    sim.after(lastToReplica - sim.now) { sim in
      guard self.isOpenAtReplica else { return }
      sim.trace { "\(self.name): reads \(Telling.of(request))" }
      self.record.received(request)
      do throws(WatchFault) {
        try self.watcher.receive(request, at: self.replica.instant(sim))
      } catch {
        guard error.code == .replicaBehind else {
          throw Violation(rule: .order, what: "\(self.name) ended by \(error)")
        }
        return self.cut(sim, "\(error)")
      }
      try self.replica.ring(sim)
    }
  }

  // MARK: - Ends

  /// The node notices at once or later, the replica too.
  func cut(_ sim: Simulation, _ why: String) {
    sim.trace { "\(name): cut, \(why)" }
    let (one, other) = (sim.number(0 ... 300_000), sim.number(0 ... 300_000))
    let isNodeFirst = sim.chance(0.5)
    sim.after(isNodeFirst ? 0 : one) { self.endAtNode($0) }
    sim.after(isNodeFirst ? other : 0) { self.endAtReplica($0) }
  }

  func endAtNode(_ sim: Simulation) {
    guard isOpenAtNode else { return }
    isOpenAtNode = false
    node.left(self, sim)
  }

  func endAtReplica(_ sim: Simulation) {
    guard isOpenAtReplica else { return }
    isOpenAtReplica = false
    watcher.close()
    replica.drop(self)
  }
}

extension Simulation {
  /// The link, if it can still write.
  func isAlive(_ link: Link) -> Link? { link.isOpenAtReplica ? link : nil }
}
