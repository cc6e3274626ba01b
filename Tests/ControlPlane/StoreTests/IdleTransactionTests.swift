import Postgres
import Store
import Testing

/// With statements of 300 ms at most, and a second in which nothing is asked of the transaction.
@Suite struct `A transaction in which nothing happens` {
  private func withImpatientStore(_ body: (StoreFixture, Store) async throws -> Void) async throws {
    try await withStore { fixture in
      var configuration = PostgresConfiguration(conninfo: fixture.login)
      configuration.role = "bindery_app"
      configuration.maxConnections = 2
      configuration.statementTimeout = .milliseconds(300)
      let app = PostgresPool(configuration: configuration, logger: StoreFixture.logger)
      let store = Store(
        app: app,
        distribution: fixture.store.distribution,
        logger: StoreFixture.logger
      )
      do {
        try await body(fixture, store)
      } catch {
        await app.shutdown()
        throw error
      }
      await app.shutdown()
    }
  }

  @Test func `is ended by the server, and its connection serves no other`() async throws {
    try await withImpatientStore { fixture, store in
      await #expect(throws: PostgresError.self) {
        try await store.app.withTransaction { connection in
          try await connection.query("select 1")
          try await fixture.owner.query("select pg_sleep(1)")
          try await connection.query("select 1")
        }
      }
      let rows = try await store.app.query("select 1 as one")
      #expect(rows.count == 1)
    }
  }

  @Test func `lasts while it holds the lock of a recompilation, and then others get that`()
    async throws
  {
    try await withImpatientStore { fixture, store in
      let mine = try await store.recompiling {
        try await fixture.owner.query("select pg_sleep(1)")
        return try await fixture.store.recompiling { true }
      }
      #expect(mine == .some(nil), "nobody else is at it meanwhile")
      let others = try await fixture.store.recompiling { true }
      #expect(others == true)
    }
  }
}
