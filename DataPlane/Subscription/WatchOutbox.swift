internal import Domain
internal import Synchronization
internal import Wire

/// What a node has to tell on one stream. Bounded: newer news of the same thing takes the place of
/// older.
final class WatchOutbox: Sendable {
  private struct State {
    var ack: Bindery_V1_Ack?
    var controls: [TenantID: Revision] = [:]
    var status: Bindery_V1_NodeStatus?
    var added: Set<BindingID> = []
    var removed: Set<BindingID> = []
  }

  private let state = Mutex(State())
  private let signal: AsyncStream<Void>.Continuation
  /// Rings when `take` may have something.
  let wakeups: AsyncStream<Void>

  init() {
    (wakeups, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  func acknowledge(_ revision: Revision, rejected: [Bindery_V1_Rejection]) {
    state.withLock { state in
      var ack = state.ack ?? Bindery_V1_Ack()
      ack.revision = revision.value
      ack.applied = true
      ack.rejected += rejected
      state.ack = ack
    }
    signal.yield()
  }

  func acknowledge(_ tenant: TenantID, _ switchRevision: Revision) {
    state.withLock { $0.controls[tenant] = switchRevision }
    signal.yield()
  }

  func tell(_ status: Bindery_V1_NodeStatus) {
    state.withLock { $0.status = status }
    signal.yield()
  }

  func subscribe(add: Set<BindingID> = [], remove: Set<BindingID> = []) {
    state.withLock { state in
      state.added = state.added.subtracting(remove).union(add)
      state.removed = state.removed.subtracting(add).union(remove)
    }
    signal.yield()
  }

  func finish() { signal.finish() }

  /// What is to be written now, switches first.
  func take() -> [Bindery_V1_WatchRequest] {
    state.withLock { state in
      defer { state = State() }
      var messages: [Bindery_V1_WatchRequest.OneOf_Message] = []
      for (tenant, revision) in state.controls.sorted(by: { $0.value < $1.value }) {
        var ack = Bindery_V1_Ack()
        ack.revision = revision.value
        ack.control.tenantID = tenant.data
        ack.control.switchRevision = revision.value
        messages.append(.ack(ack))
      }
      if !state.added.isEmpty || !state.removed.isEmpty {
        var subscribe = Bindery_V1_Subscribe()
        subscribe.add = state.added.map(\.data)
        subscribe.remove = state.removed.map(\.data)
        messages.append(.subscribe(subscribe))
      }
      if let ack = state.ack { messages.append(.ack(ack)) }
      if let status = state.status { messages.append(.status(status)) }
      return messages.map { message in
        var request = Bindery_V1_WatchRequest()
        request.message = message
        return request
      }
    }
  }
}
