package import Logging

/// A PostgreSQL server of our own on a unix socket: for trying out, development and tests.
package final class EmbeddedPostgres: Sendable {
  /// `conninfo` of the superuser, database `postgres`.
  package var superuserConninfo: String { conninfo(user: "postgres", database: "postgres") }

  /// `conninfo` of any role; the socket's folder is what guards it, there are no passwords.
  package func conninfo(user: String, database: String) -> String { "" }

  /// Sets the server up on first use, starts it and waits until it answers.
  ///
  /// - Parameters:
  ///   - binaries: the folder that holds `initdb`, `pg_ctl` and `postgres`; nil looks for
  ///     `BINDERY_POSTGRES_BINARIES`, then `.bindery/postgres/bin` of this repository.
  ///   - dataDirectory: a folder of this server alone: data, socket, log and lock.
  ///   - ephemeral: for tests: no fsync, and the folder is removed on stop or when this process ends.
  package static func start(
    binaries: String? = nil,
    dataDirectory: String,
    ephemeral: Bool = false,
    logger: Logger
  ) async throws -> EmbeddedPostgres {
    throw PostgresError(.embedded, "not built yet")
  }

  /// Ends all sessions, stops the server (fast mode) and waits until it is gone.
  package func stop() async {}
}
