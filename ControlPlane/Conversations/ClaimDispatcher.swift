internal import DequeModule
package import Domain
package import Logging
internal import Synchronization
package import Wire

/// Hands work that nobody does to the nodes that offer to do it, each piece to one node.
///
/// One loop asks the database; nodes take turns. A piece that no node has room for is asked for
/// again later: the database remembers, this doesn't.
package final class ClaimDispatcher: Sendable {
  private struct Worker {
    var nodeID: String
    /// nil: all.
    var tenants: Set<TenantID>?
    var continuation: AsyncStream<Bindery_V1_ClaimResponse>.Continuation
  }

  private struct State {
    var workers: [UInt64: Worker] = [:]
    var order: Deque<UInt64> = []
    var nextID: UInt64 = 0
  }

  private let state = Mutex(State())
  private let claimable: @Sendable (_ limit: Int) async throws -> [Bindery_V1_ClaimResponse]
  private let interval: Duration
  private let logger: Logger

  /// - Parameters:
  ///   - interval: Time between two looks at the database.
  ///   - claimable: Takes up to `limit` pieces from the database; those aren't offered again for a
  ///     while.
  package init(
    interval: Duration = .milliseconds(500),
    logger: Logger,
    claimable: @escaping @Sendable (_ limit: Int) async throws -> [Bindery_V1_ClaimResponse]
  ) {
    self.interval = interval
    self.logger = logger
    self.claimable = claimable
  }

  /// The work for one node, until the caller stops reading or `unregister` is called.
  ///
  /// - Parameter tenants: Whose work it may do; nil for all.
  package func register(
    nodeID: String,
    capacity: Int,
    tenants: Set<TenantID>? = nil
  ) -> (id: UInt64, work: AsyncStream<Bindery_V1_ClaimResponse>) {
    let (work, continuation) = AsyncStream.makeStream(
      of: Bindery_V1_ClaimResponse.self,
      bufferingPolicy: .bufferingOldest(min(max(capacity, 1), 256))
    )
    let id = state.withLock { state in
      state.nextID += 1
      state.workers[state.nextID] = Worker(
        nodeID: nodeID,
        tenants: tenants,
        continuation: continuation
      )
      state.order.append(state.nextID)
      return state.nextID
    }
    return (id, work)
  }

  package func unregister(_ id: UInt64) {
    let worker = state.withLock { state in
      state.order.removeAll { $0 == id }
      return state.workers.removeValue(forKey: id)
    }
    worker?.continuation.finish()
  }

  /// Looks for work until cancelled.
  package func run() async throws {
    while !Task.isCancelled {
      if !state.withLock({ $0.order.isEmpty }) {
        do {
          for piece in try await claimable(64) { offer(piece) }
        } catch let error as CancellationError {
          throw error
        } catch {
          logger.warning("claimable work could not be read", metadata: ["error": "\(error)"])
        }
      }
      try await Task.sleep(for: interval)
    }
  }

  private func offer(_ piece: Bindery_V1_ClaimResponse) {
    let tenant = TenantID(bytes: piece.conversation.tenantID)
    let candidates = state.withLock { state in
      if let first = state.order.popFirst() { state.order.append(first) }
      return state.order.compactMap { state.workers[$0] }.filter { worker in
        guard let tenants = worker.tenants else { return true }
        return tenant.map(tenants.contains) ?? false
      }
    }
    for worker in candidates {
      if case .enqueued = worker.continuation.yield(piece) { return }
    }
  }
}
