package import Changelog
package import Domain
internal import Foundation
internal import Synchronization

/// The nodes that this control plane serves or has served lately, and what they have in force.
package final class NodeRegistry: Sendable {
  package struct Options: Sendable {
    /// Length of a node lease, counted by the node from when it sent its Status.
    package var lease: Duration = .seconds(5)
    /// Clocks may run so much apart: a lease is *surely* out only after this part more.
    package var clockTolerance = 0.1
    /// A node not seen for so long is forgotten.
    package var memory: Duration = .seconds(24 * 3600)

    /// For so long after its start a replica may not know all nodes: those that were there before it
    /// come back, or their leases run out. No wait is over before.
    package var settling: Duration = .zero

    package init() {}

    /// When a lease is surely out.
    package var longestLease: Duration { lease * (1 + clockTolerance) }

    package var leaseMilliseconds: Int64 {
      lease.components.seconds * 1000 + lease.components.attoseconds / 1_000_000_000_000_000
    }
  }

  private struct State {
    var nodes: [String: KnownNode] = [:]
    var nextConnection = 0
    var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
    var nextListener = 0
  }

  package let options: Options
  /// From then on all nodes with a lease are known.
  let settledAt: ContinuousClock.Instant
  private let state = Mutex(State())

  package init(options: Options = Options()) {
    self.options = options
    settledAt = .now + options.settling
  }

  /// All known nodes by name.
  package var nodes: [KnownNode] {
    state.withLock { $0.nodes.values.sorted { $0.nodeID < $1.nodeID } }
  }

  // MARK: - From the streams

  /// A node said Hello; the number returned names its stream.
  ///
  /// - Parameter holds: the revision it serves already; nil for nothing, or another store's.
  package func connected(_ greeting: WatchGreeting, holds: Revision?) -> Int {
    change { state in
      state.nextConnection += 1
      let connection = state.nextConnection
      let limit = ContinuousClock.now - options.memory
      state.nodes = state.nodes.filter { $0.value.isConnected || $0.value.seen >= limit }
      var node = state.nodes[greeting.nodeID] ?? KnownNode(nodeID: greeting.nodeID)
      node.region = greeting.region
      node.labels = greeting.labels
      node.version = greeting.version
      node.edges = greeting.edges
      node.scope = greeting.scope
      node.rejections = [:]
      node.connections.insert(connection)
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
    change { _ = $0.nodes[nodeID]?.connections.remove(connection) }
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
    }
  }

  // MARK: - For those who wait

  /// Whether no node is left that a target is not in force on.
  func isInForce(
    _ target: ConvergenceTarget,
    serving tenant: TenantID?,
    at now: ContinuousClock.Instant
  ) -> Bool {
    state.withLock { state in
      state.nodes.values.allSatisfy { node in
        if let tenant, !node.scope.admits(tenant) { return true }
        return if case .unconfirmed = node.standing(on: target, at: now) { false } else { true }
      }
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

  private func update(_ nodeID: String, _ body: (inout KnownNode) -> Void) {
    change { state in
      guard let index = state.nodes.index(forKey: nodeID) else { return }
      body(&state.nodes.values[index])
      state.nodes.values[index].see()
    }
  }

  private func change<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
    let (result, listeners) = state.withLock { state in
      (body(&state), Array(state.listeners.values))
    }
    for listener in listeners { listener.yield() }
    return result
  }
}
