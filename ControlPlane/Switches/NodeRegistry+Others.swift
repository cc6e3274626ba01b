internal import Changelog
internal import Domain
internal import Foundation
package import Store
internal import Synchronization

/// A node as another replica told of it.
struct OtherNode: Sendable {
  var replica: UUID
  var node: KnownNode
  /// It was told to be connected.
  var isConnected: Bool
  /// How long its lease still lasted when it was told; nil while it was renewed, or for none.
  var leaseEnd: ContinuousClock.Instant?
}

/// What replicas tell each other of their nodes.
extension NodeRegistry {
  /// A connected node is told of so often, however little changes.
  private static let refresh = Duration.seconds(15)
  /// What it acknowledged is told so often, when nobody waits for it.
  private static let patience = Duration.seconds(3)
  /// Nodes told of at once.
  private static let batch = 2000

  /// All nodes, each as who saw it last tells of it.
  static func all(_ state: State) -> [KnownNode] {
    var nodes: [KnownNode] = []
    nodes.reserveCapacity(state.nodes.count + state.others.count)
    for node in state.nodes.values where ownCounts(node, state.others[node.nodeID]?.node) {
      nodes.append(node)
    }
    for (name, other) in state.others {
      if let own = state.nodes[name], ownCounts(own, other.node) { continue }
      nodes.append(other.node)
    }
    return nodes
  }

  /// Whether what this replica saw of a node counts, and not what another one told.
  ///
  /// Of two streams, the one that was heard later: the other may be dead without anyone having noticed.
  private static func ownCounts(_ own: KnownNode, _ other: KnownNode?) -> Bool {
    guard let other else { return true }
    if other.isConnected { return !own.connections.isEmpty && own.seen >= other.seen }
    return !own.connections.isEmpty || own.seen >= other.seen
  }

  // MARK: - Waits

  func beginWait() {
    let news = state.withLock { state in
      state.waits += 1
      return state.news
    }
    news?()
  }

  func endWait() { state.withLock { $0.waits -= 1 } }

  /// Whether somebody waits here for nodes.
  package var isAwaited: Bool { state.withLock { $0.waits > 0 } }

  /// Whether all nodes are known as they were at an instant, or later.
  func isWhole(since instant: ContinuousClock.Instant, at now: ContinuousClock.Instant) -> Bool {
    guard options.isShared else { return true }
    return state.withLock { state in
      guard let readAt = state.readAt, readAt >= instant else { return false }
      return state.settledAt.map { now >= $0 } ?? true
    }
  }

  /// Rings from now on when there is something to tell or to read at once.
  package func whenThereIsNews(_ ring: @escaping @Sendable () -> Void) {
    state.withLock { $0.news = ring }
  }

  /// Somebody waits at another replica.
  package func hurry(for time: Duration) {
    let news = state.withLock { state in
      state.hurryUntil = .now + time
      return state.news
    }
    news?()
  }

  /// Nodes may be there that nobody has told of, until their leases are out.
  package func settle(for time: Duration) { state.withLock { $0.settledAt = .now + time } }

  // MARK: - Telling

  /// What the others are to know now, a part of it when it is much; each with the change that it shows.
  package func report(at now: ContinuousClock.Instant) -> [(node: FleetNode, change: Int)] {
    state.withLock { state in
      let isHurried = state.hurryUntil.map { $0 > now } ?? false
      var due: [KnownNode] = []
      for name in Array(state.nodes.keys) {
        guard var node = state.nodes[name] else { continue }
        let wasLapsed = node.isLapsed
        lapse(&node, at: now)
        if node.isLapsed != wasLapsed { state.nodes[name] = node }
        if isDue(node, isHurried, at: now) { due.append(node) }
      }
      state.isReportCut = due.count > Self.batch
      if state.isReportCut {
        due.sort(by: Self.isToldBefore)
        due.removeLast(due.count - Self.batch)
      }
      var report: [(node: FleetNode, change: Int)] = []
      report.reserveCapacity(due.count)
      for node in due { report.append((tell(node, of: state.store, at: now), node.change)) }
      return report
    }
  }

  /// Nodes that wait for a lease first, then those told of the longest ago: none is left out for ever.
  private static func isToldBefore(_ one: KnownNode, _ other: KnownNode) -> Bool {
    if one.unregistered.isEmpty != other.unregistered.isEmpty { return !one.unregistered.isEmpty }
    guard let otherAt = other.toldAt else { return false }
    guard let oneAt = one.toldAt else { return true }
    return oneAt < otherAt
  }

