internal import CLibPQ

extension PostgresError {
  /// What a failed result says, without what it may say about values.
  init(result: PostgresResult) {
    func field(_ code: Int32) -> String? {
      PQresultErrorField(result.pointer, code).map { String(cString: $0) }
    }
    let state = field(SQLDiagnostic.state)
    let primary = field(SQLDiagnostic.primaryMessage) ?? ""
    self.init(
      Self.kind(sqlState: state),
      Self.message(sqlState: state, primary: primary),
      sqlState: state,
      constraint: field(SQLDiagnostic.constraint),
      statement: result.statement
    )
    table = field(SQLDiagnostic.table)
    column = field(SQLDiagnostic.column)
  }

  /// What libpq says about a connection that was not made, verbosely: `FATAL:  28P01: …`, then a line
  /// with the place in the server's source.
  ///
  /// The kind is `server` where the server refused the login for good: role, password, database or
  /// right to it are wrong.
  init(connectMessage: String) {
    var state: String?
    var lines: [String] = []
    for line in connectMessage.split(separator: "\n") where !line.hasPrefix("LOCATION:") {
      if let found = line.firstMatch(of: #/:  ([0-9A-Z]{5}): /#) {
        state = String(found.1)
        lines.append("\(line[..<found.range.lowerBound]): \(line[found.range.upperBound...])")
      } else {
        lines.append(String(line))
      }
    }
    let isRefused = state.map { ["22", "28", "3D", "42"].contains($0.prefix(2)) } ?? false
    self.init(
      isRefused ? .server : .connection,
      lines.isEmpty ? "the connection failed" : lines.joined(separator: "; "),
      sqlState: state
    )
  }

  private static func kind(sqlState: String?) -> Kind {
    guard let sqlState else { return .connection }
    if sqlState == State.queryCanceled { return .timeout }
    // 08: connection exceptions. 57P01 to 57P05: the server ends the session.
    if sqlState.hasPrefix("08") || sqlState.hasPrefix("57P") { return .connection }
    return .server
  }

  /// The server's own words where they only name objects; else the name of the condition.
  ///
  /// Primary messages of data exceptions (class 22), of RAISE (P0001) and of internal errors (XX) may
  /// quote values; those of the classes listed here name relations, columns, constraints and roles.
  static func message(sqlState: String?, primary: String) -> String {
    guard let sqlState else { return "the connection to the database broke" }
    let naming: Set<Substring> = [
      "08", "0A", "23", "25", "28", "2D", "3D", "3F", "40", "42", "53", "54", "55", "57",
    ]
    if naming.contains(sqlState.prefix(2)) { return primary }
    return conditions[sqlState] ?? "the server refused the statement"
  }

  /// Condition names of PostgreSQL manual appendix A for the errors whose messages are not shown.
  private static let conditions = [
    "22001": "string data right truncation",
    "22003": "numeric value out of range",
    "22004": "null value not allowed",
    "22007": "invalid datetime format",
    "22008": "datetime field overflow",
    "22012": "division by zero",
    "22021": "character not in repertoire",
    "22023": "invalid parameter value",
    "22030": "duplicate json object key value",
    "22032": "invalid json text",
    "22P02": "invalid text representation of a value",
    "22P03": "invalid binary representation of a value",
    "22P04": "bad copy file format",
    "22P05": "untranslatable character",
    "P0001": "raised by a function of the database",
    "P0002": "no data found",
    "P0003": "too many rows",
    "XX000": "internal error of the server",
    "XX001": "data corrupted",
    "XX002": "index corrupted",
  ]
}

/// `PG_DIAG_…` of postgres_ext.h, which are character literals that Swift does not import.
private enum SQLDiagnostic {
  static let state = Int32(UInt8(ascii: "C"))
  static let primaryMessage = Int32(UInt8(ascii: "M"))
  static let table = Int32(UInt8(ascii: "t"))
  static let column = Int32(UInt8(ascii: "c"))
  static let constraint = Int32(UInt8(ascii: "n"))
}
