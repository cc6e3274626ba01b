internal import Foundation
internal import Glibc

/// What an earlier run left in a server's folder: a server, or only the marks of one.
///
/// A pid file may outlive its server, and the system may have given the number to another program
/// since: neither `pg_ctl stop` nor the server looks closer, the one would end that program, the
/// other would refuse to start. So a process counts only if it works in the data folder.
extension ServerFolder {
  /// A server runs on this data.
  var hasServer: Bool {
    guard let text = contents(of: data + "/postmaster.pid"),
      let line = text.split(separator: "\n").first, let pid = pid_t(line)
    else { return false }
    return processesAtWork().contains(pid)
  }

  /// Removes the marks of a server that died, once none of its processes is left.
  ///
  /// - Throws: `PostgresError` of kind `embedded` if one of them does not end, `CancellationError`.
  func removeMarks(socketFolder: String) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while let pid = processesAtWork().first {
      guard ContinuousClock.now < deadline else {
        throw PostgresError(
          .embedded,
          "process \(pid) still uses \(data), though its server has died; end it and try again"
        )
      }
      try await Task.sleep(for: .milliseconds(20))
    }
    for mark in [
      data + "/postmaster.pid", socketFolder + "/.s.PGSQL.5432",
      socketFolder + "/.s.PGSQL.5432.lock",
    ] {
      guard unlink(mark) == 0 || errno == ENOENT else {
        throw PostgresError(
          .embedded,
          "\(mark) can't be removed: \(String(cString: strerror(errno)))"
        )
      }
    }
  }

  /// Processes whose current folder is the data folder: a server and its children, no one else's.
  private func processesAtWork() -> [pid_t] {
    guard let place = realpath(data, nil) else { return [] }
    defer { free(place) }
    guard let directory = opendir("/proc") else { return [] }
    defer { closedir(directory) }
    var found: [pid_t] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard let pid = pid_t(name) else { continue }
      // Gone, or another user's: neither is ours.
      guard let target = realpath("/proc/\(pid)/cwd", nil) else { continue }
      defer { free(target) }
      guard strcmp(target, place) == 0 else { continue }
      found.append(pid)
    }
    return found
  }

  private func contents(of path: String) -> String? {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
  }
}
