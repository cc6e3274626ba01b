/// One connection, lent by a pool for the time of a closure. One statement at a time: a second one
/// while the first runs is refused as `misuse`; `pipeline` sends several in one round trip.
package final class PostgresConnection: Sendable {
  /// The rows of one statement; prepared on first use and kept by its text.
  @discardableResult
  package func query(_ sql: SQL) async throws -> [PostgresRow] {
    throw PostgresError(.connection, "not connected yet")
  }

  /// How many rows the statement wrote.
  @discardableResult
  package func execute(_ sql: SQL) async throws -> Int {
    throw PostgresError(.connection, "not connected yet")
  }

  /// Several statements in one round trip, with their rows in order. Outside of a transaction they
  /// form one of their own: all or none.
  package func pipeline(_ statements: [SQL]) async throws -> [[PostgresRow]] {
    throw PostgresError(.connection, "not connected yet")
  }

  /// Several statements in one text, without values: for migrations.
  package func execute(script: String) async throws {
    throw PostgresError(.connection, "not connected yet")
  }

  /// Runs `COPY … FROM STDIN` (text format, no options) and returns the number of rows written.
  @discardableResult
  package func copyIn(
    _ sql: SQL,
    rows: some Sequence<[any PostgresValue]>
  ) async throws -> Int {
    throw PostgresError(.connection, "not connected yet")
  }
}
