package import Logging
package import Postgres

/// Brings a database up to this program's schema, as its owner.
///
/// Two at once are safe: each step takes an advisory lock and looks again at what has been applied.
package struct Migrator: Sendable {
  /// A step and whether the database has it.
  package struct Status: Sendable, Equatable {
    package let number: Int
    package let name: String
    package let isApplied: Bool
  }

  private let pool: PostgresPool
  private let migrations: [Migration]
  private let logger: Logger

  /// - Parameter pool: connects as the owner of the database, or a superuser.
  package init(pool: PostgresPool, migrations: [Migration] = Migration.all, logger: Logger) {
    self.pool = pool
    self.migrations = migrations
    self.logger = logger
  }

  /// A pool for migrating: one connection, and time for long steps.
  package static func pool(conninfo: String, logger: Logger) -> PostgresPool {
    var configuration = PostgresConfiguration(conninfo: conninfo)
    configuration.maxConnections = 1
    configuration.statementTimeout = .seconds(1800)
    configuration.applicationName = "bindery-migrate"
    return PostgresPool(configuration: configuration, logger: logger)
  }

  /// Applies what is missing, each step in a transaction of its own.
  ///
  /// - Returns: the numbers applied by this call.
  /// - Throws: `StoreError.serverTooOld`, `.vectorMissing`, `.vectorTooOld`, `.schemaTooNew`,
  ///   `.migrationEdited`, or the `PostgresError` of a step that failed and left nothing behind.
  @discardableResult
  package func up() async throws -> [Int] {
    try await checkServer()
    var applied: [Int] = []
    for migration in migrations where try await apply(migration) {
      logger.info("migrated", metadata: ["migration": "\(migration.number) \(migration.name)"])
      applied.append(migration.number)
    }
    return applied
  }

  /// Every step that the program ships, with whether it is applied. Changes nothing.
  package func status() async throws -> [Status] {
    let found = try await pool.withTransaction(readOnly: true) { connection in
      let exists = try await connection.query(
        "select to_regclass('public.schema_migrations') is not null as found"
      )
      guard try exists.first?.decode("found", as: Bool.self) == true else {
        return [Int: AppliedMigration]()
      }
      return try await Self.applied(on: connection)
    }
    try check(found)
    return migrations.map {
      Status(number: $0.number, name: $0.name, isApplied: found[$0.number] != nil)
    }
  }

  private func apply(_ migration: Migration) async throws -> Bool {
    try await pool.withTransaction { connection in
      try await connection.query("select pg_advisory_xact_lock(\(Self.lockKey))")
      try await connection.execute(
        script: """
          create table if not exists schema_migrations (
            number int primary key,
            name text not null,
            checksum text not null,
            applied_at timestamptz not null default now()
          )
          """
      )
      let applied = try await Self.applied(on: connection)
      try check(applied)
      guard applied[migration.number] == nil else { return false }
      try await connection.execute(script: migration.sql)
      try await connection.execute(
        """
        insert into schema_migrations (number, name, checksum)
        values (\(migration.number), \(migration.name), \(migration.checksum))
        """
      )
      return true
    }
  }

  private struct AppliedMigration: Sendable {
    let name: String
    let checksum: String
  }

  private static func applied(
    on connection: PostgresConnection
  ) async throws -> [Int: AppliedMigration] {
    var found: [Int: AppliedMigration] = [:]
    for row in try await connection.query("select number, name, checksum from schema_migrations") {
      found[try row.decode("number", as: Int.self)] = AppliedMigration(
        name: try row.decode("name"),
        checksum: try row.decode("checksum")
      )
    }
    return found
  }

  /// Whether what the database has is a beginning of what the program ships.
  private func check(_ applied: [Int: AppliedMigration]) throws {
    let known = migrations.last?.number ?? 0
    if let newest = applied.keys.max(), newest > known {
      throw StoreError.schemaTooNew(found: newest, known: known)
    }
    for migration in migrations {
      if let found = applied[migration.number], found.checksum != migration.checksum {
        throw StoreError.migrationEdited(number: migration.number, name: found.name)
      }
    }
  }

  private func checkServer() async throws {
    let rows = try await pool.query(
      """
      select current_setting('server_version') as server,
        current_setting('server_version_num')::int >= 150000 as new_enough,
        coalesce(
          (select extversion from pg_extension where extname = 'vector'),
          (select default_version from pg_available_extensions where name = 'vector')) as vector
      """
    )
    guard let row = rows.first else { throw StoreError.corrupt(what: "the server's version") }
    guard try row.decode("new_enough", as: Bool.self) else {
      throw StoreError.serverTooOld(version: try row.decode("server"))
    }
    guard let vector = try row.decode("vector", as: String?.self) else {
      throw StoreError.vectorMissing
    }
    let parts = vector.split(separator: ".").map { Int($0) ?? 0 }
    guard (parts.first ?? 0, parts.dropFirst().first ?? 0) >= (0, 5) else {
      throw StoreError.vectorTooOld(version: vector)
    }
  }

  /// Any constant of our own; advisory locks are per database.
  private static let lockKey: Int64 = 0x6269_6e64_6572_7901
}
