package import Domain
package import Foundation
internal import Logging
internal import Postgres
internal import Synchronization

extension Store {
  static let revisionChannel = "bindery_revision"

  /// Returns as soon as there is a revision after `revision`, or after `patience` with whatever there
  /// is. A notification wakes it when `runWakeups` runs; without one it looks every `poll`.
  package func waitForRevision(
    after revision: Revision,
    patience: Duration = .seconds(30),
    poll: Duration = .milliseconds(500)
  ) async throws -> (incarnation: UUID, revision: Revision) {
    let deadline = ContinuousClock.now + patience
    while true {
      let ticket = wakeups.ticket()
      let current = try await currentPosition()
      if current.revision > revision || ContinuousClock.now >= deadline { return current }
      try await wakeups.wait(ticket, atMost: min(poll, deadline - ContinuousClock.now))
    }
  }

  /// Passes the database's notifications on to those that wait; runs until cancelled or the pool
  /// is shut down.
  ///
  /// Meanwhile this process tells the others of its commits from here: the newest at a time, and no
  /// answer to an author waits for it.
  package func runWakeups() async throws {
    let (revisions, announcer) = AsyncStream.makeStream(
      of: Revision.self,
      bufferingPolicy: .bufferingNewest(1)
    )
    announcements.withLock { $0.announcer = announcer }
    defer { announcements.withLock { $0.announcer = nil } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for try await _ in self.distribution.listen(Self.revisionChannel) {
          self.wakeups.wakeAll()
        }
      }
      group.addTask { for await revision in revisions { await self.notify(revision) } }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Calls `take` with each commit that this process makes from now on, as soon as it is made, in no
  /// order.
  package func whenCommitted(_ take: @escaping @Sendable (Commit, UUID) -> Void) {
    announcements.withLock { $0.take = take }
  }

  /// Tells this process and all others. After the commit and outside of its transaction: NOTIFY takes a
  /// lock that all committing transactions share. A lost one costs a poll interval, no more.
  func announce(_ made: MadeCommit) async {
    if let take = announcements.withLock({ $0.take }) { take(made.commit, made.incarnation) }
    await announce(made.revision)
  }

  /// Tells that there is a commit, which everyone reads back from the changelog.
  func announce(_ revision: Revision) async {
    wakeups.wakeAll()
    if let announcer = announcements.withLock({ $0.announcer }) {
      announcer.yield(revision)
    } else {
      await notify(revision)
    }
  }

  private func notify(_ revision: Revision) async {
    do {
      try await app.query("select pg_notify(\(Self.revisionChannel), \(revision.description))")
    } catch {
      logger.warning("revision not announced", metadata: ["error": "\(error)"])
    }
  }
}

/// Who is told of what this process commits.
struct Announcements: Sendable {
  var take: (@Sendable (Commit, UUID) -> Void)?
  var announcer: AsyncStream<Revision>.Continuation?
}

/// Wakes those who wait. Nothing is lost between taking a ticket and waiting on it.
final class Wakeups: Sendable {
  private struct State {
    var generation = 0
    var nextWaiter = 0
    var waiters: [Int: AsyncStream<Void>.Continuation] = [:]
  }

  private let state = Mutex(State())

  func ticket() -> Int { state.withLock { $0.generation } }

  func wakeAll() {
    let waiters = state.withLock { state in
      state.generation += 1
      defer { state.waiters = [:] }
      return state.waiters.values.map { $0 }
    }
    for waiter in waiters { waiter.finish() }
  }

  /// Returns after the first `wakeAll` since `ticket` was taken, or after `limit`.
  func wait(_ ticket: Int, atMost limit: Duration) async throws {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    let number: Int? = state.withLock { state in
      guard state.generation == ticket else { return nil }
      state.nextWaiter += 1
      state.waiters[state.nextWaiter] = continuation
      return state.nextWaiter
    }
    guard let number else { return }
    defer {
      state.withLock { _ = $0.waiters.removeValue(forKey: number) }
    }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { for await _ in stream {} }
      group.addTask {
        do { try await Task.sleep(for: limit) } catch { continuation.finish() }
      }
      await group.next()
      group.cancelAll()
    }
    try Task.checkCancellation()
  }
}
