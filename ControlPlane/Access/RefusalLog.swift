package import Domain
package import Logging
package import Store
internal import Synchronization

/// Brings refusals of known callers into the audit log, at a pace that no caller can drive: so many a
/// minute of each, and what waits is bounded. What is left out is counted.
package final class RefusalLog: Sendable {
  /// A call that was refused.
  package struct Refusal: Sendable {
    package var origin: AuditOrigin
    package var tenant: TenantID?
    package var method: String
    package var why: String

    package init(origin: AuditOrigin, tenant: TenantID?, method: String, why: String) {
      self.origin = origin
      self.tenant = tenant
      self.method = method
      self.why = why
    }
  }

  /// How often it came to what, since the start.
  package struct Counts: Hashable, Sendable {
    package var refused = 0
    /// Of these, not in the audit log.
    package var unwritten = 0

    package init(refused: Int = 0, unwritten: Int = 0) {
      self.refused = refused
      self.unwritten = unwritten
    }
  }

  package typealias Write = @Sendable (Refusal) async throws -> Void

  private struct State {
    var budget: FailureBudget
    var counts = Counts()
  }

  private let state: Mutex<State>
  private let start = ContinuousClock.now
  private let waiting: AsyncStream<Refusal>
  private let continuation: AsyncStream<Refusal>.Continuation
  private let write: Write
  private let logger: Logger

  /// - Parameters:
  ///   - perMinute: Rows of one caller.
  ///   - limit: How many may wait for the database.
  package init(
    perMinute: Int = 60,
    limit: Int = 512,
    logger: Logger,
    write: @escaping Write
  ) {
    state = Mutex(State(budget: FailureBudget(perMinute: perMinute)))
    (waiting, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(limit))
    self.logger = logger
    self.write = write
  }

  package var counts: Counts { state.withLock { $0.counts } }

  package func note(_ refusal: Refusal) {
    let now = ContinuousClock.now - start
    let isWanted = state.withLock { state in
      state.counts.refused += 1
      return state.budget.take(refusal.origin.actorID, at: now)
    }
    guard isWanted, case .enqueued = continuation.yield(refusal) else {
      state.withLock { $0.counts.unwritten += 1 }
      return
    }
  }

  /// Writes until cancelled. What can't be written now is not tried again: it stands in the log.
  package func run() async {
    for await refusal in waiting {
      do {
        try await write(refusal)
      } catch {
        if Task.isCancelled { return }
        state.withLock { $0.counts.unwritten += 1 }
        logger.warning(
          "a refusal is missing from the audit log",
          metadata: ["caller": "\(refusal.origin.actorID)", "error": "\(error)"]
        )
      }
    }
  }
}
