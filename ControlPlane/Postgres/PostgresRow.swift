internal import CLibPQ

/// One row of a result. Rows keep their result alive; values are read when asked for.
package struct PostgresRow: Sendable {
  let result: PostgresResult
  let row: Int32

  /// The value of the column of this name. Throws a `PostgresError` of kind `decode`.
  package func decode<T: PostgresValue>(_ column: String, as type: T.Type = T.self) throws -> T {
    guard let index = result.columnIndex(column) else {
      throw PostgresError(
        .decode,
        "the result has no column \(column)",
        statement: result.statement
      )
    }
    return try decode(at: index, label: column, as: type)
  }

  /// The value of the column at this position, from 0. Throws a `PostgresError` of kind `decode`.
  package func decode<T: PostgresValue>(_ column: Int, as type: T.Type = T.self) throws -> T {
    guard column >= 0, column < result.columnCount else {
      throw PostgresError(
        .decode,
        "the result has no column \(column)",
        statement: result.statement
      )
    }
    return try decode(at: Int32(column), label: String(column), as: type)
  }

  private func decode<T: PostgresValue>(
    at index: Int32,
    label: String,
    as type: T.Type
  ) throws -> T {
    do {
      return try T.decodePostgres(result.cell(row: row, column: index))
    } catch let failure as PostgresDecodingFailure {
      throw PostgresError(
        .decode,
        "column \(label) \(failure.reason)",
        statement: result.statement
      )
    }
  }
}

/// Owns a `PGresult`.
///
/// `@unchecked Sendable`: a complete `PGresult` is only read; nothing here changes it before `deinit`.
final class PostgresResult: @unchecked Sendable {
  let pointer: OpaquePointer
  let statement: String?

  init(taking pointer: OpaquePointer, statement: String?) {
    self.pointer = pointer
    self.statement = statement
  }

  deinit {
    PQclear(pointer)
  }

  var columnCount: Int { Int(PQnfields(pointer)) }

  var rows: [PostgresRow] {
    (0 ..< PQntuples(pointer)).map { PostgresRow(result: self, row: $0) }
  }

  /// Rows written by INSERT, UPDATE, DELETE, MERGE or COPY; rows read by SELECT.
  var affectedRows: Int {
    PQcmdTuples(pointer).flatMap { Int(String(cString: $0)) } ?? 0
  }

  /// Such as `COMMIT` or `INSERT 0 1`.
  var commandTag: String { PQcmdStatus(pointer).map { String(cString: $0) } ?? "" }

  func columnIndex(_ name: String) -> Int32? {
    name.withCString { name in
      (0 ..< PQnfields(pointer)).first { index in
        PQfname(pointer, index).map { strcmp($0, name) == 0 } ?? false
      }
    }
  }

  /// Nil for NULL. The cell's bytes live as long as this result.
  func cell(row: Int32, column: Int32) -> PostgresCell? {
    guard PQgetisnull(pointer, row, column) == 0, let value = PQgetvalue(pointer, row, column)
    else { return nil }
    let count = Int(PQgetlength(pointer, row, column))
    return value.withMemoryRebound(to: UInt8.self, capacity: count) {
      PostgresCell(
        bytes: UnsafeBufferPointer(start: $0, count: count),
        type: PQftype(pointer, column)
      )
    }
  }
}
