import Foundation
import Logging
import Postgres
import PostgresSupport
import Store

/// A migrated database of a test's own, opened as the daemon opens it.
struct StoreFixture {
  let store: Store
  /// The superuser's, to look behind row-level security.
  let owner: PostgresPool
  /// Of the daemon's login role.
  let login: String

  static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  static func pool(_ conninfo: String, role: String? = nil, connections: Int = 4) -> PostgresPool {
    var configuration = PostgresConfiguration(conninfo: conninfo)
    configuration.role = role
    configuration.maxConnections = connections
    return PostgresPool(configuration: configuration, logger: logger)
  }

  /// Migrates the database and makes the daemon's role.
  static func prepare(_ conninfo: String) async throws {
    let pool = Migrator.pool(conninfo: conninfo, logger: logger)
    do {
      try await Migrator(pool: pool, logger: logger).up()
      try await LoginRole().ensure(on: pool)
    } catch {
      await pool.shutdown()
      throw error
    }
    await pool.shutdown()
  }
}

func withStore(_ body: (StoreFixture) async throws -> Void) async throws {
  let owner = try await TestDatabases.shared.copy(of: "migrated", prepare: StoreFixture.prepare)
  let login = owner.replacing("user=postgres", with: "user=\(LoginRole().name)")
  let fixture = StoreFixture(
    store: Store(
      app: StoreFixture.pool(login, role: "bindery_app", connections: 6),
      distribution: StoreFixture.pool(login, role: "bindery_distribution"),
      logger: StoreFixture.logger
    ),
    owner: StoreFixture.pool(owner),
    login: login
  )
  func close() async {
    await fixture.store.app.shutdown()
    await fixture.store.distribution.shutdown()
    await fixture.owner.shutdown()
  }
  do {
    try await body(fixture)
  } catch {
    await close()
    throw error
  }
  await close()
}

extension StoreFixture {
  /// The first column of a statement's only row, as the superuser sees it.
  func value<T: PostgresValue>(_ sql: SQL, as type: T.Type = T.self) async throws -> T {
    guard let row = try await owner.query(sql).first else { throw Missing() }
    return try row.decode(0, as: type)
  }

  struct Missing: Error {}
}