  /// Others are told that a lease is out; from here on, none is given before they know otherwise.
  private func lapse(_ node: inout KnownNode, at now: ContinuousClock.Instant) {
    guard !node.isLapsed, !node.connections.isEmpty, let end = node.leaseEnd, end <= now else {
      return
    }
    node.isLapsed = true
    node.change += 1
    for (number, watcher) in node.connections {
      watcher?.suspend()
      node.unregistered.insert(number)
    }
  }

  private func isDue(
    _ node: KnownNode,
    _ isHurried: Bool,
    at now: ContinuousClock.Instant
  ) -> Bool {
    guard let toldAt = node.toldAt, let toldSeen = node.toldSeen else { return true }
    if node.change != node.toldChange {
      return isHurried || !node.unregistered.isEmpty || node.connections.isEmpty
        || now - toldAt >= Self.patience
    }
    return node.seen > toldSeen && now - toldAt >= Self.refresh
  }

  private func tell(
    _ node: KnownNode,
    of store: UUID?,
    at now: ContinuousClock.Instant
  ) -> FleetNode {
    var told = FleetNode(nodeID: node.nodeID)
    told.isConnected = !node.connections.isEmpty
    told.region = node.region
    told.version = node.version
    told.edges = node.edges
    told.isLazy = node.scope.mode == .lazy
    told.tenants = node.scope.tenants?.sorted().map(\.uuid)
    told.revision = node.revision
    told.incarnation = store
    told.acknowledgedAt = node.acknowledgements.last?.at
    if node.connections.isEmpty || node.isLapsed {
      told.leaseLeft = node.leaseEnd.map { now.duration(to: $0).milliseconds }
    }
    told.seenAgo = max(0, node.seen.duration(to: now).milliseconds)
    told.spoolDepth = node.spoolDepth
    told.activeTurns = node.activeTurns
    told.switches = node.switches.filter { $0.value.revision > node.revision }.map {
      FleetNode.Switch(
        tenant: $0.key.uuid,
        revision: $0.value.revision.value,
        at: Int64($0.value.at.timeIntervalSince1970 * 1000)
      )
    }
    told.rejections = node.rejections.values.map {
      FleetNode.Rejection(key: $0.key, digest: $0.digest?.hex, code: $0.code, message: $0.message)
    }
    return told
  }

  /// The others know what `report` gave, as of `asked`; those not taken belong to a replica that has seen them
  /// later.
  package func told(
    _ report: [(node: FleetNode, change: Int)],
    taken: Set<String>,
    asked: ContinuousClock.Instant
  ) {
    let now = ContinuousClock.now
    let (known, news) = state.withLock { state -> ([Watcher], (@Sendable () -> Void)?) in
      var known: [Watcher] = []
      for (told, change) in report {
        guard var node = state.nodes[told.nodeID] else { continue }
        node.toldAt = now
        node.toldSeen = asked - .milliseconds(told.seenAgo)
        // With a stream here it is told again, and will be newer.
        if taken.contains(told.nodeID) || node.connections.isEmpty { node.toldChange = change }
        if taken.contains(told.nodeID), told.isConnected, told.leaseLeft == nil, !node.isLapsed {
          for number in node.unregistered {
            if let watcher = node.connections[number] ?? nil { known.append(watcher) }
          }
          node.unregistered = []
        }
        state.nodes[told.nodeID] = node
      }
      // They are this replica's now: what another one told of them before is over.
      for name in taken { state.others[name] = nil }
      // The rest follows at once.
      return (known, state.isReportCut ? state.news : nil)
    }
    for watcher in known { watcher.register(at: now) }
    news?()
  }

  // MARK: - Reading

