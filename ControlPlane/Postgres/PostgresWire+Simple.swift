internal import CLibPQ

/// What libpq's pipeline mode can't do: scripts and COPY.
extension PostgresWire {
  /// Runs a text of several statements by the simple protocol, as one implicit transaction.
  func run(script: String) async throws {
    _ = try await perform(deadline: nil) { wire in
      try await wire.outsidePipeline(script, statement: nil) { wire, _ in
        let error = PostgresError(.misuse, "a script can't hold COPY FROM STDIN")
        wire.fail(error)
        throw error
      }
    }
  }

  /// Runs `COPY … FROM STDIN` with these rows; returns how many were written.
  func copyIn<Rows: Sequence<[any PostgresValue]> & Sendable>(
    _ sql: SQL,
    rows: Rows
  ) async throws -> Int {
    guard sql.parameters.isEmpty else {
      throw PostgresError(.misuse, "COPY takes no values in its statement", statement: sql.name)
    }
    return try await perform(deadline: nil) { wire in
      let results = try await wire.outsidePipeline(sql.text, statement: sql.name) {
        wire,
        connection in
        var encoder = CopyEncoder(statement: sql.name)
        var refusal: PostgresError?
        do {
          for row in rows where refusal == nil {
            try encoder.append(row)
            guard encoder.bytes.count >= 65_536 else { continue }
            try await wire.sendCopy(encoder.takeBytes(), on: connection)
            // The other connections share this thread.
            await Task.yield()
            if wire.wasCancelled { break }
          }
          try await wire.sendCopy(encoder.takeBytes(), on: connection)
        } catch let error as PostgresError where error.kind == .encode {
          refusal = error
        }
        // Any text ends the COPY with an error, which undoes it.
        let reason = refusal != nil || wire.wasCancelled ? "given up by the client" : nil
        guard PQputCopyEnd(connection, reason) == 1 else { throw wire.brokeNow() }
        return refusal
      }
      return results.last?.affectedRows ?? 0
    }
  }

  private func sendCopy(_ chunk: [UInt8], on connection: OpaquePointer) async throws {
    let sent = chunk.withUnsafeBytes { bytes in
      PQputCopyData(
        connection,
        bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
        Int32(bytes.count)
      )
    }
    guard sent == 1 else { throw brokeNow() }
    // What is not flushed piles up in libpq's memory.
    while true {
      switch PQflush(try libpq()) {
      case 0: return
      case 1: try await waitForServer(writing: true)
      default: throw brokeNow()
      }
    }
  }

  private func brokeNow() -> PostgresError {
    fail(Self.broke)
    return Self.broke
  }

  /// Sends `text` by the simple protocol and returns to pipeline mode afterwards. `onCopy` is called
  /// when the server waits for COPY's data; the error that it returns replaces the server's.
  @discardableResult
  private func outsidePipeline(
    _ text: String,
    statement: String?,
    onCopy: (isolated PostgresWire, OpaquePointer) async throws -> PostgresError?
  ) async throws -> [PostgresResult] {
    let connection = try libpq()
    guard !text.utf8.contains(0) else {
      throw PostgresError(.encode, "the text holds a NUL character", statement: statement)
    }
    guard PQexitPipelineMode(connection) == 1, PQsendQuery(connection, text) == 1 else {
      throw brokeNow()
    }
    var results: [PostgresResult] = []
    var failure: PostgresError?
    while let result = try await nextResult(statement: statement) {
      switch PQresultStatus(result.pointer) {
      case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
        results.append(result)
      case PGRES_COPY_IN:
        failure = try await onCopy(self, connection) ?? failure
      case PGRES_COPY_OUT, PGRES_COPY_BOTH:
        let error = PostgresError(.misuse, "COPY TO is not supported", statement: statement)
        fail(error)
        throw error
      default:
        var error = self.failure(result)
        if wasCancelled { error.kind = .cancelled }
        failure = failure ?? error
      }
    }
    guard PQenterPipelineMode(connection) == 1 else { throw brokeNow() }
    if let failure { throw failure }
    return results
  }
}
