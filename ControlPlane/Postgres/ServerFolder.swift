internal import Foundation
internal import Glibc
internal import Synchronization

/// The folder of an embedded server: its data, its log, and the lock that keeps a second one away.
final class ServerFolder: Sendable {
  /// Where the data really is: elsewhere than asked for when the server's user can't get there.
  let path: String
  private let lock: Mutex<Int32>

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
    if !canReach {
      try Self.makeOwn(URL(filePath: path).deletingLastPathComponent().path(percentEncoded: false))
      try Self.make(path, mode: 0o755)
    }
    let descriptor = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    lock = Mutex(descriptor)
    guard descriptor >= 0 else {
      throw Self.failure("\(path)/lock can't be opened: \(Self.reason)")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw Self.failure("\(path) is in use by another process; stop it or use another folder")
    }
    if isRoot {
      guard let nobody = getpwnam("nobody"),
        chown(path, nobody.pointee.pw_uid, nobody.pointee.pw_gid) == 0
      else { throw Self.failure("\(path) can't be given to the user nobody: \(Self.reason)") }
    }
  }

  deinit { unlock() }

  /// Lets others use the folder.
  func unlock() {
    lock.withLock { descriptor in
      guard descriptor >= 0 else { return }
      // A child between fork and exec has the descriptor too: closing ours would not be enough.
      flock(descriptor, LOCK_UN)
      close(descriptor)
      descriptor = -1
    }
  }

  var isInitialised: Bool { access(data + "/PG_VERSION", F_OK) == 0 }

  /// Where a new data folder is prepared: only a whole one gets its name.
  var unfinishedData: String { path + "/data.unfinished" }

  func removeUnfinishedData() throws {
    guard access(unfinishedData, F_OK) == 0 else { return }
    do {
      try FileManager.default.removeItem(atPath: unfinishedData)
    } catch {
      throw Self.failure("\(unfinishedData) can't be removed: \(error.localizedDescription)")
    }
  }

  func finishData() throws {
    guard rename(unfinishedData, data) == 0 else {
      throw Self.failure("\(unfinishedData) can't be renamed to data: \(Self.reason)")
    }
  }

  /// A folder for the socket whose path is short enough (107 bytes with the socket's name, unix(7)).
  func makeSocketFolder() throws -> String {
    let near = path + "/socket"
    let folder =
      near.utf8.count + "/.s.PGSQL.5432".utf8.count < 104
      ? near : "/tmp/bindery-postgres-\(getuid())-\(Self.fingerprint(path))"
    try Self.makeOwn(folder)
    guard chmod(folder, 0o700) == 0 else {
      throw Self.failure("the mode of \(folder) can't be set: \(Self.reason)")
    }
    if getuid() == 0, let nobody = getpwnam("nobody") {
      guard chown(folder, nobody.pointee.pw_uid, nobody.pointee.pw_gid) == 0 else {
        throw Self.failure("\(folder) can't be given to the user nobody: \(Self.reason)")
      }
    }
    return folder
  }

  /// Leaves nothing outside of the folder; the server has removed the socket.
  func removeDistantSocketFolder(_ socketFolder: String) {
    if !socketFolder.hasPrefix(path + "/") { rmdir(socketFolder) }
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

  /// Makes a folder in a place where everybody may; one that is there must not be somebody else's.
  private static func makeOwn(_ path: String) throws {
    try make(path, mode: 0o755)
    var status = stat()
    guard lstat(path, &status) == 0 else { throw failure("\(path) can't be read: \(reason)") }
    let nobody = getuid() == 0 ? getpwnam("nobody")?.pointee.pw_uid : nil
    guard status.st_mode & S_IFMT == S_IFDIR, [getuid(), nobody].contains(status.st_uid) else {
      throw failure("\(path) belongs to another user; remove it or use another folder")
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
