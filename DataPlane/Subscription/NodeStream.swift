package import Domain
package import Wire

/// What belongs to one watch stream of a node, without I/O: the machine, the leases, and what waits to
/// be told.
package struct NodeStream: Sendable {
  /// What the shell does with a message: the first two end in `applied` and `took`.
  package enum Work: Sendable {
    case apply(SubscriptionMachine.Batch)
    case take(SubscriptionMachine.Switch)
    case heartbeat(NodeState.Heartbeat)
  }

  /// As many as a control plane remembers.
  private static let rejectionLimit = 10_000

  private var machine: SubscriptionMachine
  private var leases = LeaseKeeper()
  private var outbox = WatchOutbox()
  /// Refused of what was fetched; not told yet.
  private var untold: (rejected: [Bindery_V1_Rejection], revision: Revision, change: Int)?
  private(set) var lastHeard: ContinuousClock.Instant
  /// True once the stream was good for something: the next try need not wait long.
  package private(set) var wasLive = false
  /// When to come back, once the control plane has said that it goes.
  package private(set) var drain: (after: Duration, jitter: Duration)?

  /// - Parameter state: what the node holds; its Hello says so.
  package init(_ state: NodeState, at now: ContinuousClock.Instant) {
    machine = SubscriptionMachine(held: state.image.resumable)
    lastHeard = now
  }

  // MARK: - From the control plane

  /// - Throws: `SubscriptionMachine.Fault`: the stream is to be left.
  package mutating func receive(
    _ response: Bindery_V1_WatchResponse,
    at now: ContinuousClock.Instant
  ) throws(SubscriptionMachine.Fault) -> Work? {
    lastHeard = now
    let action = try machine.receive(response)
    if machine.isLive { wasLive = true }
    switch action {
    case nil: return nil
    case .apply(let batch): return .apply(batch)
    case .control(let made): return .take(made)
    case .heartbeat(let revision, let sequence, let lease):
      return .heartbeat(
        NodeState.Heartbeat(
          leaseEnd: leases.renew(sequence, lease: lease),
          newest: revision,
          incarnation: machine.store
        )
      )
    case .drain(let after, let jitter):
      drain = (after, jitter)
      return nil
    }
  }

  /// LAZY: bindings that may have changed without an Invalidation that names them, and all of them
  /// when everything is replaced.
  package func unconfirmed(_ batch: SubscriptionMachine.Batch) -> Set<BindingID> {
    outbox.subscribed(after: batch.isWhole ? 0 : batch.subscribeSequence)
  }

  /// A batch is in force; it is acknowledged once `change` of the switches is on disk.
  package mutating func applied(
    _ batch: SubscriptionMachine.Batch,
    rejected: [Bindery_V1_Rejection],
    dropped: Set<BindingID>,
    after change: Int
  ) {
    // All that was fetched is dropped, and judged again when it is fetched again.
    if batch.isWhole { untold = nil }
    outbox.acknowledge(batch.cursor.revision, rejected: rejected, after: change)
    if !dropped.isEmpty { outbox.subscribe(remove: dropped) }
  }

  /// LAZY: a part of what was fetched as of a revision is refused; told likewise.
  package mutating func refused(
    _ rejected: [Bindery_V1_Rejection],
    asOf revision: Revision,
    after change: Int
  ) {
    let all = ((untold?.rejected ?? []) + rejected).suffix(Self.rejectionLimit)
    untold = (Array(all), revision, change)
  }

  /// A switch is in force; likewise.
  package mutating func took(_ tenant: TenantID, _ inForce: Revision, after change: Int) {
    outbox.acknowledge(tenant, inForce, after: change)
  }

  // MARK: - To the control plane

  package func hello(_ identity: NodeIdentity, _ state: NodeState) -> Bindery_V1_WatchRequest {
    var hello = Bindery_V1_Hello()
    hello.nodeID = identity.nodeID
    hello.region = identity.region
    hello.labels = identity.labels
    hello.version = identity.version
    hello.edges = identity.edges
    hello.mode = identity.mode == .eager ? .eager : .lazy
    if let cursor = state.image.resumable {
      hello.storeIncarnation = TenantID(cursor.incarnation).data
      hello.resumeRevision = cursor.revision.value
      hello.rejected = state.image.rejections.values.prefix(Self.rejectionLimit).map(\.wire)
    } else if let cursor = state.image.cursor {
      // Held and served, but not to go on from: switches have to come ahead of the snapshot.
      hello.storeIncarnation = TenantID(cursor.incarnation).data
    }
    var request = Bindery_V1_WatchRequest()
    request.hello = hello
    return request
  }

  /// Puts a sign of life out; the sequence number is the stream's.
  package mutating func tell(
    _ status: Bindery_V1_NodeStatus,
    at now: ContinuousClock.Instant
  ) {
    var status = status
    status.statusSeq = leases.nextStatus(at: now)
    outbox.tell(status)
  }

  /// LAZY: to be told before they are fetched, so that what changes in between is invalidated.
  package mutating func subscribe(add: Set<BindingID>) { outbox.subscribe(add: add) }

  /// Whether a binding was subscribed to on this stream, and not dropped since.
  package func serves(_ binding: BindingID) -> Bool { outbox.serves(binding) }

  /// What may be written now, when so many changes of the switches are on disk.
  package mutating func take(written: Int) -> [Bindery_V1_WatchRequest] {
    // Before that, the revision may be none of the stream's.
    if machine.isLive, let news = untold {
      untold = nil
      outbox.refuse(news.rejected, asOf: news.revision, after: news.change)
    }
    return outbox.take(written: written)
  }

  /// How often a Status is due.
  package var statusInterval: Duration { leases.interval }

  /// Whether nothing has come for too long.
  package func isSilent(for patience: Duration, at now: ContinuousClock.Instant) -> Bool {
    lastHeard.duration(to: now) >= patience
  }
}
