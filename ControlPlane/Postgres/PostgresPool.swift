package import Logging

/// A bounded set of connections to one database.
package final class PostgresPool: Sendable {
  package init(configuration: PostgresConfiguration, logger: Logger) {}

  /// Lends a connection for the time of `body`. Session state that `body` leaves behind (SET, session
  /// locks, temporary tables) stays on the connection: undo it, or use a transaction.
  package func withConnection<T: Sendable>(
    _ body: (PostgresConnection) async throws -> T
  ) async throws -> T {
    throw PostgresError(.connection, "not connected yet")
  }

  /// Runs `body` between BEGIN and COMMIT; any error thrown rolls back. `settings` hold until the end
  /// of the transaction (`set_config(name, value, true)`).
  package func withTransaction<T: Sendable>(
    settings: [String: String] = [:],
    isolation: Isolation = .readCommitted,
    readOnly: Bool = false,
    _ body: (PostgresConnection) async throws -> T
  ) async throws -> T {
    throw PostgresError(.connection, "not connected yet")
  }

  /// One statement on any connection, in a transaction of its own.
  @discardableResult
  package func query(_ sql: SQL) async throws -> [PostgresRow] {
    throw PostgresError(.connection, "not connected yet")
  }

  /// Notifications of a channel, on a connection of its own that reconnects by itself.
  package func listen(_ channel: String) -> PostgresNotifications {
    PostgresNotifications()
  }

  /// Refuses new callers, fails those that wait, closes idle connections and then waits for those
  /// that are lent.
  package func shutdown() async {}
}
