/// Why something could not be kept. Two of them are equal when their codes are.
package struct SpoolError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: String, Hashable, Sendable {
    /// The spool has reached its limit: the control plane has been away for long.
    case full = "SPOOL_FULL"
    /// A write or an fsync failed. What is on disk is unknown, so nothing more is taken until the
    /// program starts again and has read it.
    case broken = "SPOOL_BROKEN"
    /// The directory can't be made, read or locked.
    case unusable = "SPOOL_UNUSABLE"
    /// The record is too large for a frame.
    case tooLarge = "SPOOL_RECORD_TOO_LARGE"
    /// The spool has been closed.
    case closed = "SPOOL_CLOSED"
  }

  package var code: Code
  /// What was done to which file; no content.
  package var what: String
  /// errno, or 0.
  package var errno: Int32

  package init(_ code: Code, _ what: String, errno: Int32 = 0) {
    self.code = code
    self.what = what
    self.errno = errno
  }

  package var description: String {
    errno == 0 ? "\(code.rawValue): \(what)" : "\(code.rawValue): \(what) (errno \(errno))"
  }

  package static func == (a: Self, b: Self) -> Bool { a.code == b.code }

  package func hash(into hasher: inout Hasher) { hasher.combine(code) }
}
