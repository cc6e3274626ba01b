internal import Dispatch
internal import Glibc

/// A program that this process starts and waits for.
///
/// Foundation's `Process` learns of the end by a socket that grandchildren inherit: for `pg_ctl`,
/// which leaves a server behind, it never comes.
struct ChildProcess: Sendable {
  private let pid: pid_t

  /// Starts `path` with the given descriptors, and those that aren't close-on-exec; its folder is this process's.
  ///
  /// - Throws: `PostgresError` of kind `embedded`.
  init(_ path: String, _ arguments: [String], input: Int32?, output: Int32?) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (descriptor, source) in [(0, input), (1, output), (2, output)] as [(Int32, Int32?)] {
      if let source {
        posix_spawn_file_actions_adddup2(&actions, source, descriptor)
      } else {
        posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
      }
    }
    var arguments: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    // The threads that tasks run on block signals, and a child would inherit that.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var pid: pid_t = 0
    let code = posix_spawn(&pid, path, &actions, &attributes, &arguments, environ)
    guard code == 0 else {
      throw PostgresError(.embedded, "\(path) can't be run: \(String(cString: strerror(code)))")
    }
    self.pid = pid
  }

  /// The exit status; 128 and the signal's number for one that a signal ended. Blocks.
  @discardableResult
  func waitBlocking() -> Int32 {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 {
      if errno != EINTR { return 127 }
    }
    return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
  }

  /// Like `waitBlocking`, on a thread of its own.
  func exitStatus() async -> Int32 {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async { continuation.resume(returning: waitBlocking()) }
    }
  }
}
