internal import Foundation
internal import Glibc

/// The folder of an embedded server: its data, its log, and the lock that keeps a second one away.
final class ServerFolder: Sendable {
  /// Where the data really is: elsewhere than asked for when the server's user can't get there.
  let path: String
  private let lock: Int32

  var data: String { path + "/data" }
  var log: String { path + "/server.log" }

  /// Makes the folder and locks it.
  ///
  /// - Throws: `PostgresError` of kind `embedded`.
  init(path wanted: String) throws {
    let absolute = URL(filePath: wanted).standardizedFileURL.path(percentEncoded: false)
    try Self.make(absolute, mode: 0o755)
    let isRoot = getuid() == 0
    let canReach = !isRoot || Self.everybodyMayPass(to: absolute)
    path = canReach ? absolute : Self.refuge(for: absolute)
    if !canReach { try Self.make(path, mode: 0o755) }
    lock = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else { throw Self.failure("\(path)/lock can't be opened: \(Self.reason)") }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      close(lock)
      throw Self.failure("\(path) is in use by another process; stop it or use another folder")
    }
    if isRoot {
      guard let nobody = getpwnam("nobody"),
        chown(path, nobody.pointee.pw_uid, nobody.pointee.pw_gid) == 0
      else { throw Self.failure("\(path) can't be given to the user nobody: \(Self.reason)") }
    }
  }

  deinit { close(lock) }

  var isInitialised: Bool { access(data + "/PG_VERSION", F_OK) == 0 }

  /// A server runs here, or died and left its mark.
  var hasServer: Bool { access(data + "/postmaster.pid", F_OK) == 0 }

  /// A folder for the socket whose path is short enough (107 bytes with the socket's name, unix(7)).
  func makeSocketFolder() throws -> String {
    let near = path + "/socket"
    let folder =
      near.utf8.count + "/.s.PGSQL.5432".utf8.count < 104
      ? near : "/tmp/bindery-postgres-\(getuid())-\(Self.fingerprint(path))"
    try Self.make(folder, mode: 0o700)
    if getuid() == 0, let nobody = getpwnam("nobody") {
      guard chown(folder, nobody.pointee.pw_uid, nobody.pointee.pw_gid) == 0 else {
        throw Self.failure("\(folder) can't be given to the user nobody: \(Self.reason)")
      }
    }
    return folder
  }

  private static func make(_ path: String, mode: mode_t) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: path,
        withIntermediateDirectories: true,
        attributes: [.posixPermissions: NSNumber(value: mode)]
      )
    } catch {
      throw failure("\(path) can't be made: \(error.localizedDescription)")
    }
  }

  /// Every folder on the way lets others pass.
  private static func everybodyMayPass(to path: String) -> Bool {
    var current = URL(filePath: path).deletingLastPathComponent()
    while true {
      var status = stat()
      guard stat(current.path(percentEncoded: false), &status) == 0, status.st_mode & S_IXOTH != 0
      else { return false }
      if current.path(percentEncoded: false) == "/" { return true }
      current = current.deletingLastPathComponent()
    }
  }

  private static func refuge(for path: String) -> String {
    "/var/tmp/bindery-0/postgres-\(fingerprint(path))"
  }

  /// FNV-1a: short and the same every time.
  private static func fingerprint(_ text: String) -> String {
    let hash = text.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return String(hash, radix: 36)
  }

  private static var reason: String { String(cString: strerror(errno)) }

  private static func failure(_ message: String) -> PostgresError {
    PostgresError(.embedded, message)
  }
}
