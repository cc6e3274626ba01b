internal import Synchronization

/// The time until which the next sign of life is due, watched by a task of its own.
///
/// Whoever makes progress moves it on; it never goes past the deadline of the whole call.
final class ProgressDeadline: Sendable {
  private let end: ContinuousClock.Instant
  private let step: Duration
  private let due: Mutex<ContinuousClock.Instant>

  /// - Parameter step: how exactly a deadline that was moved nearer is kept.
  init(first: Duration, total: Duration, step: Duration) {
    let now = ContinuousClock.now
    end = now + total
    self.step = step
    due = Mutex(min(now + first, end))
  }

  func extend(by time: Duration) {
    let next = min(ContinuousClock.now + time, end)
    due.withLock { $0 = next }
  }

  /// Returns true once the time is up, false when cancelled.
  func expired() async -> Bool {
    while true {
      let now = ContinuousClock.now
      let next = due.withLock { $0 }
      if next <= now { return true }
      do {
        try await Task.sleep(until: min(next, now + step), clock: .continuous)
      } catch {
        return false
      }
    }
  }
}
