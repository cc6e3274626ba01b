internal import DequeModule
internal import Domain
internal import Foundation
package import Wire
internal import WireMapping

/// One watch stream, server side, without I/O. Its memory is bounded: a cursor, the keys refused,
/// what a LAZY node serves, and the frames of one chunk or delta.
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
    case encodeDelta(DeltaPlan, FrameSlot)
  }

  struct DeltaPlan {
    let from: Revision
    let state: ConfigState
    let dirty: Set<ResourceKey>
    let named: [ResourceKey]
  }

  private static let rejectionLimit = 10_000

  private var phase = Phase.awaitingHello
  private(set) var scope = WatchScope(mode: .eager)
  private(set) var cursor = Revision.zero
  private(set) var rejected: [ResourceKey: Digest] = [:]
  private var switchCursor = Revision.zero
  private var controls: Deque<TenantSwitch> = []
  private var frames: Deque<EncodedFrame> = []
  private var messages: Deque<Bindery_V1_WatchResponse.OneOf_Message> = []
  /// Written once the last chunk is out.
  private var endOfSnapshot: Bindery_V1_SnapshotEnd?
  /// The store that `cursor` belongs to.
  private var incarnation: UUID?
  private var statusToEcho: Int64?
  private var drain: Bindery_V1_Drain?
  /// What a LAZY node serves; nil until it has said so.
  private var served: Set<BindingID>?
  private let leaseMilliseconds: Int64

  package init(leaseMilliseconds: Int64) { self.leaseMilliseconds = leaseMilliseconds }

  // MARK: - From the node

  /// - Throws: `WatchFault`: the stream is to be ended.
  package mutating func receive(_ request: Bindery_V1_WatchRequest) throws(WatchFault) {
    guard let message = request.message else { throw WatchFault(.unknownMessage, "message") }
    if case .awaitingHello = phase {
      guard case .hello(let hello) = message else { throw WatchFault(.helloMissing, "hello") }
      let greeting = try WatchGreeting(hello)
      scope = greeting.scope
      phase = .greeted(greeting)
      return
    }
    switch message {
    case .hello: throw WatchFault(.helloTwice, "hello")
    case .subscribe(let subscribe): try receive(subscribe)
    case .ack(let ack): receive(ack)
    case .status(let status): statusToEcho = max(statusToEcho ?? 0, status.statusSeq)
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
  }

  private mutating func receive(_ ack: Bindery_V1_Ack) {
    for rejection in ack.rejected {
      // A key that can't be read is one that this control plane never sent.
      guard rejected.count < Self.rejectionLimit, let digest = Digest(bytes: rejection.digest),
        let key = try? ResourceKey(wire: rejection.key)
      else { continue }
      rejected[key] = digest
    }
  }

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
    switch phase {
    case .awaitingHello: return nil
    case .greeted(let greeting):
      if !greet(greeting, view) { return heartbeat(view) }
    case .snapshot, .live:
      if incarnation != view.state.incarnation {
        startOver(view)
        switchCursor = view.state.revision
      }
    }
    collectSwitches(view)
    if let control = controls.popFirst() { return .send(.control(control.wire)) }
    if let heartbeat = heartbeat(view) { return heartbeat }
    if let drain {
      self.drain = nil
      return .send(.drain(drain))
    }
    if let message = messages.popFirst() { return .send(message) }
    if let frame = frames.popFirst() { return .write(frame) }
    switch phase {
    case .awaitingHello, .greeted: return nil
    case .snapshot(let position): return snapshotStep(position, &view)
    case .live: return deltaStep(&view)
    }
  }

  /// The frames of the chunk or delta that was to be encoded.
  mutating func encoded(_ content: FrameSlot.Content) {
    frames.append(contentsOf: content.frames)
    guard case .snapshot(let position) = phase else { return }
    if let next = content.next {
      phase = .snapshot(next)
    } else {
      var end = Bindery_V1_SnapshotEnd()
      end.revision = position.state.revision.value
      cursor = position.state.revision
      phase = .live
      endOfSnapshot = end
    }
  }

  /// Decides between resume and snapshot; false when this replica has yet to catch up with the node.
  private mutating func greet(_ greeting: WatchGreeting, _ view: ChangelogView) -> Bool {
    let state = view.state
    if let at = greeting.cursor, at.incarnation == scope.incarnation(of: state.incarnation) {
      if at.revision > state.revision { return false }
      switchCursor = at.revision
      if at.revision >= view.log.oldest {
        var resumed = Bindery_V1_Resumed()
        resumed.from = at.revision.value
        resumed.storeIncarnation = TenantID(scope.incarnation(of: state.incarnation)).data
        messages.append(.resumed(resumed))
        cursor = at.revision
        incarnation = state.incarnation
        phase = .live
        return true
      }
    } else {
      switchCursor = state.revision
    }
    if greeting.cursor != nil { startOver(view) } else { beginSnapshot(view) }
    return true
  }

  /// The node's cursor, or what it holds, is of no use: all that was not written yet is dropped.
  private mutating func startOver(_ view: ChangelogView) {
    frames.removeAll()
    messages.removeAll()
    endOfSnapshot = nil
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
    let made = view.state.switches(after: switchCursor, in: scope)
    // A newer switch of the same tenant takes the place of one not written yet.
    let tenants = Set(made.map(\.tenantID))
    controls.removeAll { tenants.contains($0.tenantID) }
    controls.append(contentsOf: made.sorted { $0.revision < $1.revision })
    switchCursor = view.newestSwitch
  }

  private mutating func heartbeat(_ view: ChangelogView) -> Step? {
    guard let status = statusToEcho else { return nil }
    statusToEcho = nil
    var heartbeat = Bindery_V1_Heartbeat()
    heartbeat.revision = view.state.revision.value
    heartbeat.statusSeq = status
    heartbeat.leaseMs = leaseMilliseconds
    return .send(.heartbeat(heartbeat))
  }

  private func snapshotStep(_ position: SnapshotPosition, _ view: inout ChangelogView) -> Step {
    let slot =
      rejected.isEmpty
      ? view.frames.slot(
        .snapshotChunk(position.state.revision, scope, number: position.number)
      ) : FrameSlot()
    return .encodeChunk(position, slot)
  }

  private mutating func deltaStep(_ view: inout ChangelogView) -> Step? {
    if let end = endOfSnapshot {
      endOfSnapshot = nil
      return .send(.snapshotEnd(end))
    }
    guard cursor < view.state.revision else { return nil }
    guard let dirty = view.log.keys(after: cursor) else {
      // Too slow for what the log keeps: start over, within this stream.
      startOver(view)
      return messages.popFirst().map { .send($0) }
    }
    let from = cursor
    cursor = view.state.revision
    let (named, isCommon) = name(dirty)
    let isShared = isCommon && !dirty.contains { rejected[$0] != nil }
    let slot =
      isShared ? view.frames.slot(.delta(from: from, to: cursor, scope)) : FrameSlot()
    return .encodeDelta(
      DeltaPlan(from: from, state: view.state, dirty: dirty, named: named),
      slot
    )
  }

  /// The bindings that an Invalidation names, and whether all LAZY watchers of the scope get these.
  private mutating func name(_ dirty: Set<ResourceKey>) -> ([ResourceKey], isCommon: Bool) {
    guard scope.mode == .lazy else { return ([], true) }
    var named: [ResourceKey] = []
    for key in dirty where scope.admits(key.tenantID) {
      guard case .binding(_, let id) = key else { continue }
      if served == nil || served?.remove(id) != nil { named.append(key) }
    }
    return (named, served == nil)
  }
}

extension TenantSwitch {
  package var wire: Bindery_V1_Control {
    var control = Bindery_V1_Control()
    control.tenantID = tenantID.data
    control.switchRevision = revision.value
    control.status = status.wire
    return control
  }
}
