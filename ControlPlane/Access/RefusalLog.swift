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
    var waiting: [Refusal] = []
    /// Wakes who writes.
    var ring: AsyncStream<Void>.Continuation?
    var isClosed = false
  }

  private let state: Mutex<State>
  private let start = ContinuousClock.now
  private let limit: Int
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
    self.limit = limit
    self.logger = logger
    self.write = write
  }

  package var counts: Counts { state.withLock { $0.counts } }

  package func note(_ refusal: Refusal) {
    let now = ContinuousClock.now - start
    let ring = state.withLock { state -> AsyncStream<Void>.Continuation? in
      state.counts.refused += 1
      guard state.budget.take(refusal.origin.actorID, at: now), state.waiting.count < limit,
        !state.isClosed
      else {
        state.counts.unwritten += 1
        return nil
      }
      state.waiting.append(refusal)
      return state.ring
    }
    ring?.yield()
  }

  /// Writes until cancelled; what waits then is `finish`'s. What can't be written now is not tried
  /// again: it stands in the log.
  package func run() async {
    let (rings, ring) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    state.withLock { $0.ring = ring }
    ring.yield()
    for await _ in rings { await writeAll() }
  }

  /// Takes no more refusals and writes those that wait, for so long at most. The others are counted,
  /// and the log tells how many they are.
  package func finish(within patience: Duration) async {
    state.withLock { state in
      state.isClosed = true
      state.ring = nil
    }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.writeAll() }
      group.addTask {
        // Cancelled once all is written.
        do { try await Task.sleep(for: patience) } catch {}
      }
      await group.next()
      group.cancelAll()
    }
    let lost = state.withLock { state in
      defer { state.waiting = [] }
      state.counts.unwritten += state.waiting.count
      return state.waiting.count
    }
    guard lost > 0 else { return }
    logger.warning("refusals are missing from the audit log", metadata: ["count": "\(lost)"])
  }

  /// Until none waits, or cancelled.
  private func writeAll() async {
    while !Task.isCancelled, let refusal = state.withLock({ $0.waiting.popFirst() }) {
      do {
        try await write(refusal)
      } catch {
        // Called back. Should it stand in the log all the same, twice is better than not at all.
        if Task.isCancelled {
          state.withLock { $0.waiting.insert(refusal, at: 0) }
          return
        }
        state.withLock { $0.counts.unwritten += 1 }
        logger.warning(
          "a refusal is missing from the audit log",
          metadata: ["caller": "\(refusal.origin.actorID)", "error": "\(error)"]
        )
      }
    }
  }
}

extension [RefusalLog.Refusal] {
  /// In a queue of some hundred at most.
  fileprivate mutating func popFirst() -> RefusalLog.Refusal? { isEmpty ? nil : removeFirst() }
}
