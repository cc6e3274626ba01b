internal import Domain
internal import Foundation
internal import Logging
internal import Observability
internal import Postgres
internal import Store

/// The daemon's database: started or reached, migrated, and opened as the unprivileged role.
struct Database {
  let store: Store
  /// The server that the daemon runs itself, to be stopped with it.
  let embedded: EmbeddedPostgres?

  /// - Throws: `ProgramFailure`: `unavailable` when the database can't be reached, `unusable` when
  ///   it is too old, lacks pgvector, has a newer schema or refuses the login.
  static func open(_ settings: ControlSettings, logger: Logger) async throws -> Database {
    do {
      switch settings.database {
      case .embedded(let binaries):
        return try await openEmbedded(binaries: binaries, settings, logger: logger)
      case .external(let url, let migrationURL):
        let migration = Migrator.pool(conninfo: migrationURL, logger: logger)
        do {
          try await Migrator(pool: migration, logger: logger).up()
        } catch {
          await migration.shutdown()
          throw error
        }
        await migration.shutdown()
        return Database(store: store(conninfo: url, settings, logger: logger), embedded: nil)
      }
    } catch let error as StoreError {
      throw ProgramFailure(.unusable, "the database can't be used: \(error)")
    } catch let error as PostgresError {
      throw ProgramFailure(
        error.kind == .connection ? .unavailable : .unusable,
        "the database can't be used: \(error)"
      )
    }
  }

  func close() async {
    await store.app.shutdown()
    await store.distribution.shutdown()
    await store.access.shutdown()
    await store.fleet.shutdown()
    await embedded?.stop()
  }

  private static func openEmbedded(
    binaries: String,
    _ settings: ControlSettings,
    logger: Logger
  ) async throws -> Database {
    let server = try await EmbeddedPostgres.start(
      binaries: binaries,
      dataDirectory: settings.dataDirectory + "/postgres",
      logger: logger
    )
    do {
      let owner = Migrator.pool(conninfo: server.superuserConninfo, logger: logger)
      do {
        try await Migrator(pool: owner, logger: logger).up()
        try await LoginRole().ensure(on: owner)
      } catch {
        await owner.shutdown()
        throw error
      }
      await owner.shutdown()
      try writeConninfo(server.superuserConninfo, below: settings.dataDirectory)
      let login = server.conninfo(user: LoginRole().name, database: "postgres")
      return Database(store: store(conninfo: login, settings, logger: logger), embedded: server)
    } catch {
      await server.stop()
      throw error
    }
  }

  private static func store(
    conninfo: String,
    _ settings: ControlSettings,
    logger: Logger
  ) -> Store {
    Store(
      app: pool(
        conninfo,
        role: "bindery_app",
        connections: settings.databaseConnections,
        logger: logger
      ),
      distribution: pool(
        conninfo,
        role: "bindery_distribution",
        connections: max(2, settings.databaseConnections / 4),
        logger: logger
      ),
      // One looks for changes while the other reads them.
      access: pool(conninfo, role: "bindery_distribution", connections: 2, logger: logger),
      // Leases hang on it: nothing else may keep it waiting.
      fleet: pool(conninfo, role: "bindery_app", connections: 2, logger: logger),
      logger: logger
    )
  }

  private static func pool(
    _ conninfo: String,
    role: String,
    connections: Int,
    logger: Logger
  ) -> PostgresPool {
    var configuration = PostgresConfiguration(conninfo: conninfo)
    configuration.role = role
    configuration.maxConnections = connections
    configuration.applicationName = "bindery-control"
    return PostgresPool(configuration: configuration, logger: logger)
  }

  /// Lets an operator on the same machine look into the embedded database:
  /// `psql "$(cat DATA_DIR/postgres.conninfo)"`.
  private static func writeConninfo(_ conninfo: String, below directory: String) throws {
    let path = directory + "/postgres.conninfo"
    do {
      try (conninfo + "\n").write(toFile: path, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    } catch {
      throw ProgramFailure(.unusable, "\(path) can't be written: \(error.localizedDescription)")
    }
  }
}
