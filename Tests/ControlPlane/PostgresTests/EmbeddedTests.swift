import Foundation
import Glibc
import Logging
import Postgres
import Testing

private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

private func query(_ conninfo: String, _ sql: SQL) async throws -> [PostgresRow] {
  let pool = PostgresPool(configuration: PostgresConfiguration(conninfo: conninfo), logger: quiet)
  do {
    let rows = try await pool.query(sql)
    await pool.shutdown()
    return rows
  } catch {
    await pool.shutdown()
    throw error
  }
}

/// A server's folder that is gone after the test, with whatever server runs in it then.
private func withFolder(_ body: (String) async throws -> Void) async throws {
  let folder = "/tmp/bindery-embedded-\(UUID().uuidString.prefix(8))"
  func remove() async throws {
    // Stops what runs there.
    await (try EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)).stop()
    try FileManager.default.removeItem(atPath: folder)
  }
  do {
    try await body(folder)
  } catch {
    try await remove()
    throw error
  }
  try await remove()
}

private func serverProcess(in folder: String) throws -> pid_t {
  let text = try String(contentsOfFile: folder + "/data/postmaster.pid", encoding: .utf8)
  return try #require(text.split(separator: "\n").first.flatMap { pid_t($0) })
}

private func isRunning(_ pid: pid_t) -> Bool {
  guard let text = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return false }
  // The state is behind the program's name, which is in parentheses: a zombie runs no more.
  return !String(decoding: text, as: UTF8.self).contains(") Z ")
}

@Suite struct `The embedded server` {
  @Test func `keeps its data over a stop, and has pgvector`() async throws {
    try await withFolder { folder in
      let first = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
      _ = try await query(first.superuserConninfo, "CREATE TABLE kept AS SELECT 7 AS n")
      _ = try await query(first.superuserConninfo, "CREATE EXTENSION vector")
      let process = try serverProcess(in: folder)
      await first.stop()
      #expect(!isRunning(process))

      let second = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
      let rows = try await query(
        second.superuserConninfo,
        "SELECT n, current_setting('fsync') AS fsync, '[1,2]'::vector <-> '[1,5]' AS d FROM kept"
      )
      await second.stop()
      let row = try #require(rows.first)
      #expect(try row.decode("n", as: Int32.self) == 7)
      #expect(try row.decode("fsync", as: String.self) == "on")
      #expect(try row.decode("d", as: Double.self) == 3)
    }
  }

  @Test func `refuses a folder that another one uses`() async throws {
    try await withFolder { folder in
      let first = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
      let refusal = await #expect(throws: PostgresError.self) {
        try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
      }
      await first.stop()
      #expect(refusal?.kind == .embedded)
      #expect(refusal?.message.contains("in use") == true)
    }
  }

  @Test func `takes over from a server whose program ended without stopping it`() async throws {
    try await withFolder { folder in
      func leaveBehind() async throws {
        let server = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
        _ = try await query(server.superuserConninfo, "CREATE TABLE kept AS SELECT 7 AS n")
      }
      try await leaveBehind()
      let old = try serverProcess(in: folder)
      #expect(isRunning(old))
      let next = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
      let rows = try await query(next.superuserConninfo, "SELECT n FROM kept")
      let new = try serverProcess(in: folder)
      await next.stop()
      #expect(try rows.first?.decode("n", as: Int32.self) == 7)
      #expect(new != old)
      #expect(!isRunning(old))
    }
  }

  @Test func `recovers what a killed server had committed`() async throws {
    try await withFolder { folder in
      func crash() async throws {
        let server = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
        _ = try await query(server.superuserConninfo, "CREATE TABLE kept AS SELECT 7 AS n")
        #expect(kill(try serverProcess(in: folder), SIGKILL) == 0)
      }
      try await crash()
      // The mark that it had no time to remove.
      #expect(FileManager.default.fileExists(atPath: folder + "/data/postmaster.pid"))
      let next = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
      let rows = try await query(next.superuserConninfo, "SELECT n FROM kept")
      await next.stop()
      #expect(try rows.first?.decode("n", as: Int32.self) == 7)
    }
  }

  @Test func `leaves the program alone that now has the number of a dead server`() async throws {
    try await withFolder { folder in
      await (try EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)).stop()
      // A program of the user that the server runs as: of any other the server would see by itself
      // that it can't be a server.
      let other = Process()
      let asNobody = getuid() == 0
      other.executableURL = URL(filePath: asNobody ? "/usr/bin/setpriv" : "/bin/sleep")
      other.arguments =
        asNobody ? ["--reuid=nobody", "--clear-groups", "/bin/sleep", "600"] : ["600"]
      // It must not hold open what the tests' output goes to.
      other.standardInput = FileHandle.nullDevice
      other.standardOutput = FileHandle.nullDevice
      other.standardError = FileHandle.nullDevice
      try other.run()
      let pid = other.processIdentifier
      defer { kill(pid, SIGKILL) }
      try "\(pid)\n\(folder)/data\n0\n5432\n".write(
        toFile: folder + "/data/postmaster.pid",
        atomically: false,
        encoding: .utf8
      )
      let server = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
      let rows = try await query(server.superuserConninfo, "SELECT 1 AS one")
      await server.stop()
      #expect(rows.count == 1)
      #expect(isRunning(pid))
    }
  }

  @Test func `starts anew where an earlier set-up was cut off`() async throws {
    try await withFolder { folder in
      let half = folder + "/data.unfinished/base"
      try FileManager.default.createDirectory(atPath: half, withIntermediateDirectories: true)
      try "16\n".write(
        toFile: folder + "/data.unfinished/PG_VERSION",
        atomically: false,
        encoding: .utf8
      )
      let server = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
      let rows = try await query(server.superuserConninfo, "SELECT 1 AS one")
      await server.stop()
      #expect(rows.count == 1)
    }
  }

  @Test func `runs in a folder whose path is too long for a socket`() async throws {
    try await withFolder { folder in
      await (try EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)).stop()
      let long = folder + "/" + String(repeating: "long", count: 25)
      let server = try await EmbeddedPostgres.start(dataDirectory: long, logger: quiet)
      let rows = try await query(server.superuserConninfo, "SELECT 1 AS one")
      await server.stop()
      #expect(rows.count == 1)
    }
  }

  @Test func `names missing programs with the remedy`() async throws {
    let error = await #expect(throws: PostgresError.self) {
      try await EmbeddedPostgres.start(
        binaries: "/nonexistent",
        dataDirectory: "/tmp/bindery-embedded-none",
        logger: quiet
      )
    }
    #expect(error?.kind == .embedded)
    #expect(error?.message.contains("setup-postgres") == true)
  }
}