  /// Takes in what others told, as of when it was `asked`.
  ///
  /// A lease is out only when that is so in what was read: nobody knows what was given since.
  package func take(
    _ reading: FleetReading,
    besides own: FleetMember,
    asked: ContinuousClock.Instant
  ) {
    change { state in
      let replicas = Dictionary(
        reading.replicas.map { ($0.id, $0) },
        uniquingKeysWith: { first, _ in first }
      )
      if reading.isWhole { takeOut(besides: Set(reading.nodes.map(\.node.nodeID)), &state) }
      for (replica, told) in reading.nodes where replica != own.id {
        state.others[told.nodeID] = other(told, of: replica, state, asked: asked)
        // It is here, whatever another one says: that is to be known.
        if let node = state.nodes[told.nodeID], !node.connections.isEmpty {
          state.nodes[told.nodeID]?.change += 1
          state.nodes[told.nodeID]?.toldAt = nil
        }
      }
      let known = state.reports
      state.reports = [:]
      var ends: [UUID: ContinuousClock.Instant] = [:]
      for replica in reading.replicas {
        var since = asked
        if let it = known[replica.id], it.report == replica.report { since = it.since }
        state.reports[replica.id] = (report: replica.report, since: since)
        ends[replica.id] = leasesEnd(of: replica, since: since, asked: asked)
      }
      for name in Array(state.others.keys) {
        judge(&state.others[name], replicas, ends, asked: asked)
      }
      state.readAt = asked
    }
  }

  /// Somebody was taken out by hand, or by age.
  private func takeOut(besides left: Set<String>, _ state: inout State) {
    state.others = state.others.filter { left.contains($0.key) }
    state.nodes = state.nodes.filter { name, node in
      !node.connections.isEmpty || node.toldAt == nil || left.contains(name)
    }
  }

  private func other(
    _ told: FleetNode,
    of replica: UUID,
    _ state: State,
    asked: ContinuousClock.Instant
  ) -> OtherNode {
    var node = state.others[told.nodeID]?.node ?? KnownNode(nodeID: told.nodeID)
    node.region = told.region
    node.version = told.version
    node.edges = told.edges
    node.scope = WatchScope(
      mode: told.isLazy ? .lazy : .eager,
      tenants: told.tenants.map { Set($0.map { TenantID($0) }) }
    )
    node.spoolDepth = told.spoolDepth
    node.activeTurns = told.activeTurns
    let isOfStore = told.incarnation == state.store || state.store == nil
    if !isOfStore || told.revision < node.revision { node.forgetRevisions() }
    if isOfStore {
      node.acknowledge(told.revision, at: told.acknowledgedAt ?? Date())
      for made in told.switches {
        node.acknowledge(
          TenantID(made.tenant),
          Revision(made.revision),
          at: Date(timeIntervalSince1970: Double(made.at) / 1000)
        )
      }
    }
    node.rejections = [:]
    node.reject(
      told.rejections.map {
        NodeRejection(
          key: $0.key,
          digest: $0.digest.flatMap { Digest(hex: $0) },
          code: $0.code,
          message: $0.message
        )
      }
    )
    node.seen = asked - .milliseconds(told.seenAgo)
    node.lastSeen = Date() - Double(told.seenAgo) / 1000
    return OtherNode(
      replica: replica,
      node: node,
      isConnected: told.isConnected,
      leaseEnd: told.leaseLeft.map { asked + .milliseconds($0) }
    )
  }

  /// When all leases are out that a replica has given, unless it says again that it is there: by the
  /// database's clock and by this replica's own, since the database's may be set anew meanwhile.
  private func leasesEnd(
    of replica: FleetReading.Replica,
    since: ContinuousClock.Instant,
    asked: ContinuousClock.Instant
  ) -> ContinuousClock.Instant {
    max(asked + .milliseconds(replica.lease - replica.age), since + .milliseconds(replica.lease))
  }

  /// Whether it is connected, and whether its lease is out, as of what was read.
  private func judge(
    _ other: inout OtherNode?,
    _ replicas: [UUID: FleetReading.Replica],
    _ ends: [UUID: ContinuousClock.Instant],
    asked: ContinuousClock.Instant
  ) {
    guard var it = other else { return }
    let replica = replicas[it.replica]
    let last = ends[it.replica]
    let isServed = it.isConnected && last.map { $0 >= asked } ?? false
    it.node.isElsewhere = isServed
    it.node.told = (replica?.address ?? "", .milliseconds(replica?.age ?? 0))
    // Of one that is gone, the longest that it can have given.
    var end = it.leaseEnd
    if end == nil, it.isConnected, let last, last < asked { end = last }
    if end == nil, replica == nil || !it.isConnected { end = asked }
    // Not known to be out: as long as nothing else is read, it may be renewed.
    it.node.leaseEnd = end.flatMap { $0 <= asked ? $0 : nil } ?? Self.notOut
    other = it
  }

  private static let notOut = ContinuousClock.now + .seconds(1_000_000_000)
}

extension Duration {
  fileprivate var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1000 + attoseconds / 1_000_000_000_000_000
  }
}
