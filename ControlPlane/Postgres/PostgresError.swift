/// What failed, without a value of any row: the server's DETAIL is dropped, and a message that may
/// quote a value is replaced by the name of its SQLSTATE.
package struct PostgresError: Error, Sendable, Equatable {
  package enum Kind: String, Sendable {
    /// The database could not be reached, or the connection broke; the statement may have run.
    case connection
    /// The server refused the statement: see `sqlState`.
    case server
    /// All connections are in use and the wait queue is full.
    case poolExhausted
    /// No connection came free, or no answer came, in time.
    case timeout
    /// A column is missing, NULL or of another type than was asked for.
    case decode
    /// A value that PostgreSQL cannot hold, such as a NUL in a text.
    case encode
    /// The task was cancelled; the statement was too.
    case cancelled
    /// The connection broke during COMMIT: whether it took effect is not known.
    case commitUnknown
    /// The pool has been shut down.
    case closed
    /// The caller broke a rule of this API, such as two statements at once on one connection.
    case misuse
    /// The embedded server could not be set up, started or stopped.
    case embedded
  }

  package var kind: Kind
  /// Five characters, PostgreSQL manual appendix A; only of errors that the server reported.
  package var sqlState: String?
  package var constraint: String?
  package var table: String?
  package var column: String?
  /// The name given to the statement in `SQL("…", name: …)`.
  package var statement: String?
  package var message: String

  package init(
    _ kind: Kind,
    _ message: String,
    sqlState: String? = nil,
    constraint: String? = nil,
    statement: String? = nil
  ) {
    self.kind = kind
    self.message = message
    self.sqlState = sqlState
    self.constraint = constraint
    self.statement = statement
  }
}

extension PostgresError: CustomStringConvertible {
  package var description: String {
    var text = "postgres \(kind.rawValue)"
    if let sqlState { text += " [\(sqlState)]" }
    if let statement { text += " in \(statement)" }
    text += ": \(message)"
    if let constraint { text += " (constraint \(constraint))" }
    return text
  }
}

extension PostgresError {
  /// SQLSTATEs that callers decide by.
  package enum State {
    package static let uniqueViolation = "23505"
    package static let foreignKeyViolation = "23503"
    package static let checkViolation = "23514"
    package static let notNullViolation = "23502"
    package static let exclusionViolation = "23P01"
    package static let serializationFailure = "40001"
    package static let deadlockDetected = "40P01"
    package static let insufficientPrivilege = "42501"
    package static let undefinedTable = "42P01"
    package static let lockNotAvailable = "55P03"
    package static let queryCanceled = "57014"
    package static let inFailedTransaction = "25P02"
  }

  /// Whether the statement, or the transaction, may have taken effect all the same: nobody answered.
  /// False means that it did not.
  package var mayHaveTakenEffect: Bool {
    switch kind {
    case .connection, .timeout, .cancelled, .commitUnknown: true
    case .server, .poolExhausted, .decode, .encode, .closed, .misuse, .embedded: false
    }
  }

  /// The whole transaction may be tried again: it lost against a concurrent one.
  package var isRetryable: Bool {
    sqlState == State.serializationFailure || sqlState == State.deadlockDetected
  }
}
