import Foundation
import Glibc
import Logging
import Synchronization
import Testing

@testable import Postgres

private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// What the callers were told, in order.
private final class Told: Sendable {
  struct State {
    var acknowledged: Set<Int64> = []
    /// The error says that it did not take effect.
    var refused: Set<Int64> = []
    /// The error says that it may have.
    var unknown: Set<Int64> = []
    var other: [String] = []
    var isOver = false
  }

  let state = Mutex(State())
  var acknowledged: Int { state.withLock { $0.acknowledged.count } }
  var isOver: Bool { state.withLock { $0.isOver } }

  func end() {
    state.withLock { $0.isOver = true }
  }

  func note(_ number: Int64, _ error: (any Error)?) {
    state.withLock { (state: inout State) -> Void in
      guard let error else {
        state.acknowledged.insert(number)
        return
      }
      guard let error = error as? PostgresError else {
        state.other.append("\(error)")
        return
      }
      if error.mayHaveTakenEffect {
        state.unknown.insert(number)
      } else {
        state.refused.insert(number)
      }
    }
  }
}

@Suite struct `A database that restarts in the middle of work` {
  enum Restart: CaseIterable {
    case fast
    case immediate
    case killed
  }

  @Test(.timeLimit(.minutes(3)), arguments: Restart.allCases)
  func `loses no acknowledged write, tells the truth of the others, and serves again`(
    _ restart: Restart
  ) async throws {
    let folder = "/tmp/bindery-restart-\(UUID().uuidString.prefix(8))"
    let server = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
    var configuration = PostgresConfiguration(conninfo: server.superuserConninfo)
    configuration.maxConnections = 6
    configuration.statementTimeout = .seconds(5)
    let pool = PostgresPool(configuration: configuration, logger: quiet)
    do {
      try await work(on: pool, folder: folder, restart)
    } catch {
      await pool.shutdown()
      await server.stop()
      throw error
    }
    await pool.shutdown()
    await server.stop()
    try FileManager.default.removeItem(atPath: folder)
  }

  private func work(on pool: PostgresPool, folder: String, _ restart: Restart) async throws {
    try await pool.execute("CREATE TABLE log (n bigint PRIMARY KEY)")
    let before = try await Self.start(of: pool)
    let told = Told()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0 ..< 8 {
        group.addTask {
          var number = Int64(writer) * 1_000_000
          while !told.isOver {
            number += 1
            do {
              try await Self.write(number, on: pool)
              told.note(number, nil)
            } catch {
              told.note(number, error)
              // The pool waits for the database by itself; this is only not to fill the lists.
              try await Task.sleep(for: .milliseconds(5))
            }
          }
        }
      }
      try await Self.reach(200, told)
      try await Self.restart(restart, folder: folder)
      try await Self.reach(told.acknowledged + 400, told)
      told.end()
      try await group.waitForAll()
    }
    let stored = Set(
      try await pool.query("SELECT n FROM log").map { try $0.decode(0, as: Int64.self) }
    )
    let end = told.state.withLock { $0 }
    #expect(end.other == [])
    #expect(end.acknowledged.subtracting(stored).isEmpty, "lost")
    #expect(end.refused.isDisjoint(with: stored), "told that it did not take effect")
    #expect(stored.subtracting(end.acknowledged).isSubset(of: end.unknown))
    #expect(end.acknowledged.count >= 600)
    #expect(try await Self.start(of: pool) != before, "it was restarted")
  }

  private static func start(of pool: PostgresPool) async throws -> String {
    let rows = try await pool.query("SELECT pg_postmaster_start_time()::text AS at")
    return try rows[0].decode("at")
  }

  /// Each third write in one of the ways to write.
  private static func write(_ number: Int64, on pool: PostgresPool) async throws {
    switch number % 3 {
    case 0: try await pool.execute("INSERT INTO log VALUES (\(number))")
    case 1:
      try await pool.withTransaction { connection in
        _ = try await connection.execute("INSERT INTO log VALUES (\(number))")
      }
    default:
      try await pool.withConnection { connection in
        _ = try await connection.pipeline(["SELECT 1", "INSERT INTO log VALUES (\(number))"])
      }
    }
  }

  private static func reach(_ count: Int, _ told: Told) async throws {
    while told.acknowledged < count { try await Task.sleep(for: .milliseconds(2)) }
  }

  private static func restart(_ how: Restart, folder: String) async throws {
    let programs = try ServerPrograms(folder: nil)
    let data = folder + "/data"
    var mode = "fast"
    switch how {
    case .fast: break
    case .immediate: mode = "immediate"
    case .killed:
      let text = try String(contentsOfFile: data + "/postmaster.pid", encoding: .utf8)
      let pid = try #require(text.split(separator: "\n").first.flatMap { pid_t($0) })
      #expect(kill(pid, SIGKILL) == 0)
    }
    let arguments = ["-D", data, "-l", folder + "/server.log", "-m", mode, "-w", "restart"]
    var attempts = 0
    while true {
      do {
        return try await programs.run("pg_ctl", arguments)
      } catch {
        // What a killed server leaves must end before another one can start.
        attempts += 1
        guard how == .killed, attempts < 50 else { throw error }
        try await Task.sleep(for: .milliseconds(100))
      }
    }
  }
}
