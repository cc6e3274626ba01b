/// What a LISTEN connection tells.
package enum PostgresNotification: Sendable, Equatable {
  /// From now on notifications arrive. Comes first, after each reconnection, and after more came than
  /// were kept: what was sent before may be lost, so read the state again.
  case listening
  case notification(payload: String)
}

/// The notifications of one channel. Ends when the pool shuts down; throws when the task is cancelled.
package struct PostgresNotifications: AsyncSequence, Sendable {
  package struct AsyncIterator: AsyncIteratorProtocol {
    package mutating func next() async throws -> PostgresNotification? { nil }
  }

  package func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}
