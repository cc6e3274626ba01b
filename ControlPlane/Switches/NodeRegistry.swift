package import Changelog
package import Domain
package import Foundation
internal import Synchronization

/// The nodes that this control plane serves or has served lately, those of the other replicas, and what
/// they have in force.
package final class NodeRegistry: Sendable {
  package struct Options: Sendable {
    /// Length of a node lease, counted by the node from when it sent its Status.
    package var lease: Duration = .seconds(5)
    /// Clocks may run so much apart: a lease is *surely* out only after this part more.
    package var clockTolerance = 0.1
    /// A node not seen for so long is forgotten.
    package var memory: Duration = .seconds(24 * 3600)
    /// Whether replicas tell each other of their nodes: leases are then given to those only that the others
    /// know of, and no wait is over before it has been read what they told.
    package var isShared = false

    package init() {}

    /// When a lease is surely out.
    package var longestLease: Duration { lease * (1 + clockTolerance) }

    package var leaseMilliseconds: Int64 {
      lease.components.seconds * 1000 + lease.components.attoseconds / 1_000_000_000_000_000
    }
  }

  struct State {
    var nodes: [String: KnownNode] = [:]
    /// As other replicas told of them.
    var others: [String: OtherNode] = [:]
    /// The store that revisions are of.
    var store: UUID?
    /// The last report read of each replica, and when it was read first.
    var reports: [UUID: (report: Int64, since: ContinuousClock.Instant)] = [:]
    /// When it was read last what others told.
    var readAt: ContinuousClock.Instant?
    /// No wait is over before: nodes of before the replicas told each other of them may be there.
    var settledAt: ContinuousClock.Instant?
    /// Until when what nodes acknowledge is told at once.
    var hurryUntil: ContinuousClock.Instant?
    var waits = 0
    /// The last report did not hold all that was due.
    var isReportCut = false
    /// Rings when there is something to tell or to read at once.
    var news: (@Sendable () -> Void)?
    var nextConnection = 0
    var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
    var nextListener = 0
  }

  package let options: Options
  let state = Mutex(State())

  package init(options: Options = Options()) { self.options = options }

  /// All known nodes by name, those of the other replicas included.
  package var nodes: [KnownNode] {
    state.withLock { Self.all($0) }.sorted { $0.nodeID < $1.nodeID }
  }

  /// How many nodes have a stream here.
  package var connectedHere: Int {
    state.withLock { state in state.nodes.values.count { !$0.connections.isEmpty } }
  }

  /// A node that has a stream here; nil for others.
  package func connectedHere(_ nodeID: String) -> KnownNode? {
    state.withLock { state in state.nodes[nodeID].flatMap { $0.connections.isEmpty ? nil : $0 } }
  }

  /// Revisions are of this store from now on; what was acknowledged of another one counts no more, and what
  /// replicas told each other may be lost: they tell it again.
  package func follow(store: UUID?) {
    guard let store else { return }
    state.withLock { state in
      defer { state.store = store }
      guard let known = state.store, known != store else { return }
      for name in state.nodes.keys {
        state.nodes[name]?.forgetRevisions()
        state.nodes[name]?.toldAt = nil
      }
      for name in state.others.keys { state.others[name]?.node.forgetRevisions() }
      state.settledAt = .now + options.longestLease
    }
  }

  // MARK: - From the streams

  /// A node said Hello; the number returned names its stream.
  ///
  /// - Parameters:
  ///   - holds: the revision it serves already; nil for nothing, or another store's.
  ///   - watcher: gets leases once the other replicas know of the node.
  package func connected(
    _ greeting: WatchGreeting,
    holds: Revision?,
    watcher: Watcher? = nil
  ) -> Int {
    change(isUrgent: true) { state in
      state.nextConnection += 1
      let connection = state.nextConnection
      let limit = ContinuousClock.now - options.memory
      state.nodes = state.nodes.filter { $0.value.isConnected || $0.value.seen >= limit }
      var node = state.nodes[greeting.nodeID] ?? KnownNode(nodeID: greeting.nodeID)
      if options.isShared {
        // It may come from another replica, with a lease from there.
        let end = ContinuousClock.now + options.longestLease
        node.leaseEnd = max(node.leaseEnd ?? end, end)
        node.unregistered.insert(connection)
        node.change += 1
      }
      node.region = greeting.region
      node.labels = greeting.labels
      node.version = greeting.version
      node.edges = greeting.edges
      node.scope = greeting.scope
      node.rejections = [:]
      node.connections[connection] = .some(watcher)
      // It may have started from an older copy than the one it told of before.
      node.acknowledgements.removeAll { $0.revision > holds ?? .zero }
      node.revision = .zero
      if let holds { node.acknowledge(holds, at: Date()) }
      node.see()
      state.nodes[greeting.nodeID] = node
      return connection
    }
  }

  package func disconnected(_ nodeID: String, connection: Int) {
    change(isUrgent: true) { state in
      state.nodes[nodeID]?.connections[connection] = nil
      state.nodes[nodeID]?.unregistered.remove(connection)
      state.nodes[nodeID]?.change += 1
    }
  }

  /// A node serves a revision from now on, but for what it refuses.
  package func acknowledged(_ nodeID: String, _ revision: Revision, rejected: [NodeRejection]) {
    update(nodeID) { node in
      node.acknowledge(revision, at: Date())
      node.reject(rejected)
    }
  }

  /// A node has a switch on disk and in force.
  package func acknowledged(_ nodeID: String, _ tenant: TenantID, switchRevision: Revision) {
    update(nodeID) { $0.acknowledge(tenant, switchRevision, at: Date()) }
  }

  /// A sign of life, which the answer renews the node's lease by.
  package func reported(_ nodeID: String, spoolDepth: Int64, activeTurns: Int32) {
    let end = ContinuousClock.now + options.lease * (1 + options.clockTolerance)
    update(nodeID) { node in
      node.spoolDepth = spoolDepth
      node.activeTurns = activeTurns
      node.leaseEnd = end
      if node.isLapsed {
        // Others have to know first that it may have a lease again.
        node.isLapsed = false
        node.change += 1
      }
    }
  }

  // MARK: - For those who wait

  /// Whether no node is left that a target is not in force on.
  func isInForce(
    _ target: ConvergenceTarget,
    serving tenant: TenantID?,
    at now: ContinuousClock.Instant
  ) -> Bool {
    let nodes = state.withLock { Self.all($0) }
    return nodes.allSatisfy { node in
      if let tenant, !node.scope.admits(tenant) { return true }
      return if case .unconfirmed = node.standing(on: target, at: now) { false } else { true }
    }
  }

  /// Rings after changes; to be given back with `unlisten`.
  func listen() -> (number: Int, stream: AsyncStream<Void>, ring: AsyncStream<Void>.Continuation) {
    let (stream, continuation) = AsyncStream.makeStream(
      of: Void.self,
      bufferingPolicy: .bufferingNewest(1)
    )
    let number = state.withLock { state in
      state.nextListener += 1
      state.listeners[state.nextListener] = continuation
      return state.nextListener
    }
    return (number, stream, continuation)
  }

  func unlisten(_ number: Int) {
    state.withLock { $0.listeners.removeValue(forKey: number) }?.finish()
  }

  func update(_ nodeID: String, _ body: (inout KnownNode) -> Void) {
    change { state in
      guard let index = state.nodes.index(forKey: nodeID) else { return }
      body(&state.nodes.values[index])
      state.nodes.values[index].see()
    }
  }

  /// - Parameter isUrgent: The other replicas are to know at once; otherwise only when somebody waits.
  func change<Result: Sendable>(
    isUrgent: Bool = false,
    _ body: (inout State) -> Result
  ) -> Result {
    let (result, listeners, news) = state.withLock { state in
      let result = body(&state)
      let isHurried = state.hurryUntil.map { $0 > .now } ?? false
      return (result, Array(state.listeners.values), isUrgent || isHurried ? state.news : nil)
    }
    for listener in listeners { listener.yield() }
    news?()
    return result
  }
}
