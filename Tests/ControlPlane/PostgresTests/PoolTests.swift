import Foundation
import Logging
import PostgresSupport
import Synchronization
import Testing

@testable import Postgres

func withPool(
  connections: Int = 4,
  waiters: Int = 100,
  _ adjust: (inout PostgresConfiguration) -> Void = { _ in },
  _ body: (PostgresPool) async throws -> Void
) async throws {
  var configuration = PostgresConfiguration(conninfo: try await TestDatabases.shared.empty())
  configuration.maxConnections = connections
  configuration.maxWaiters = waiters
  adjust(&configuration)
  let pool = PostgresPool(
    configuration: configuration,
    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  )
  do {
    try await body(pool)
  } catch {
    await pool.shutdown()
    throw error
  }
  await pool.shutdown()
}

@Suite struct `The PostgreSQL pool` {
  @Test func `values come back as they went`() async throws {
    try await withPool { pool in
      let id = UUID()
      let rows = try await pool.query(
        "SELECT \(id) AS id, \("naïve ಕನ್ನಡ") AS text, \(Int64.max) AS big, \(true) AS yes, \([UInt8]([0, 255])) AS bytes"
      )
      let row = try #require(rows.first)
      let (gotID, text): (UUID, String) = (try row.decode("id"), try row.decode("text"))
      let (big, yes): (Int64, Bool) = (try row.decode("big"), try row.decode("yes"))
      let bytes: [UInt8] = try row.decode("bytes")
      #expect(gotID == id)
      #expect(text == "naïve ಕನ್ನಡ")
      #expect(big == .max)
      #expect(yes)
      #expect(bytes == [0, 255])
    }
  }

