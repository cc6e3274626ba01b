/// How to reach a database and how much of it to use.
package struct PostgresConfiguration: Sendable {
  /// A libpq URL (`postgresql://…`) or `key=value` text. May hold a password: never logged.
  package var conninfo: String
  /// The role that every session takes on (the start-up option `-c role=…`).
  package var role: String?
  package var maxConnections: Int = 8
  /// Callers that may wait for a connection; one more is refused at once.
  package var maxWaiters: Int = 1024
  /// The longest wait for a connection, opening one included.
  package var acquireTimeout: Duration = .seconds(5)
  /// The server ends a statement that takes longer (SQLSTATE 57014). Zero: no limit.
  package var statementTimeout: Duration = .seconds(30)
  package var applicationName: String = "bindery"

  package init(conninfo: String) {
    self.conninfo = conninfo
  }
}

/// What concurrent transactions may see of each other (PostgreSQL manual, 13.2).
package enum Isolation: String, Sendable {
  case readCommitted = "READ COMMITTED"
  case repeatableRead = "REPEATABLE READ"
  case serializable = "SERIALIZABLE"
}
