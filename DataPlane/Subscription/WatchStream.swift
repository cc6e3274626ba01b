internal import Domain
internal import Synchronization
internal import Wire

/// A watch stream of a node: carries what `NodeStream` decides to the cache, to the disk and back.
final class WatchStream: Sendable {
  private let cache: ConfigCache
  private let state: Mutex<NodeStream>
  private let signal: AsyncStream<Void>.Continuation
  /// Rings when `take` may have something.
  let wakeups: AsyncStream<Void>

  init(_ cache: ConfigCache) {
    self.cache = cache
    state = Mutex(NodeStream(cache.state, at: .now))
    (wakeups, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  var wasLive: Bool { state.withLock { $0.wasLive } }
  var drain: (after: Duration, jitter: Duration)? { state.withLock { $0.drain } }
  var statusInterval: Duration { state.withLock { $0.statusInterval } }

  func isSilent(for patience: Duration) -> Bool {
    state.withLock { $0.isSilent(for: patience, at: .now) }
  }

  func hello(_ identity: NodeIdentity) -> Bindery_V1_WatchRequest {
    state.withLock { $0.hello(identity, cache.state) }
  }

  /// Takes in a message; false when the stream is to be left.
  func receive(_ message: Bindery_V1_WatchResponse) async throws -> Bool {
    let result: Result<NodeStream.Work?, SubscriptionMachine.Fault> = state.withLock { stream in
      do throws(SubscriptionMachine.Fault) {
        return .success(try stream.receive(message, at: .now))
      } catch {
        return .failure(error)
      }
    }
    if wasLive { cache.setStreaming(true) }
    switch try result.get() {
    case nil: break
    case .apply(let batch):
      let applied = cache.apply(batch) { self.state.withLock { $0.unconfirmed(batch) } }
      state.withLock { stream in
        stream.applied(
          batch,
          rejected: applied.rejected,
          dropped: applied.dropped,
          after: applied.change
        )
      }
      try await cache.writeSwitches()
    case .take(let made):
      if let (inForce, change) = cache.take(made) {
        state.withLock { $0.took(made.tenantID, inForce, after: change) }
      }
      try await cache.writeSwitches()
    case .heartbeat(let beat): cache.take(beat)
    }
    signal.yield()
    return drain == nil
  }

  func tell(_ status: Bindery_V1_NodeStatus) {
    state.withLock { $0.tell(status, at: .now) }
    signal.yield()
  }

  func subscribe(add bindings: Set<BindingID>) {
    state.withLock { $0.subscribe(add: bindings) }
    signal.yield()
  }

  /// LAZY: tells what was refused of what was fetched.
  func refused(_ rejected: [Bindery_V1_Rejection], asOf revision: Revision, after change: Int) {
    if rejected.isEmpty { return }
    state.withLock { $0.refused(rejected, asOf: revision, after: change) }
    signal.yield()
  }

  func serves(_ binding: BindingID) -> Bool { state.withLock { $0.serves(binding) } }

  func take() -> [Bindery_V1_WatchRequest] {
    let written = cache.state.written
    return state.withLock { $0.take(written: written) }
  }

  func finish() { signal.finish() }
}
