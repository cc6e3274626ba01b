internal import CLibPQ

/// What is handed to `PQconnectStartParams`: the caller's conninfo and what the room adds to it.
struct ConnectionParameters: Sendable {
  var values: [String: String]

  /// Throws a `PostgresError` of kind `connection` if the conninfo can't be read.
  init(_ configuration: PostgresConfiguration) throws {
    values = try Self.parse(configuration.conninfo)
    // Values travel as UTF-8 text in ISO forms, whatever the server's defaults are.
    var options = ["TimeZone": "UTC", "DateStyle": "ISO,MDY", "bytea_output": "hex"]
    options["statement_timeout"] = String(configuration.statementTimeout.wholeMilliseconds)
    // Whoever holds a transaction open and does nothing (an export that nobody reads) lets go of it.
    options["idle_in_transaction_session_timeout"] =
      String(configuration.statementTimeout.wholeMilliseconds)
    options["role"] = configuration.role
    let added = options.sorted { $0.key < $1.key }.map { name, value in
      "-c \(name)=\(Self.escapedOption(value))"
    }
    values["options"] = ([values["options"]].compactMap(\.self) + added).joined(separator: " ")
    values["client_encoding"] = "UTF8"
    values["fallback_application_name"] = configuration.applicationName
    // A peer that vanished without a word is noticed within a minute.
    let defaults = [
      "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3",
      "tcp_user_timeout": "60000",
    ]
    values.merge(defaults) { given, _ in given }
  }

  private static func parse(_ conninfo: String) throws -> [String: String] {
    var message: UnsafeMutablePointer<CChar>?
    guard let options = PQconninfoParse(conninfo, &message) else {
      // libpq's message may quote the conninfo, and with it a password.
      PQfreemem(message)
      throw PostgresError(
        .connection,
        "the conninfo is neither a libpq URL (postgresql://…) nor key=value text that libpq can read"
      )
    }
    defer { PQconninfoFree(options) }
    var values: [String: String] = [:]
    var option = options
    while let keyword = option.pointee.keyword {
      if let value = option.pointee.val {
        values[String(cString: keyword)] = String(cString: value)
      }
      option += 1
    }
    return values
  }

  /// In `options`, a backslash keeps a space or a backslash in a value (PostgreSQL manual, 34.1.2).
  private static func escapedOption(_ value: String) -> String {
    value.replacing("\\", with: "\\\\").replacing(" ", with: "\\ ")
  }

  /// Begins to connect. Blocks for as long as it takes to look a host name up.
  func startConnecting() throws -> ConnectionHandle {
    let pairs = values.sorted { $0.key < $1.key }
    let pointer = withCStrings(pairs.map(\.key)) { keywords in
      withCStrings(pairs.map(\.value)) { values in
        PQconnectStartParams(keywords, values, 0)
      }
    }
    guard let pointer else {
      throw PostgresError(.connection, "libpq has no memory for a connection")
    }
    return ConnectionHandle(taking: pointer)
  }
}

/// Owns a `PGconn`.
///
/// `@unchecked Sendable`: libpq wants one thread at a time to use a connection. The handle is used by
/// whoever opens it, and from then on only by its `PostgresWire`, on the reactor's thread.
final class ConnectionHandle: @unchecked Sendable {
  let pointer: OpaquePointer

  init(taking pointer: OpaquePointer) {
    self.pointer = pointer
    // libpq would print notices to standard error, values included.
    PQsetNoticeReceiver(pointer, { _, _ in }, nil)
    // The only way to learn the SQLSTATE of a refused login.
    PQsetErrorVerbosity(pointer, PQERRORS_VERBOSE)
  }

  deinit {
    PQfinish(pointer)
  }
}

/// Calls `body` with a NULL-terminated array of C strings.
private func withCStrings<R>(
  _ strings: [String],
  _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> R
) -> R {
  let copies = strings.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  let pointers = copies.map { UnsafePointer($0) } + [nil]
  return pointers.withUnsafeBufferPointer { buffer in
    // Never nil: the array holds at least its terminator.
    guard let base = buffer.baseAddress else { preconditionFailure("an array without storage") }
    return body(base)
  }
}

extension Duration {
  var wholeMilliseconds: Int64 {
    components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
  }
}
