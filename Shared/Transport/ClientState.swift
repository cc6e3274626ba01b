internal import GRPCCore
internal import Synchronization

/// What a client's calls need to know of its connection, and who waits for one.
final class ClientState: Sendable {
  private struct Waiter {
    let waitsForReady: Bool
    let continuation: CheckedContinuation<ClientConnection, any Error>
  }

  private struct State {
    var current: ClientConnection?
    /// Every connection that is not closed: the one that takes calls or will, and those that end.
    var open: [ObjectIdentifier: ClientConnection] = [:]
    var connectivity = ConnectivityState.idle
    var watchers: [UInt64: AsyncStream<ConnectivityState>.Continuation] = [:]
    var failure: RPCError?
    var isShutDown = false
    var isCancelled = false
    var waiters: [UInt64: Waiter] = [:]
    var nextWaiter: UInt64 = 0
  }

  private let state = Mutex(State())
  private let wake: AsyncStream<Void>
  private let wakeContinuation: AsyncStream<Void>.Continuation

  init() {
    (wake, wakeContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  var isReady: Bool { state.withLock { $0.current != nil } }
  var isShutDown: Bool { state.withLock { $0.isShutDown } }

  // MARK: - Calls

  /// The connection for a new call, when there is one.
  ///
  /// - Throws: `RPCError` `unavailable`; `CancellationError`.
  func connection(waitForReady: Bool) async throws -> ClientConnection {
    let id = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let result: Result<ClientConnection, any Error>? = state.withLock { state in
          if Task.isCancelled { return .failure(CancellationError()) }
          if state.isShutDown {
            return .failure(RPCError(code: .unavailable, message: "the client is shut down"))
          }
          if let current = state.current { return .success(current) }
          if let failure = state.failure, !waitForReady { return .failure(failure) }
          state.waiters[id] = Waiter(waitsForReady: waitForReady, continuation: continuation)
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
      waiter?.continuation.resume(throwing: CancellationError())
    }
  }

  // MARK: - The connecting loop

  /// A round of attempts failed: calls that don't wait for a connection fail.
  func failed(_ error: RPCError) {
    let impatient = state.withLock { state in
      state.current = nil
      state.failure = error
      let impatient = state.waiters.filter { !$0.value.waitsForReady }
      for id in impatient.keys { state.waiters[id] = nil }
      return impatient
    }
    for waiter in impatient.values { waiter.continuation.resume(throwing: error) }
  }

  /// Offers `connection` to calls until it takes no more. Returns whether it ever took any.
  func use(_ connection: ClientConnection, onTooManyPings: () -> Void) async -> Bool {
    let isUnwanted = state.withLock { state in
      state.open[ObjectIdentifier(connection)] = connection
      return state.isShutDown ? (true, state.isCancelled) : (false, false)
    }
    if isUnwanted.0 { isUnwanted.1 ? connection.closeNow() : connection.finish() }
    var wasUsable = false
    follow: for await event in connection.events {
      switch event {
      case .usable:
        wasUsable = true
        let waiters = state.withLock { state -> [Waiter] in
          guard !state.isShutDown else { return [] }
          state.current = connection
          state.failure = nil
          defer { state.waiters.removeAll() }
          return Array(state.waiters.values)
        }
        report(.ready)
        for waiter in waiters { waiter.continuation.resume(returning: connection) }
      case .tooManyPings: onTooManyPings()
      case .unusable, .closed: break follow
      }
    }
    state.withLock { state in
      if state.current === connection { state.current = nil }
    }
    return wasUsable
  }

  /// Waits until a connection that takes no more calls is closed: its last ones may still run.
  func outlive(_ connection: ClientConnection) async {
    // For one that ran out of stream ids; it would stay open.
    connection.finish()
    for await _ in connection.events {}
    _ = state.withLock { $0.open.removeValue(forKey: ObjectIdentifier(connection)) }
  }

  // MARK: - Connectivity

  var connectivity: ConnectivityState { state.withLock { $0.connectivity } }

  /// The state now, then every change; a slow reader misses the oldest ones.
  func watch() -> AsyncStream<ConnectivityState> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: ConnectivityState.self,
      bufferingPolicy: .bufferingNewest(16)
    )
    let id = state.withLock { state in
      state.nextWaiter += 1
      continuation.yield(state.connectivity)
      if state.connectivity == .shutdown {
        continuation.finish()
      } else {
        state.watchers[state.nextWaiter] = continuation
      }
      return state.nextWaiter
    }
    continuation.onTermination = { [weak self] _ in
      _ = self?.state.withLock { $0.watchers.removeValue(forKey: id) }
    }
    return stream
  }

  func report(_ connectivity: ConnectivityState) {
    let watchers = state.withLock { state in
      guard state.connectivity != connectivity, state.connectivity != .shutdown else {
        return [AsyncStream<ConnectivityState>.Continuation]()
      }
      state.connectivity = connectivity
      return Array(state.watchers.values)
    }
    for watcher in watchers {
      watcher.yield(connectivity)
      if connectivity == .shutdown { watcher.finish() }
    }
  }

  /// Waits between attempts; ends early on shutdown.
  func pause(for duration: Duration) async throws {
    let isOver = await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        do {
          try await Task.sleep(for: duration)
          return true
        } catch {
          return false
        }
      }
      group.addTask { [wake] in
        for await _ in wake { break }
        return true
      }
      let first = await group.next() ?? true
      group.cancelAll()
      return first
    }
    if !isOver { try Task.checkCancellation() }
  }

  // MARK: - The end

  /// No new calls; running ones go on.
  func shutDown() {
    let (open, waiters) = state.withLock { state in
      state.isShutDown = true
      state.current = nil
      defer { state.waiters.removeAll() }
      return (Array(state.open.values), Array(state.waiters.values))
    }
    report(.shutdown)
    for waiter in waiters {
      waiter.continuation.resume(
        throwing: RPCError(code: .unavailable, message: "the client is shut down")
      )
    }
    for connection in open { connection.finish() }
    wakeContinuation.yield()
    wakeContinuation.finish()
  }

  /// All ends now.
  func cancel() {
    state.withLock { $0.isCancelled = true }
    shutDown()
    for connection in state.withLock({ Array($0.open.values) }) { connection.closeNow() }
  }
}
