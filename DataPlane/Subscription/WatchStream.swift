internal import Domain
internal import Synchronization
internal import Wire

/// What belongs to one watch stream of a node: the machine, the leases, the outbox.
final class WatchStream: Sendable {
  private struct State {
    var machine: SubscriptionMachine
    var leases = LeaseKeeper()
    var lastHeard = ContinuousClock.now
    var wasLive = false
    var drain: (after: Duration, jitter: Duration)?
  }

  let outbox = WatchOutbox()
  private let state: Mutex<State>
  private let cache: ConfigCache

  init(held: SubscriptionMachine.Cursor?, cache: ConfigCache) {
    state = Mutex(State(machine: SubscriptionMachine(held: held)))
    self.cache = cache
  }

  /// True once the stream was good for something: the next try need not wait long.
  var wasLive: Bool { state.withLock { $0.wasLive } }
  var drain: (after: Duration, jitter: Duration)? { state.withLock { $0.drain } }
  var lastHeard: ContinuousClock.Instant { state.withLock { $0.lastHeard } }
  var statusInterval: Duration { state.withLock { $0.leases.interval } }

  func nextStatus() -> Int64 { state.withLock { $0.leases.nextStatus(at: .now) } }

  /// Takes in a message; false when the stream is to be left.
  func receive(_ message: Bindery_V1_WatchResponse) async throws -> Bool {
    let result: Result<SubscriptionMachine.Action?, SubscriptionMachine.Fault> = state.withLock {
      state in
      state.lastHeard = .now
      do throws(SubscriptionMachine.Fault) {
        let action = try state.machine.receive(message)
        if state.machine.isLive { state.wasLive = true }
        return .success(action)
      } catch {
        return .failure(error)
      }
    }
    if wasLive { cache.setStreaming(true) }
    switch try result.get() {
    case nil: return true
    case .apply(let batch):
      let rejected = try await cache.apply(batch)
      outbox.acknowledge(batch.cursor.revision, rejected: rejected)
      if !batch.invalidated.isEmpty { outbox.subscribe(remove: Set(batch.invalidated)) }
      return true
    case .control(let tenant, let revision, let status):
      outbox.acknowledge(tenant, try await cache.take(tenant, revision, status))
      return true
    case .heartbeat(let revision, let sequence, let lease):
      let end = state.withLock { $0.leases.renew(sequence, lease: lease) }
      if let end { cache.extendLease(to: end, newest: revision) }
      return true
    case .drain(let after, let jitter):
      state.withLock { $0.drain = (after, jitter) }
      return false
    }
  }
}
