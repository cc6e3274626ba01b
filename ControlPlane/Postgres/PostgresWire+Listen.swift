internal import CLibPQ

/// Waiting for notifications.
extension PostgresWire {
  /// The next notification; waits for it. Throws when the connection breaks or the task is cancelled.
  func nextNotification() async throws -> PostgresNotification {
    try await perform(deadline: nil, cancellation: .local) { wire in
      while true {
        if let next = wire.notifications.next() { return next }
        if wire.wasCancelled { throw PostgresError(.cancelled, "cancelled") }
        try await wire.waitForServer()
        guard PQstatus(try wire.libpq()) != CONNECTION_BAD else {
          wire.fail(Self.broke)
          throw Self.broke
        }
      }
    }
  }
}
