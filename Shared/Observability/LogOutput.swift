internal import Logging

/// Sets up logging to standard error for a program; call once, first of all.
package enum LogOutput {
  /// - Throws: `ProgramFailure` with status `usage` for an unknown level.
  package static func bootstrap(level text: String) throws {
    guard let level = Logger.Level(rawValue: text) else {
      let known = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
      throw ProgramFailure(.usage, "log-level is '\(text)'; known are \(known)")
    }
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = level
      return handler
    }
  }
}
