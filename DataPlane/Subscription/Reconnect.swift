/// When a node tries again: exponential with jitter after failures, as told after a Drain.
package struct Reconnect: Sendable {
  /// A control plane that asks for a longer wait is not believed.
  private static let patience: Duration = .seconds(60)

  package let first: Duration
  package let last: Duration
  private var backoff: Duration

  package init(first: Duration = .seconds(1), last: Duration = .seconds(30)) {
    self.first = first
    self.last = last
    backoff = first
  }

  /// How long to wait after a stream has ended.
  ///
  /// - Parameter chance: 0 ..< 1, by lot.
  package mutating func wait(
    wasLive: Bool,
    drain: (after: Duration, jitter: Duration)?,
    chance: Double
  ) -> Duration {
    if wasLive { backoff = first }
    if let drain {
      return min(drain.after, Self.patience) + min(drain.jitter, Self.patience) * chance
    }
    defer { backoff = min(backoff * 2, last) }
    return backoff * (0.5 + chance / 2)
  }
}
