internal import Foundation
internal import Scenario

/// PostgreSQL's own programs, beside which we are measured.
struct StorePrograms {
  private let pgbench: String
  private let psql: String

  /// - Parameter folder: with the server's programs; what it lacks may be in PATH.
  init(_ folder: URL) throws {
    pgbench = try Self.find("pgbench", in: folder)
    psql = try Self.find("psql", in: folder)
  }

  private static func find(_ name: String, in folder: URL) throws -> String {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let folders = [folder.path] + path.split(separator: ":").map(String.init)
    for folder in folders {
      let program = "\(folder)/\(name)"
      if FileManager.default.isExecutableFile(atPath: program) { return program }
    }
    throw BenchFailure(
      "\(name) is missing: run Shared/Scripts/setup-postgres, or apt-get install postgresql-client-15 postgresql-contrib"
    )
  }

  /// Statements/s of pgbench with the same statement, prepared.
  func rate(
    _ conninfo: String,
    connections: Int,
    seconds: Int,
    _ folder: URL
  ) async throws -> Double {
    let script = folder.appending(path: "select.pgbench")
    let text = """
      \\set id random(1, \(StoreRounds.accounts))
      select balance from accounts where id = :id::int;
      """
    try Data((text + "\n").utf8).write(to: script)
    let done = try await Completed.run(
      "pgbench",
      path: pgbench,
      arguments: [
        "--no-vacuum", "--protocol", "prepared", "--client", "\(connections)", "--jobs",
        "\(min(connections, 2))", "--time", "\(seconds)", "--file", script.path, conninfo,
      ],
      within: .seconds(seconds + 60)
    )
    guard done.status == 0 else { throw BenchFailure("pgbench: \(done.standardError)") }
    for line in done.standardOutput.split(separator: "\n") where line.hasPrefix("tps = ") {
      let words = line.split(separator: " ")
      if words.count > 2, let rate = Double(words[2]) { return rate }
    }
    throw BenchFailure("pgbench told no rate: \(done.standardOutput)")
  }

  /// Seconds in which psql's `\copy` writes the file's rows into the table `plain`.
  func copy(_ file: URL, _ conninfo: String) async throws -> Double {
    let began = monotonicNanoseconds()
    let done = try await Completed.run(
      "psql",
      path: psql,
      arguments: [
        "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--command",
        "\\copy plain from '\(file.path)'", conninfo,
      ],
      within: .seconds(600)
    )
    guard done.status == 0 else { throw BenchFailure("psql: \(done.standardError)") }
    return Double(monotonicNanoseconds() - began) / 1e9
  }
}
