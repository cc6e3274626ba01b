internal import ArgumentParser
internal import Foundation
internal import Logging
internal import Postgres
internal import Scenario

struct StoreBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "store",
    abstract: "The PostgreSQL pool beside pgbench and psql, on one server.",
    discussion: """
      Statements: one prepared statement with one value, over as many connections, by our pool and by \
      pgbench in turns. Bulk: the same rows, by COPY into a temporary table and INSERT … SELECT under \
      forced row-level security, and by psql's \\copy into a table without; both commit to disk. What \
      counts are the ratios: both sides share the machine with the server.
      """
  )

  enum Output: String, ExpressibleByArgument { case table, json }

  @OptionGroup var place: BenchPlace
  @Option(help: "Connections at once.") var connections: [Int] = [1, 4, 16]
  @Option(help: "Seconds of each round.") var seconds = 5
  @Option(help: "Rounds of each side, in turns.") var rounds = 3
  @Option(help: "Rows of the bulk path.") var rows = 200_000
  @Option(name: [.customShort("o"), .long], help: "table or json.") var output: Output = .table

  func validate() throws {
    guard !connections.isEmpty, connections.allSatisfy({ (1 ... 200).contains($0) }),
      seconds > 0, rounds > 0, rows > 0
    else { throw ValidationError("connections must be 1 to 200, the others at least 1") }
  }

  func run() async throws {
    let (machine, tools) = (place.machine, try StorePrograms(try place.layout().postgres))
    try await place.withFolder { folder in
      let server = try await EmbeddedPostgres.start(
        binaries: try place.layout().postgres.path,
        dataDirectory: folder.appending(path: "postgres").path,
        logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
      )
      do {
        let owner = StoreRounds.pool(server.superuserConninfo, connections: 1)
        let version = try await owner.query("show server_version").first?
          .decode(0, as: String.self)
        try await StoreRounds.prepare(owner)
        var report = StoreReport(server: version ?? "")
        for count in connections {
          report.statements.append(try await statements(count, server, tools, folder))
        }
        report.bulk = try await bulk(owner, server, tools, folder)
        await owner.shutdown()
        FileHandle.standardError.write(Data(machine.utf8))
        print(output == .json ? try report.json() : report.text)
      } catch {
        await server.stop()
        throw error
      }
      await server.stop()
    }
  }

  private func statements(
    _ count: Int,
    _ server: EmbeddedPostgres,
    _ tools: StorePrograms,
    _ folder: URL
  ) async throws -> StoreReport.Statements {
    let pool = StoreRounds.pool(server.superuserConninfo, connections: count)
    var result = StoreReport.Statements(connections: count)
    do {
      _ = try await StoreRounds.rate(of: pool, connections: count, seconds: 1)
      for _ in 0 ..< rounds {
        result.ours.append(
          try await StoreRounds.rate(of: pool, connections: count, seconds: seconds)
        )
        result.pgbench.append(
          try await tools.rate(
            server.superuserConninfo,
            connections: count,
            seconds: seconds,
            folder
          )
        )
      }
    } catch {
      await pool.shutdown()
      throw error
    }
    await pool.shutdown()
    return result
  }

  private func bulk(
    _ owner: PostgresPool,
    _ server: EmbeddedPostgres,
    _ tools: StorePrograms,
    _ folder: URL
  ) async throws -> StoreReport.Bulk {
    let login = server.superuserConninfo
    let pool = StoreRounds.pool(login, connections: 1, role: "bench_app")
    var result = StoreReport.Bulk(rows: rows)
    let file = folder.appending(path: "rows.tsv")
    try StoreRounds.write(rows, to: file)
    do {
      for _ in 0 ..< rounds {
        try await owner.execute("truncate guarded")
        let ours = try await StoreRounds.bulk(rows, by: pool)
        try await owner.execute("truncate plain")
        let bare = try await tools.copy(file, login)
        result.ours.append(Double(rows) / ours)
        result.psql.append(Double(rows) / bare)
      }
      let counts = try await owner.query(
        """
        select (select count(*) from guarded) as ours, (select count(*) from plain) as psql,
          (select count(*) from (select * from guarded except select * from plain) d) as other
        """
      )
      guard let row = counts.first, try row.decode("ours", as: Int.self) == rows,
        try row.decode("psql", as: Int.self) == rows, try row.decode("other", as: Int.self) == 0
      else { throw BenchFailure("the two tables do not hold the same rows") }
    } catch {
      await pool.shutdown()
      throw error
    }
    await pool.shutdown()
    return result
  }
}