  @Test func `an error rolls a transaction back, and the connection goes on`() async throws {
    try await withPool(connections: 1) { pool in
      try await pool.execute("CREATE TABLE t (n int PRIMARY KEY)")
      struct Stop: Error {}
      await #expect(throws: Stop.self) {
        try await pool.withTransaction { connection in
          try await connection.execute("INSERT INTO t VALUES (1)")
          throw Stop()
        }
      }
      let refused = await #expect(throws: PostgresError.self) {
        try await pool.withTransaction { connection in
          try await connection.execute("INSERT INTO t VALUES (2)")
          try await connection.execute("INSERT INTO t VALUES (2)")
        }
      }
      #expect(refused?.sqlState == PostgresError.State.uniqueViolation)
      let count: Int64 = try await pool.query("SELECT count(*) AS n FROM t")[0].decode("n")
      #expect(count == 0)
    }
  }

  @Test func `a constraint that is checked at the end is the error, and the connection goes on`()
    async throws
  {
    try await withPool(connections: 1) { pool in
      try await pool.execute("CREATE TABLE t (n int PRIMARY KEY)")
      try await pool.execute(
        "CREATE TABLE u (n int CONSTRAINT u_n REFERENCES t DEFERRABLE INITIALLY DEFERRED)"
      )
      let before: Int32 = try await pool.query("SELECT pg_backend_pid() AS pid")[0].decode("pid")
      let alone = await #expect(throws: PostgresError.self) {
        try await pool.execute("INSERT INTO u VALUES (1)")
      }
      #expect(alone?.sqlState == PostgresError.State.foreignKeyViolation)
      #expect(alone?.constraint == "u_n")
      #expect(alone?.mayHaveTakenEffect == false)
      let among = await #expect(throws: PostgresError.self) {
        try await pool.withConnection { connection in
          _ = try await connection.pipeline([
            "INSERT INTO t VALUES (2)", "INSERT INTO u VALUES (3)",
          ])
        }
      }
      #expect(among?.sqlState == PostgresError.State.foreignKeyViolation)
      let row = try await pool.query(
        "SELECT pg_backend_pid() AS pid, (SELECT count(*) FROM t) AS n"
      )
      #expect(try row[0].decode("pid", as: Int32.self) == before)
      #expect(try row[0].decode("n", as: Int64.self) == 0)
    }
  }

  @Test func `a pipeline is one transaction`() async throws {
    try await withPool { pool in
      try await pool.execute("CREATE TABLE t (n int PRIMARY KEY)")
      await #expect(throws: PostgresError.self) {
        try await pool.withConnection { connection in
          try await connection.pipeline([
            "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)", "SELECT 1",
          ])
        }
      }
      let count: Int64 = try await pool.query("SELECT count(*) AS n FROM t")[0].decode("n")
      #expect(count == 0)
    }
  }

  @Test func `no more connections are opened than allowed, and too many callers are refused`()
    async throws
  {
    try await withPool(connections: 2, waiters: 3) { pool in
      let counts = Counts()
      await withTaskGroup(of: Void.self) { group in
        for _ in 0 ..< 30 {
          group.addTask {
            do {
              try await pool.withConnection { connection in
                let now = counts.inside.withLock {
                  $0 += 1
                  return $0
                }
                counts.most.withLock { $0 = max($0, now) }
                try await connection.query("SELECT pg_sleep(0.05)")
                counts.inside.withLock { $0 -= 1 }
              }
            } catch let error as PostgresError where error.kind == .poolExhausted {
              counts.refused.withLock { $0 += 1 }
            } catch {
              Issue.record(error)
            }
          }
        }
      }
      #expect(counts.most.withLock { $0 } == 2)
      #expect(counts.refused.withLock { $0 } > 0)
    }
  }

  @Test func `cancelling the task cancels the statement on the server`() async throws {
    try await withPool(connections: 2) { pool in
      let task = Task { try await pool.query("SELECT pg_sleep(60)") }
      try await waitUntil {
        let running: Int64 = try await pool.query(
          "SELECT count(*) AS n FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
        )[0].decode("n")
        return running == 1
      }
      task.cancel()
      let error = await #expect(throws: PostgresError.self) { try await task.value }
      #expect(error?.kind == .cancelled)
      let running: Int64 = try await pool.query(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
      )[0].decode("n")
      #expect(running == 0)
    }
  }

  @Test func `a connection that the server ended is replaced`() async throws {
    try await withPool(connections: 1) { pool in
      let before: Int32 = try await pool.query("SELECT pg_backend_pid() AS pid")[0].decode("pid")
      try await withPool(connections: 1) { other in
        let isEnded: Bool = try await other.query(
          "SELECT pg_terminate_backend(\(before), 5000) AS ended"
        )[0].decode("ended")
        #expect(isEnded)
      }
      try await waitUntil {
        let after: Int32 = try await pool.query("SELECT pg_backend_pid() AS pid")[0].decode("pid")
        return after != before
      }
    }
  }

  @Test func `whoever is cancelled while waiting leaves the queue, and the next is served`()
    async throws
  {
    try await withPool(connections: 1, waiters: 1) { pool in
      try await pool.withConnection { connection in
        let waiting = Task { try await pool.query("SELECT 1") }
        try await waitUntil { pool.state.withLock { $0.machine.waiting } == 1 }
        waiting.cancel()
        let error = await #expect(throws: PostgresError.self) { try await waiting.value }
        #expect(error?.kind == .cancelled)
        try await connection.query("SELECT 1")
      }
      #expect(try await pool.query("SELECT 1").count == 1)
    }
  }

  @Test func `notifications arrive, and a lost connection listens again`() async throws {
    try await withPool { pool in
      let iterator = pool.listen("news").makeAsyncIterator()
      #expect(try await iterator.next() == .listening)
      try await pool.execute("SELECT pg_notify('news', 'one')")
      #expect(try await iterator.next() == .notification(payload: "one"))
      try await pool.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
      )
      #expect(try await iterator.next() == .listening)
      try await pool.execute("SELECT pg_notify('news', 'two')")
      #expect(try await iterator.next() == .notification(payload: "two"))
    }
  }

  @Test func `whoever listens and is cancelled ends with that and nothing else`() async throws {
    try await withPool { pool in
      let task = Task {
        for try await _ in pool.listen("news") {}
      }
      try await waitUntil { pool.state.withLock { !$0.listeners.isEmpty } }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      #expect(pool.state.withLock { $0.listeners.isEmpty })
    }
  }

  @Test func `COPY writes many rows, or none when one of them is wrong`() async throws {
    try await withPool { pool in
      try await pool.execute("CREATE TABLE t (n bigint PRIMARY KEY, s text)")
      let written = try await pool.withConnection { connection in
        try await connection.copyIn(
          "COPY t FROM STDIN",
          rows: (Int64(0) ..< 20_000).map {
            [$0, "tab\t newline\n back\\slash \($0)"] as [any PostgresValue]
          }
        )
      }
      #expect(written == 20_000)
      let text: String = try await pool.query("SELECT s FROM t WHERE n = 7")[0].decode("s")
      #expect(text == "tab\t newline\n back\\slash 7")
      await #expect(throws: PostgresError.self) {
        try await pool.withConnection { connection in
          try await connection.copyIn(
            "COPY t FROM STDIN",
            rows: [[Int64(30_000), "new"], [Int64(1), "twice"]] as [[any PostgresValue]]
          )
        }
      }
      let count: Int64 = try await pool.query("SELECT count(*) AS n FROM t")[0].decode("n")
      #expect(count == 20_000)
    }
  }

  @Test func `with nobody there the error says so within the time allowed`() async throws {
    var configuration = PostgresConfiguration(conninfo: "host=/nonexistent dbname=x")
    configuration.acquireTimeout = .milliseconds(300)
    let pool = PostgresPool(
      configuration: configuration,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }
    #expect(error?.kind == .connection)
    await pool.shutdown()
  }
}

private final class Counts: Sendable {
  let inside = Mutex(0)
  let most = Mutex(0)
  let refused = Mutex(0)
}

/// Waits until `condition` holds; fails after ten seconds.
func waitUntil(_ condition: () async throws -> Bool) async throws {
  let deadline = ContinuousClock.now + .seconds(10)
  while ContinuousClock.now < deadline {
    do {
      if try await condition() { return }
    } catch let error as PostgresError where error.kind == .connection {}
    try await Task.sleep(for: .milliseconds(5))
  }
  Issue.record("the condition did not hold within ten seconds")
}
