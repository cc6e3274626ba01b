internal import CLibPQ

/// Statements with values, in libpq's pipeline mode (PostgreSQL manual, 34.5).
extension PostgresWire {
  /// Runs statements in one round trip; the first that fails undoes all, or the open transaction.
  func run(
    _ statements: [SQL],
    timeout: Duration,
    cancellation: Cancellation = .statement
  ) async throws -> [PostgresResult] {
    // The server times each statement; many together are small ones.
    let limit =
      timeout > .zero ? ContinuousClock.now + timeout * min(statements.count, 4) + grace : nil
    return try await perform(deadline: limit, cancellation: cancellation) { wire in
      let began = try wire.isInTransaction
      let attempt = try Attempt(statements)
      do {
        return try await wire.exchange(attempt)
      } catch let error as PostgresError {
        guard !began, error.sqlState.map(Self.staleStates.contains) ?? false else { throw error }
        // A table changed below a prepared statement. Nothing has taken effect: the transaction, if
        // there is one, began in this round trip.
        if try wire.isInTransaction { _ = try await wire.exchange(Attempt(["ROLLBACK"])) }
        return try await wire.exchange(attempt)
      }
    }
  }

  /// The time beyond the server's own statement timeout after which it is taken for dead.
  private nonisolated var grace: Duration { .seconds(5) }

  /// "cached plan must not change result type", and a prepared statement that is gone.
  private static var staleStates: Set<String> { ["0A000", "26000"] }

  private var isInTransaction: Bool {
    get throws { PQtransactionStatus(try libpq()) != PQTRANS_IDLE }
  }

  private struct Attempt {
    var statements: [SQL]
    var parameters: [EncodedParameters]
    var keys: [PreparedStatements.Key]

    init(_ statements: [SQL]) throws {
      self.statements = statements
      let parameters = try statements.map { try EncodedParameters($0) }
      self.parameters = parameters
      keys = zip(statements, parameters).map { .init(text: $0.text, types: $1.types) }
    }
  }

  /// What the server will answer, in order.
  private enum Expectation {
    case deallocated
    case prepared(index: Int, name: String)
    case result(index: Int)
  }

  private func exchange(_ attempt: Attempt) async throws -> [PostgresResult] {
    let connection = try libpq()
    let abandoned = prepared.abandoned
    let expectations = try send(attempt, abandoned: abandoned, on: connection)
    var results: [PostgresResult] = []
    results.reserveCapacity(attempt.statements.count)
    var failure: PostgresError?
    for expectation in expectations {
      let index =
        switch expectation {
        case .deallocated: 0
        case .prepared(let index, _), .result(let index): index
        }
      let name = attempt.statements[index].name
      for result in try await resultsOfCommand(statement: name) {
        switch PQresultStatus(result.pointer) {
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
          switch expectation {
          case .deallocated: break
          case .prepared(let index, let name): prepared.insert(attempt.keys[index], name: name)
          case .result: results.append(result)
          }
        case PGRES_EMPTY_QUERY:
          failure = failure ?? PostgresError(.misuse, "the statement is empty", statement: name)
        case PGRES_PIPELINE_ABORTED:
          break
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
          let error = PostgresError(.misuse, "COPY needs copyIn", statement: name)
          fail(error)
          throw error
        default:
          failure = failure ?? self.failure(result)
          if case .result(let index) = expectation, let state = failure?.sqlState,
            Self.staleStates.contains(state)
          {
            prepared.remove(attempt.keys[index])
          }
        }
      }
    }
    let late = try await expectSync()
    if let failure = failure ?? late { throw failure }
    prepared.deallocated(abandoned)
    guard results.count == attempt.statements.count else {
      let error = PostgresError(.connection, "the server left a statement unanswered")
      fail(error)
      throw error
    }
    return results
  }

  private func send(
    _ attempt: Attempt,
    abandoned: [String],
    on connection: OpaquePointer
  ) throws -> [Expectation] {
    var expectations: [Expectation] = []
    var sent = true
    for name in abandoned {
      sent =
        sent
        && PQsendQueryParams(
          connection,
          "DEALLOCATE \(name)",
          0,
          nil,
          nil,
          nil,
          nil,
          0
        ) == 1
      expectations.append(.deallocated)
    }
    var fresh: [PreparedStatements.Key: String] = [:]
    for (index, key) in attempt.keys.enumerated() {
      let parameters = attempt.parameters[index]
      var name = prepared.name(for: key) ?? fresh[key]
      if name == nil {
        let new = prepared.newName()
        sent = sent && PQsendPrepare(connection, new, key.text, parameters.count, key.types) == 1
        expectations.append(.prepared(index: index, name: new))
        fresh[key] = new
        name = new
      }
      sent =
        sent
        && parameters.withPointers { values, lengths, formats in
          PQsendQueryPrepared(
            connection,
            name,
            parameters.count,
            values,
            lengths,
            formats,
            0
          ) == 1
        }
      expectations.append(.result(index: index))
    }
    guard sent, PQpipelineSync(connection) == 1 else {
      fail(Self.broke)
      throw Self.broke
    }
    return expectations
  }

  /// The results of one command of the pipeline: usually one.
  private func resultsOfCommand(statement: String?) async throws -> [PostgresResult] {
    var results: [PostgresResult] = []
    while let result = try await nextResult(statement: statement) {
      results.append(result)
      // libpq would answer NULL only after the data of a COPY, which does not come.
      if PQresultStatus(result.pointer) == PGRES_COPY_IN { break }
    }
    return results
  }

  /// Reads to the end of the pipeline. What fails only there, when the transaction that the pipeline
  /// was ends, is the error: a deferred constraint.
  private func expectSync() async throws -> PostgresError? {
    var late: PostgresError?
    // An error, the end of its results, and the end of the pipeline.
    for _ in 0 ..< 3 {
      guard let result = try await nextResult(statement: nil) else { continue }
      switch PQresultStatus(result.pointer) {
      case PGRES_PIPELINE_SYNC: return late
      case PGRES_FATAL_ERROR: late = late ?? failure(result)
      default: break
      }
    }
    fail(Self.broke)
    throw Self.broke
  }

  /// The next result; nil where a command's results end.
  func nextResult(statement: String?) async throws -> PostgresResult? {
    while true {
      let connection = try libpq()
      let unsent = PQflush(connection)
      if PQisBusy(connection) == 0 {
        guard let pointer = PQgetResult(connection) else {
          if PQstatus(connection) == CONNECTION_BAD { throw lost(statement: statement) }
          return nil
        }
        let result = PostgresResult(taking: pointer, statement: statement)
        if PQstatus(connection) == CONNECTION_BAD {
          throw lost(statement: statement, reason: PostgresError(result: result))
        }
        return result
      }
      if unsent < 0, PQstatus(connection) == CONNECTION_BAD { throw lost(statement: statement) }
      try await waitForServer(writing: unsent == 1)
    }
  }

  private func lost(statement: String?, reason: PostgresError? = nil) -> PostgresError {
    var error = Self.broke
    error.statement = statement
    error.sqlState = reason?.sqlState
    if let reason, reason.sqlState != nil { error.message = reason.message }
    fail(error)
    return error
  }

  /// The error of a failed result, told apart by why it failed.
  func failure(_ result: PostgresResult) -> PostgresError {
    var error = PostgresError(result: result)
    if error.sqlState == PostgresError.State.queryCanceled, wasCancelled {
      error.kind = .cancelled
    }
    return error
  }
}
