import Foundation
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

@Suite struct `The embedded server` {
  @Test func `data survives a stop, a second user of the folder is refused, pgvector is there`()
    async throws
  {
    let folder = "/tmp/bindery-embedded-\(UUID().uuidString.prefix(8))"
    let first = try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
    do {
      _ = try await query(first.superuserConninfo, "CREATE TABLE kept (n int)")
      _ = try await query(first.superuserConninfo, "CREATE EXTENSION vector")
      let refusal = await #expect(throws: PostgresError.self) {
        try await EmbeddedPostgres.start(dataDirectory: folder, logger: quiet)
      }
      #expect(refusal?.kind == .embedded)
      #expect(refusal?.message.contains("in use") == true)
    } catch {
      await first.stop()
      throw error
    }
    await first.stop()
  }

  @Test func `missing programs are named with the remedy`() async throws {
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
