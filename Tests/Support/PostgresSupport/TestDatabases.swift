internal import Foundation
internal import Logging
package import Postgres

/// Databases of a real server that lives as long as the test process: each test gets its own.
package actor TestDatabases {
  package static let shared = TestDatabases()

  private var starting: Task<EmbeddedPostgres, any Error>?
  private var templates: [String: Task<Void, any Error>] = [:]
  private var count = 0

  /// The server, started on first use.
  package func server() async throws -> EmbeddedPostgres {
    if let starting { return try await starting.value }
    let task = Task {
      try await EmbeddedPostgres.start(
        dataDirectory: "/tmp/bindery-test-\(UUID().uuidString.prefix(8))",
        ephemeral: true,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      )
    }
    starting = task
    return try await task.value
  }

  /// `conninfo` of the superuser for an empty database of its own.
  package func empty() async throws -> String {
    try await make(template: "template1")
  }

  /// `conninfo` of the superuser for a copy of a database that `prepare` filled once.
  package func copy(
    of template: String,
    prepare: @escaping @Sendable (String) async throws -> Void
  ) async throws -> String {
    let server = try await server()
    if templates[template] == nil {
      templates[template] = Task {
        try await Self.execute("CREATE DATABASE \(template)", on: server)
        try await prepare(server.conninfo(user: "postgres", database: template))
      }
    }
    try await templates[template]?.value
    return try await make(template: template)
  }

  private func make(template: String) async throws -> String {
    let server = try await server()
    count += 1
    let name = "test_\(count)"
    try await Self.execute("CREATE DATABASE \(name) TEMPLATE \(template)", on: server)
    return server.conninfo(user: "postgres", database: name)
  }

  private static func execute(_ statement: String, on server: EmbeddedPostgres) async throws {
    let pool = PostgresPool(
      configuration: PostgresConfiguration(conninfo: server.superuserConninfo),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    do {
      try await pool.execute(SQL(unsafeRaw: statement))
    } catch {
      await pool.shutdown()
      throw error
    }
    await pool.shutdown()
  }
}
