internal import Foundation
internal import Glibc

/// PostgreSQL's own programs, run as a user that it accepts.
struct ServerPrograms: Sendable {
  let folder: String

  /// - Throws: `PostgresError` of kind `embedded` when they are not there.
  init(folder wanted: String?) throws {
    let asked =
      wanted ?? ProcessInfo.processInfo.environment["BINDERY_POSTGRES_BINARIES"]
      ?? ".bindery/postgres/bin"
    // The programs find their libraries by their real place.
    let folder = URL(filePath: asked).resolvingSymlinksInPath().path(percentEncoded: false)
    guard access(folder + "/postgres", X_OK) == 0 else {
      throw PostgresError(
        .embedded,
        "there is no PostgreSQL at \(asked); run Shared/Scripts/setup-postgres, or give a database URL"
      )
    }
    self.folder = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
  }

  /// The command line that runs `program` as the server's user.
  func command(_ program: String, _ arguments: [String]) -> (String, [String]) {
    let path = "\(folder)/\(program)"
    guard getuid() == 0, let nobody = getpwnam("nobody") else { return (path, arguments) }
    let identity = [
      "--reuid=\(nobody.pointee.pw_uid)", "--regid=\(nobody.pointee.pw_gid)", "--clear-groups",
      "--",
    ]
    return ("/usr/bin/setpriv", identity + [path] + arguments)
  }

  /// Runs a program to its end.
  ///
  /// - Parameter log: where more than what it prints can be read.
  /// - Throws: `PostgresError` of kind `embedded` with what it printed.
  func run(_ program: String, _ arguments: [String], log: String? = nil) async throws {
    let (path, arguments) = command(program, arguments)
    var template = Array("/tmp/bindery-\(program)-XXXXXX".utf8CString)
    let output = mkstemp(&template)
    guard output >= 0 else { throw PostgresError(.embedded, "/tmp can't be written") }
    let outputPath = String(
      decoding: template.dropLast().map(UInt8.init(bitPattern:)),
      as: UTF8.self
    )
    _ = fcntl(output, F_SETFD, FD_CLOEXEC)
    defer {
      close(output)
      unlink(outputPath)
    }
    let status = try await ChildProcess(path, arguments, input: nil, output: output).exitStatus()
    guard status != 0 else { return }
    let printed = String(
      decoding: FileManager.default.contents(atPath: outputPath) ?? Data(),
      as: UTF8.self
    )
    let last = printed.split(separator: "\n").suffix(3).joined(separator: "; ")
    let more = log.map { " (see \($0))" } ?? ""
    throw PostgresError(.embedded, "\(program) failed with status \(status): \(last)\(more)")
  }
}

/// Stops a test's server and removes its folder when told to, or when this process ends in any way:
/// a shell that waits for the end of its input.
struct Watchdog: Sendable {
  private let writeEnd: Int32
  private let process: ChildProcess

  init(programs: ServerPrograms, folder: ServerFolder) throws {
    let (path, arguments) = programs.command(
      "pg_ctl",
      ["-D", folder.data, "-m", "immediate", "-w", "stop"]
    )
    let quoted = ([path] + arguments).map { "'\($0.replacing("'", with: "'\\''"))'" }
      .joined(separator: " ")
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else {
      throw PostgresError(.embedded, "no descriptor is left for a pipe")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[0]) }
    // A signal for the whole group (Ctrl-C) must not end it before its work.
    process = try ChildProcess(
      "/bin/sh",
      [
        "-c", "trap '' INT TERM HUP; cd /; read _; \(quoted) >/dev/null 2>&1; rm -rf \"$1\"", "sh",
        folder.path,
      ],
      input: ends[0],
      output: nil
    )
    writeEnd = ends[1]
  }

  /// Stops the server and waits until it is gone.
  func fire() {
    close(writeEnd)
    process.waitBlocking()
  }
}
