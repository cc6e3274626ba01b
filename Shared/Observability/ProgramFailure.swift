/// Why a program could not start or go on: one line for people and an exit status for scripts.
package struct ProgramFailure: Error, Equatable, CustomStringConvertible {
  /// Exit statuses, from sysexits.h.
  package enum Status: Int32, Sendable {
    /// EX_USAGE: a flag, environment variable or file is wrong.
    case usage = 64
    /// EX_UNAVAILABLE: a port is taken, or a service that is needed can't be reached.
    case unavailable = 69
    /// EX_SOFTWARE: a fault of the program.
    case fault = 70
    /// EX_CONFIG: a service is reached but not usable: too old, without an extension, wrong secret.
    case unusable = 78
  }

  package let status: Status
  /// What is wrong, where, and what to do; no secret.
  package let message: String

  package init(_ status: Status, _ message: String) {
    self.status = status
    self.message = message
  }

  package var description: String { message }
}
