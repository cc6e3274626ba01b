internal import DequeModule
internal import Domain
internal import Foundation
package import Wire
internal import WireMapping

/// One watch stream, server side, without I/O. Its memory is bounded: a cursor, the keys refused,
/// what a LAZY node serves, the keys of one delta, and one frame.
package struct WatchMachine: Sendable {
  private enum Phase: Sendable {
    /// Legal: Hello.
    case awaitingHello
    /// Hello came; how to go on is decided against the next view.
    case greeted(WatchGreeting)
    /// A snapshot is being written.
    case snapshot(SnapshotPosition)
    /// `cursor` is where the node stands, or will once all frames have arrived.
    case live
  }

  /// What the shell does next. Encoding happens outside of the hub's lock.
  enum Step {
    case write(EncodedFrame)
    case send(Bindery_V1_WatchResponse.OneOf_Message)
    case encodeChunk(SnapshotPosition, FrameSlot)
    /// The position is asked for only by who makes the frame.
    case encodeDelta(() -> DeltaPosition, FrameSlot)
  }

  private static let rejectionLimit = 10_000
  /// A node that is ahead of this replica is sent away after so many signs of life.
  private static let catchUpLimit = 10

  private var phase = Phase.awaitingHello
  private(set) var scope = WatchScope(mode: .eager)
  /// The scope of what is encoded next, with the rollouts of its state that are for this node.
  private(set) var encoding = WatchScope(mode: .eager)
  private var place = NodePlace()
  private(set) var cursor = Revision.zero
  private(set) var rejected: [ResourceKey: Digest] = [:]
  private var switchCursor = Revision.zero
  private var controls: Deque<TenantSwitch> = []
  private var frame: EncodedFrame?
  private var messages: Deque<Bindery_V1_WatchResponse.OneOf_Message> = []
  /// The rest of the delta whose first chunk is out.
  private var delta: DeltaPosition?
  /// Whether the frames of `delta` are those of all watchers of the scope.
  private var isDeltaShared = false
  /// Written once the last chunk is out.
  private var endOfSnapshot: Bindery_V1_SnapshotEnd?
  /// The store that `cursor` belongs to.
  private var incarnation: UUID?
  /// What a Heartbeat is to echo, and when it came.
  private var status: (sequence: Int64, at: ContinuousClock.Instant)?
  private var newestStatus: Int64 = 0
  /// Whether another one came while it waited for a lease: it is answered without one.
  private var isOverdue = false
  private var drain: Bindery_V1_Drain?
  private var statusesAhead = 0
  /// What a LAZY node serves; nil until it has said so.
  private var served: Set<BindingID>?
  private var subscribeSequence: Int64 = 0
  /// False: data has to wait.
  private var isAdmitted: Bool
  /// False: leases have to wait.
  private var isRegistered: Bool
  /// They have to wait for the store to be asked for switches after this.
  private var registeredAt: ContinuousClock.Instant?
  /// Where the node went on from.
  private(set) var resumedFrom: Revision?
  /// When Hello came.
  private var greetedAt: ContinuousClock.Instant?
  /// The newest revision that was sent on this stream, or that the node came with.
  private var newestSent = Revision.zero
  private let leaseMilliseconds: Int64

  package init(
    leaseMilliseconds: Int64,
    isAdmitted: Bool = true,
    isRegistered: Bool = true
  ) {
    self.leaseMilliseconds = leaseMilliseconds
    self.isAdmitted = isAdmitted
    self.isRegistered = isRegistered
  }

  /// Whether something waits for the store to be asked again: a node that is ahead of what this replica
  /// knows, or a lease.
  private(set) var awaitsConfirmation = false

  // MARK: - From the node

  /// - Throws: `WatchFault`: the stream is to be ended.
  package mutating func receive(
    _ request: Bindery_V1_WatchRequest,
    at now: ContinuousClock.Instant
  ) throws(WatchFault) {
    guard let message = request.message else { throw WatchFault(.unknownMessage, "message") }
    if case .awaitingHello = phase {
      guard case .hello(let hello) = message else { throw WatchFault(.helloMissing, "hello") }
      let greeting = try WatchGreeting(hello)
      scope = greeting.scope
      place = greeting.place
      reject(greeting.rejected)
      phase = .greeted(greeting)
      greetedAt = now
      return
    }
    switch message {
    case .hello: throw WatchFault(.helloTwice, "hello")
    case .subscribe(let subscribe): try receive(subscribe)
    case .ack(let ack):
      guard ack.revision >= 0, ack.hasControl || Revision(ack.revision) <= newestSent else {
        throw WatchFault(.unknownRevision, "ack.revision")
      }
      reject(ack.rejected)
    case .status(let it):
      if it.statusSeq > newestStatus {
        newestStatus = it.statusSeq
        // Nobody is left without an answer for long: it might think that nobody is there.
        isOverdue = status != nil
        status = (it.statusSeq, now)
      }
      guard case .greeted = phase else { return }
      statusesAhead += 1
      if statusesAhead > Self.catchUpLimit {
        throw WatchFault(.replicaBehind, "resume_revision")
      }
    }
  }

  private mutating func receive(_ subscribe: Bindery_V1_Subscribe) throws(WatchFault) {
    var served = served ?? []
    for bytes in subscribe.add {
      guard let id = BindingID(bytes: bytes) else { throw WatchFault(.malformedID, "add") }
      served.insert(id)
    }
    for bytes in subscribe.remove {
      guard let id = BindingID(bytes: bytes) else { throw WatchFault(.malformedID, "remove") }
      served.remove(id)
    }
    self.served = served
    subscribeSequence = max(subscribeSequence, subscribe.subscribeSeq)
  }

  private mutating func reject(_ rejections: [Bindery_V1_Rejection]) {
    for rejection in rejections {
      // A key that can't be read is one that this control plane never sent.
      guard rejected.count < Self.rejectionLimit, let digest = Digest(bytes: rejection.digest),
        let key = try? ResourceKey(wire: rejection.key)
      else { continue }
      rejected[key] = digest
    }
  }

  /// Data may flow.
  package mutating func admit() { isAdmitted = true }

  /// Leases may be given, once the store was asked for switches later than this.
  package mutating func register(at instant: ContinuousClock.Instant) {
    isRegistered = true
    registeredAt = instant
  }

  /// No more leases are given until `register`.
  package mutating func suspend() { isRegistered = false }

  /// Tells the node to go elsewhere.
  package mutating func drain(after: Int64, jitter: Int64) {
    var message = Bindery_V1_Drain()
    message.afterMs = after
    message.jitterMs = jitter
    drain = message
  }

  // MARK: - To the node

  /// What to write now; nil when there is nothing until the view, or the node, has news.
  mutating func next(_ view: inout ChangelogView) -> Step? {
    awaitsConfirmation = false
    switch phase {
    case .awaitingHello: return nil
    case .greeted(let greeting):
      if !greet(greeting, view) { return drainStep() ?? heartbeat(view) }
    case .snapshot, .live:
      // Another store, or this one put back to before what the node has, or is about to.
      if incarnation != view.state.incarnation || cursor > view.state.revision
        || snapshotRevision > view.state.revision
      {
        startOver(view)
        controls.removeAll()
        switchCursor = .zero
      }
    }
    // First, which store revisions belong to from here on; then switches, and the leases that count on
    // them being known.
    if let message = messages.popFirst() { return .send(message) }
    collectSwitches(view)
    if let control = controls.popFirst() { return .send(.control(control.wire)) }
    if let step = heartbeat(view) ?? drainStep() { return step }
    guard isAdmitted else { return nil }
    if let frame {
      self.frame = nil
      return .write(frame)
    }
    switch phase {
    case .awaitingHello, .greeted: return nil
    case .snapshot(let position): return snapshotStep(position, &view)
    case .live: return deltaStep(&view)
    }
  }

  /// The frame of the chunk or delta that was to be encoded.
  mutating func encoded(_ content: FrameSlot.Content) {
    frame = content.frame
    switch (phase, content.next) {
    case (.snapshot, .snapshot(let next)): phase = .snapshot(next)
    case (.snapshot(let position), _):
      var end = Bindery_V1_SnapshotEnd()
      end.revision = position.state.revision.value
      cursor = position.state.revision
      newestSent = max(newestSent, cursor)
      phase = .live
      endOfSnapshot = end
    case (_, .delta(let next)): delta = next
    case (_, .end), (_, .snapshot): delta = nil
    }
  }

  /// Decides between resume and snapshot; false when this replica has yet to catch up with the node.
  private mutating func greet(_ greeting: WatchGreeting, _ view: ChangelogView) -> Bool {
    let state = view.state
    if let at = greeting.cursor, at.incarnation == scope.incarnation(of: state.incarnation),
      !isOfAnotherPast(at.revision, view)
    {
      if at.revision > state.revision {
        awaitsConfirmation = true
        return false
      }
      switchCursor = at.revision
      if at.revision >= view.log.oldest {
        var resumed = Bindery_V1_Resumed()
        resumed.from = at.revision.value
        resumed.storeIncarnation = TenantID(scope.incarnation(of: state.incarnation)).data
        messages.append(.resumed(resumed))
        cursor = at.revision
        newestSent = at.revision
        resumedFrom = at.revision
        incarnation = state.incarnation
        phase = .live
        return true
      }
    } else {
      // What it serves until the snapshot is there may be of another store: all switches, ahead of it.
      let holdsNothing = greeting.cursor == nil && !greeting.servesOld
      switchCursor = holdsNothing ? state.revision : .zero
    }
    if greeting.cursor != nil { startOver(view) } else { beginSnapshot(view) }
    return true
  }

  /// Whether a cursor is of a past that the store no longer has: the store was asked after the node told
  /// of a revision, and holds none as high. It was put back, or the node makes things up.
  private func isOfAnotherPast(_ revision: Revision, _ view: ChangelogView) -> Bool {
    guard revision > view.state.revision, let greetedAt, let confirmedAt = view.confirmedAt else {
      return false
    }
    return confirmedAt > greetedAt
  }

  private var snapshotRevision: Revision {
    if case .snapshot(let position) = phase { position.state.revision } else { .zero }
  }

  /// The node's cursor, or what it holds, is of no use: all that was not written yet is dropped.
  private mutating func startOver(_ view: ChangelogView) {
    frame = nil
    delta = nil
    messages.removeAll()
    endOfSnapshot = nil
    cursor = .zero
    resumedFrom = nil
    var expired = Bindery_V1_CursorExpired()
    expired.oldestRevision = view.log.oldest.value
    messages.append(.cursorExpired(expired))
    beginSnapshot(view)
  }

  private mutating func beginSnapshot(_ view: ChangelogView) {
    var begin = Bindery_V1_SnapshotBegin()
    begin.revision = view.state.revision.value
    begin.storeIncarnation = TenantID(scope.incarnation(of: view.state.incarnation)).data
    messages.append(.snapshotBegin(begin))
    incarnation = view.state.incarnation
    phase = .snapshot(SnapshotPosition(view.state, scope: scope))
  }

  private mutating func collectSwitches(_ view: ChangelogView) {
    guard view.newestSwitch > switchCursor else { return }
    let made = view.switches(after: switchCursor, in: scope)
    // A newer switch of the same tenant takes the place of one not written yet.
    let tenants = Set(made.map(\.tenantID))
    controls.removeAll { tenants.contains($0.tenantID) }
    controls.append(contentsOf: made)
    switchCursor = view.newestSwitch
  }

  private mutating func heartbeat(_ view: ChangelogView) -> Step? {
    guard let (sequence, at) = status else { return nil }
    var isKnown = isRegistered
    if let registeredAt, let confirmedAt = view.confirmedAt, confirmedAt < registeredAt {
      awaitsConfirmation = true
      isKnown = false
    }
    guard isKnown || isOverdue else { return nil }
    status = nil
    isOverdue = false
    // A lease ends no later than its length after the store was last seen to hold nothing newer.
    let age = view.leasesFrom.map { max(.zero, $0.duration(to: at)) } ?? .zero
    let (seconds, attoseconds) = age.components
    var heartbeat = Bindery_V1_Heartbeat()
    heartbeat.revision = view.state.revision.value
    heartbeat.statusSeq = sequence
    heartbeat.leaseMs =
      !isKnown
      ? 0
      : max(
        0,
        leaseMilliseconds - seconds * 1000 - (attoseconds + 999_999_999_999_999)
          / 1_000_000_000_000_000
      )
    return .send(.heartbeat(heartbeat))
  }

  private mutating func drainStep() -> Step? {
    guard let drain else { return nil }
    self.drain = nil
    return .send(.drain(drain))
  }

  private mutating func snapshotStep(
    _ position: SnapshotPosition,
    _ view: inout ChangelogView
  ) -> Step {
    encoding = scope.among(position.state.audiences, at: place)
    let slot =
      rejected.isEmpty
      ? view.frames.slot(
        .snapshotChunk(position.state.revision, encoding, number: position.number)
      ) : FrameSlot()
    return .encodeChunk(position, slot)
  }

  private mutating func deltaStep(_ view: inout ChangelogView) -> Step? {
    if let end = endOfSnapshot {
      endOfSnapshot = nil
      return .send(.snapshotEnd(end))
    }
    if let delta {
      encoding = scope.among(delta.state.audiences, at: place)
      let key = FrameKey.delta(
        from: delta.from,
        to: delta.state.revision,
        encoding,
        number: delta.number
      )
      return .encodeDelta({ delta }, isDeltaShared ? view.frames.slot(key) : FrameSlot())
    }
    guard cursor < view.state.revision else { return nil }
    guard let dirty = view.changes(after: cursor) else {
      // Too slow for what the log keeps: start over, within this stream.
      startOver(view)
      return messages.popFirst().map { .send($0) }
    }
    let from = cursor
    let state = view.state
    cursor = state.revision
    newestSent = max(newestSent, cursor)
    encoding = scope.among(state.audiences, at: place)
    let (named, isCommon) = name(dirty)
    isDeltaShared = isCommon && !rejected.keys.contains { dirty.keys.contains($0) }
    let key = FrameKey.delta(from: from, to: cursor, encoding, number: 0)
    let sequence = isCommon ? .max : subscribeSequence
    return .encodeDelta(
      {
        DeltaPosition(
          from: from,
          state: state,
          keys: dirty.keys,
          named: named,
          subscribeSequence: sequence
        )
      },
      isDeltaShared ? view.frames.slot(key) : FrameSlot()
    )
  }

  /// The bindings that an Invalidation names, and whether all LAZY watchers of the scope get these.
  private mutating func name(_ dirty: ChangeSet) -> ([ResourceKey], isCommon: Bool) {
    guard scope.mode == .lazy else { return ([], true) }
    var named: [ResourceKey] = []
    for key in dirty.bindings where scope.admits(key.tenantID) {
      guard case .binding(_, let id) = key else { continue }
      if served == nil || served?.remove(id) != nil { named.append(key) }
    }
    return (named, served == nil)
  }
}
