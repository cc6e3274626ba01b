internal import Synchronization

/// What a LISTEN connection tells.
package enum PostgresNotification: Sendable, Equatable {
  /// From now on notifications arrive; what was sent before may be lost, so read the state again.
  ///
  /// Comes first, after each reconnection, and after more came than were kept.
  case listening
  case notification(payload: String)
}

/// The notifications of one channel.
///
/// Ends when the pool shuts down. Throws only `CancellationError`: a lost connection is opened
/// again, with back-off, for as long as it takes.
package struct PostgresNotifications: AsyncSequence, Sendable {
  package typealias Element = PostgresNotification

  let pool: PostgresPool
  let channel: String

  package func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(pool: pool, channel: channel)
  }

  package final class AsyncIterator: AsyncIteratorProtocol {
    private let pool: PostgresPool
    private let channel: String
    private var wire: PostgresWire?

    init(pool: PostgresPool, channel: String) {
      self.pool = pool
      self.channel = channel
    }

    deinit {
      // The wire closes with its last reference.
      guard let wire else { return }
      pool.state.withLock { $0.listeners[ObjectIdentifier(wire)] = nil }
    }

    package func next() async throws -> PostgresNotification? {
      while !pool.isClosed {
        do {
          if let wire { return try await wire.nextNotification() }
          wire = try await connect()
          return .listening
        } catch let error as PostgresError {
          await dropWire()
          if error.kind == .cancelled { throw CancellationError() }
        }
      }
      return nil
    }

    private func connect() async throws -> PostgresWire {
      let wire = try await pool.connect(until: .now + pool.configuration.acquireTimeout)
      let isRegistered = pool.state.withLock { state in
        guard !state.machine.isClosed else { return false }
        state.listeners[ObjectIdentifier(wire)] = wire
        return true
      }
      guard isRegistered else {
        await wire.close()
        throw PostgresPool.isShutDown
      }
      do {
        _ = try await wire.run(
          [SQL("LISTEN \(identifier: channel)", name: "listen")],
          timeout: pool.configuration.statementTimeout
        )
      } catch {
        pool.state.withLock { $0.listeners[ObjectIdentifier(wire)] = nil }
        await wire.close()
        throw error
      }
      return wire
    }

    private func dropWire() async {
      guard let wire else { return }
      self.wire = nil
      pool.state.withLock { $0.listeners[ObjectIdentifier(wire)] = nil }
      await wire.close()
    }
  }
}
