internal import Synchronization

/// One connection, lent by a pool for the time of a closure.
///
/// One statement at a time: a second one while the first runs is refused as `misuse`; `pipeline`
/// sends several in one round trip. After the closure has ended, every call is refused.
package final class PostgresConnection: Sendable {
  let wire: PostgresWire
  private let timeout: Duration
  private let state: Mutex<State>

  private struct State {
    var isLent = true
    /// What goes ahead of the first statement: BEGIN and the transaction's settings.
    var prologue: [SQL]
  }

  init(wire: PostgresWire, timeout: Duration, prologue: [SQL] = []) {
    self.wire = wire
    self.timeout = timeout
    state = Mutex(State(prologue: prologue))
  }

  /// The rows of one statement; prepared on first use and kept by its text.
  @discardableResult
  package func query(_ sql: SQL) async throws -> [PostgresRow] {
    try await run([sql])[0].rows
  }

  /// How many rows the statement wrote.
  @discardableResult
  package func execute(_ sql: SQL) async throws -> Int {
    try await run([sql])[0].affectedRows
  }

  /// Several statements in one round trip, with their rows in order.
  ///
  /// Outside of a transaction they form one of their own: all or none.
  package func pipeline(_ statements: [SQL]) async throws -> [[PostgresRow]] {
    guard !statements.isEmpty else { return [] }
    return try await run(statements).map(\.rows)
  }

  /// Several statements in one text, without values: for migrations.
  ///
  /// No client-side deadline; the server's statement timeout holds unless the script sets another.
  package func execute(script: String) async throws {
    try await sendPrologue()
    try await wire.run(script: script)
  }

  /// Runs `COPY … FROM STDIN` (text format, no options); returns the number of rows written.
  @discardableResult
  package func copyIn(
    _ sql: SQL,
    rows: some Sequence<[any PostgresValue]> & Sendable
  ) async throws -> Int {
    try await sendPrologue()
    return try await wire.copyIn(sql, rows: rows)
  }

  // MARK: - For the pool

  /// Whether anything has been sent; true outside of transactions.
  var hasBegun: Bool { state.withLock { $0.prologue.isEmpty } }

  /// The closure has ended.
  func end() {
    state.withLock { $0.isLent = false }
  }

  private func run(_ statements: [SQL]) async throws -> [PostgresResult] {
    let prologue = try state.withLock { state in
      guard state.isLent else {
        throw PostgresError(.misuse, "a connection was used after its closure had ended")
      }
      return state.prologue
    }
    guard !prologue.isEmpty else { return try await wire.run(statements, timeout: timeout) }
    // Only what reached the server is done with: a statement refused before it was sent must not
    // leave the next one outside of the transaction.
    defer { if wire.condition != .idle { state.withLock { $0.prologue = [] } } }
    let results = try await wire.run(prologue + statements, timeout: timeout)
    return Array(results.dropFirst(prologue.count))
  }

  private func sendPrologue() async throws { _ = try await run([]) }
}
