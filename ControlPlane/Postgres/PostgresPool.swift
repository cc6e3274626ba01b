package import Logging
internal import Synchronization

/// A bounded set of connections to one database.
///
/// Connections are opened when they are needed and kept. A broken one is dropped, and whoever needs
/// one next opens it, with back-off, for as long as `acquireTimeout` allows; so a restart of the
/// database costs the statements that were under way, and a wait.
package final class PostgresPool: Sendable {
  typealias Waiter = CheckedContinuation<PoolGrant<PostgresWire>, any Error>
  typealias Machine = PoolMachine<PostgresWire, Waiter>

  struct State: Sendable {
    var machine: Machine
    var backoff = Backoff()
    var lastFailure: PostgresError?
    var isTimerSet = false
    var listeners: [ObjectIdentifier: PostgresWire] = [:]
    var drained: [CheckedContinuation<Void, Never>] = []
  }

  let configuration: PostgresConfiguration
  let logger: Logger
  let reactor: PostgresReactor
  let state: Mutex<State>

  package init(configuration: PostgresConfiguration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
    reactor = .shared
    state = Mutex(
      State(
        machine: Machine(
          maxMembers: configuration.maxConnections,
          maxWaiters: configuration.maxWaiters
        )
      )
    )
  }

  /// Lends a connection for the time of `body`.
  ///
  /// Session state that `body` leaves behind (SET, session locks, temporary tables) stays on the
  /// connection: undo it, or use a transaction. A connection that comes back within a transaction is
  /// closed.
  package func withConnection<T: Sendable>(
    _ body: (PostgresConnection) async throws -> T
  ) async throws -> T {
    let wire = try await acquire()
    let connection = PostgresConnection(wire: wire, timeout: configuration.statementTimeout)
    do {
      let value = try await body(connection)
      await give(back: wire, of: connection)
      return value
    } catch {
      await give(back: wire, of: connection)
      throw error
    }
  }

  /// One statement on any connection, in a transaction of its own.
  @discardableResult
  package func query(_ sql: SQL) async throws -> [PostgresRow] {
    try await withConnection { try await $0.query(sql) }
  }

  /// Like `query`; how many rows the statement wrote.
  @discardableResult
  package func execute(_ sql: SQL) async throws -> Int {
    try await withConnection { try await $0.execute(sql) }
  }

  /// Notifications of a channel, on a connection of its own that reconnects by itself.
  package func listen(_ channel: String) -> PostgresNotifications {
    PostgresNotifications(pool: self, channel: channel)
  }

  /// Refuses new callers, fails those that wait, ends `listen`, closes idle connections and then
  /// waits for those that are lent.
  package func shutdown() async {
    let (waiters, wires) = state.withLock { state in
      let (waiters, idle) = state.machine.close()
      defer { state.listeners = [:] }
      return (waiters, idle + state.listeners.values)
    }
    for waiter in waiters { waiter.resume(throwing: Self.isShutDown) }
    for wire in wires { await wire.close() }
    await withCheckedContinuation { continuation in
      let isDrained = state.withLock { state in
        guard state.machine.members > 0 else { return true }
        state.drained.append(continuation)
        return false
      }
      if isDrained { continuation.resume() }
    }
  }

  static let isShutDown = PostgresError(.closed, "the connection pool has been shut down")

  var isClosed: Bool { state.withLock { $0.machine.isClosed } }
}
