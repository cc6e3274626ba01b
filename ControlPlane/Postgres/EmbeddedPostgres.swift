internal import Foundation
package import Logging
internal import Synchronization

/// A PostgreSQL server of our own on a unix socket: for trying out, development and tests.
///
/// Run by root it runs as `nobody`, since PostgreSQL refuses root. A server that a killed process
/// left behind is stopped first; its data recovers as after any crash.
package final class EmbeddedPostgres: Sendable {
  private let programs: ServerPrograms
  private let folder: ServerFolder
  private let socketFolder: String
  private let logger: Logger
  private let watchdog: Mutex<Watchdog?>
  private let isStopped = Mutex(false)

  private init(
    programs: ServerPrograms,
    folder: ServerFolder,
    socketFolder: String,
    watchdog: Watchdog?,
    logger: Logger
  ) {
    self.programs = programs
    self.folder = folder
    self.socketFolder = socketFolder
    self.watchdog = Mutex(watchdog)
    self.logger = logger
  }

  /// `conninfo` of the superuser, database `postgres`.
  package var superuserConninfo: String { conninfo(user: "postgres", database: "postgres") }

  /// `conninfo` of any role; the socket's folder is what guards it, there are no passwords.
  package func conninfo(user: String, database: String) -> String {
    "host=\(socketFolder) port=5432 user=\(user) dbname=\(database)"
  }

  /// Sets the server up on first use, starts it and waits until it answers.
  ///
  /// - Parameters:
  ///   - binaries: the folder that holds `initdb`, `pg_ctl` and `postgres`; nil looks for
  ///     `BINDERY_POSTGRES_BINARIES`, then `.bindery/postgres/bin` below the current folder.
  ///   - dataDirectory: a folder of this server alone: data, socket, log and lock.
  ///   - ephemeral: for tests: no fsync, and the folder is removed on stop or when this process ends.
  /// - Throws: `PostgresError` of kind `embedded`.
  package static func start(
    binaries: String? = nil,
    dataDirectory: String,
    ephemeral: Bool = false,
    logger: Logger
  ) async throws -> EmbeddedPostgres {
    let programs = try ServerPrograms(folder: binaries)
    let folder = try ServerFolder(path: dataDirectory)
    let watchdog = ephemeral ? try Watchdog(programs: programs, folder: folder) : nil
    do {
      if !folder.isInitialised {
        try await setUp(folder, by: programs, ephemeral: ephemeral, logger: logger)
      }
      let socketFolder = try folder.makeSocketFolder()
      if folder.hasServer {
        logger.notice("stopping a database server that was left behind")
        do {
          try await programs.run("pg_ctl", ["-D", folder.data, "-m", "fast", "-w", "stop"])
        } catch let error as PostgresError {
          // One that is killed meanwhile leaves its pid file, on which `pg_ctl` waits in vain.
          if folder.hasServer { throw error }
        }
      }
      try await folder.removeMarks(socketFolder: socketFolder)
      var options = [
        "listen_addresses=''", "unix_socket_directories=\(socketFolder)", "port=5432",
        "max_connections=200", "timezone=UTC",
      ]
      options +=
        ephemeral
        ? ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        // What a hundred thousand bindings take. After a checkpoint the first change of each page goes
        // to the log whole, and a publish may change some hundred.
        : ["shared_buffers=256MB", "max_wal_size=4GB", "wal_compression=pglz", "jit=off"]
      try await programs.run(
        "pg_ctl",
        [
          "-D", folder.data, "-l", folder.log, "-w", "-t", "60",
          "-o", options.map { "-c \($0)" }.joined(separator: " "),
          "start",
        ],
        log: folder.log
      )
      return EmbeddedPostgres(
        programs: programs,
        folder: folder,
        socketFolder: socketFolder,
        watchdog: watchdog,
        logger: logger
      )
    } catch {
      watchdog?.fire()
      throw error
    }
  }

  private static func setUp(
    _ folder: ServerFolder,
    by programs: ServerPrograms,
    ephemeral: Bool,
    logger: Logger
  ) async throws {
    logger.info("setting up a database", metadata: ["folder": "\(folder.path)"])
    try folder.removeUnfinishedData()
    try await programs.run(
      "initdb",
      [
        "-D", folder.unfinishedData, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale",
      ]
        + (ephemeral ? ["--no-sync"] : [])
    )
    try folder.finishData()
  }

  /// Ends all sessions, stops the server (fast mode), waits until it is gone and frees the folder.
  package func stop() async {
    guard
      isStopped.withLock({ stopped in
        defer { stopped = true }
        return !stopped
      })
    else { return }
    defer { folder.unlock() }
    let watchdog = watchdog.withLock { watchdog in
      defer { watchdog = nil }
      return watchdog
    }
    if let watchdog {
      watchdog.fire()
      return
    }
    do {
      try await programs.run("pg_ctl", ["-D", folder.data, "-m", "fast", "-w", "stop"])
    } catch {
      logger.error("the database server did not stop", metadata: ["error": "\(error)"])
    }
    folder.removeDistantSocketFolder(socketFolder)
  }
}
