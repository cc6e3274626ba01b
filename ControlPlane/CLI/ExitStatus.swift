internal import ArgumentParser

/// What the command's end means to a script; numbers from sysexits.h where one fits.
enum ExitStatus {
  /// The switch is made, but not every node has confirmed it.
  static let unconfirmed = ExitCode(3)
  /// The rollout was taken back, by itself or by somebody.
  static let takenBack = ExitCode(4)
  /// Something would change (`plan --exit-code`) or differs (`diff --exit-code`).
  static let differs = ExitCode(2)
  /// EX_CANTCREAT: a file can't be written.
  static let cantCreate = ExitCode(73)
  /// EX_DATAERR: the configuration is invalid; nothing was stored.
  static let invalidConfiguration = ExitCode(65)
  /// EX_NOINPUT: no such object.
  static let notFound = ExitCode(66)
  /// EX_UNAVAILABLE: the control plane or the node can't be reached.
  static let unavailable = ExitCode(69)
  /// EX_SOFTWARE: a fault on the other side.
  static let internalFault = ExitCode(70)
  /// EX_NOPERM: no access token, or one that may not do this.
  static let refused = ExitCode(77)
  /// EX_CANTCREAT: a file can't be written.
  static let notWritten = ExitCode(73)
  /// EX_TEMPFAIL: somebody else changed it meanwhile.
  static let stale = ExitCode(75)
}
