internal import Foundation

/// Raises the number of files and sockets that this process may have open to the most that it is
/// allowed (RLIMIT_NOFILE, setrlimit(2)): a shell's default of 1,024 would end at a thousand peers.
///
/// - Returns: The limit that holds from now on.
@discardableResult
package func raiseOpenFileLimit() -> UInt64 {
  var limit = rlimit()
  let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  guard getrlimit(kind, &limit) == 0 else { return 0 }
  let before = limit.rlim_cur
  limit.rlim_cur = limit.rlim_max
  // Raising the soft limit up to the hard one needs no right; if it fails, the old one holds.
  return setrlimit(kind, &limit) == 0 ? UInt64(limit.rlim_cur) : UInt64(before)
}
