internal import Logging

extension PostgresPool {
  /// Runs `body` between BEGIN and COMMIT; any error thrown rolls back.
  ///
  /// BEGIN and the settings travel with the first statement of `body`: they cost no round trip. A
  /// connection that breaks during COMMIT is reported as `commitUnknown`. COMMIT and ROLLBACK run to
  /// their end even if the task is cancelled.
  ///
  /// - Parameters:
  ///   - settings: `set_config(name, value, true)`: they hold until the end of the transaction.
  ///   - isolation: what the transaction sees of concurrent ones.
  ///   - readOnly: the server refuses to write.
  ///   - body: what to do; the connection is only valid within it.
  /// - Returns: what `body` returns.
  /// - Throws: what `body` throws, or a `PostgresError`.
  package func withTransaction<T: Sendable>(
    settings: [String: String] = [:],
    isolation: Isolation = .readCommitted,
    readOnly: Bool = false,
    _ body: (PostgresConnection) async throws -> T
  ) async throws -> T {
    let wire = try await acquire()
    let connection = PostgresConnection(
      wire: wire,
      timeout: configuration.statementTimeout,
      prologue: Self.prologue(settings: settings, isolation: isolation, readOnly: readOnly)
    )
    do {
      let value = try await body(connection)
      try await commit(connection)
      await give(back: wire, of: connection)
      return value
    } catch {
      await rollBack(connection)
      await give(back: wire, of: connection)
      throw error
    }
  }

  private static func prologue(
    settings: [String: String],
    isolation: Isolation,
    readOnly: Bool
  ) -> [SQL] {
    let mode = readOnly ? "READ ONLY" : "READ WRITE"
    let begin = SQL(
      unsafeRaw: "BEGIN ISOLATION LEVEL \(isolation.rawValue) \(mode)",
      name: "begin"
    )
    guard !settings.isEmpty else { return [begin] }
    var text = SQL.StringInterpolation(literalCapacity: 0, interpolationCount: 2 * settings.count)
    // Sorted, so that the same settings make the same statement.
    for (index, setting) in settings.sorted(by: { $0.key < $1.key }).enumerated() {
      text.appendLiteral(index == 0 ? "SELECT set_config(" : ", set_config(")
      text.appendInterpolation(setting.key)
      text.appendLiteral(", ")
      text.appendInterpolation(setting.value)
      text.appendLiteral(", true)")
    }
    return [begin, SQL(SQL(stringInterpolation: text), name: "set-config")]
  }

  private func commit(_ connection: PostgresConnection) async throws {
    // Nothing was sent: there is nothing to commit.
    guard connection.hasBegun else { return }
    guard connection.wire.condition != .idle else {
      throw PostgresError(.misuse, "the body of a transaction ended the transaction itself")
    }
    do {
      let results = try await connection.wire.run(
        [SQL("COMMIT", name: "commit")],
        timeout: configuration.statementTimeout,
        cancellation: .ignored
      )
      // COMMIT of a failed transaction succeeds, as a ROLLBACK.
      guard results.first?.commandTag == "COMMIT" else {
        throw PostgresError(
          .server,
          "a statement of the transaction had failed, so it was rolled back instead of committed",
          sqlState: PostgresError.State.inFailedTransaction,
          statement: "commit"
        )
      }
    } catch var error as PostgresError {
      if connection.wire.condition == .broken, error.kind == .connection || error.kind == .timeout {
        error.kind = .commitUnknown
      }
      throw error
    }
  }

  private func rollBack(_ connection: PostgresConnection) async {
    guard connection.hasBegun, connection.wire.condition == .occupied else { return }
    do {
      _ = try await connection.wire.run(
        [SQL("ROLLBACK", name: "rollback")],
        timeout: configuration.statementTimeout,
        cancellation: .ignored
      )
    } catch {
      logger.warning("a rollback failed", metadata: ["error": "\(error)"])
      await connection.wire.close()
    }
  }
}
