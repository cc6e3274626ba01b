package import Domain
package import Foundation

/// Reads the database as its superuser through the stock client `psql`: what is stored, without any
/// of our own code in between.
package struct Database: Sendable {
  private let psql: String
  private let conninfo: String

  /// - Parameter conninfo: libpq's connection string of a superuser.
  package init(psql: String, conninfo: String) {
    self.psql = psql
    self.conninfo = conninfo
  }

  /// The rows of a query, each as a JSON object by column name.
  package func rows(_ query: String) async throws -> [[String: JSONValue]] {
    let text = try await scalar("select coalesce(json_agg(r), '[]') from (\(query)) r")
    return try JSONDecoder().decode([[String: JSONValue]].self, from: Data(text.utf8))
  }

  /// The only value of a query, as text.
  package func scalar(_ query: String) async throws -> String {
    let completed = try await Completed.run(
      "psql",
      path: psql,
      arguments: [
        "--no-psqlrc", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--dbname",
        conninfo, "--command", query,
      ]
    )
    guard completed.status == 0 else {
      throw ScenarioFailure("psql: \(completed.standardError)")
    }
    return completed.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Holds the locks of some statements until the program is ended with `release`.
  package func hold(_ statements: String, log: URL) throws -> Program {
    try Program(
      "psql",
      path: psql,
      arguments: [
        "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname", conninfo, "--command", "begin",
        "--command", statements, "--command", "select pg_sleep(600) as held",
      ],
      log: log
    )
  }

  /// Ends what `hold` started. The server wouldn't notice that its client is gone while it sleeps.
  package func release(_ held: Program) async throws {
    _ = try await scalar(
      "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like 'select pg_sleep(600) as held%'"
    )
    try await held.waitUntilExit(within: .seconds(10))
  }

  package func count(_ query: String) async throws -> Int {
    let text = try await scalar("select count(*) from (\(query)) r")
    guard let count = Int(text) else { throw ScenarioFailure("psql: '\(text)' is no number") }
    return count
  }

  /// Everything that the table `messages` holds.
  package func transcript() async throws -> Transcript {
    let rows = try await rows(
      """
      select t.slug tenant, m.channel, m.direction, m.body
      from messages m
      join sessions s on s.id = m.session_id
      join agent_bindings b on b.id = s.binding_id
      join tenants t on t.id = b.tenant_id
      """
    )
    return Transcript(
      rows.map { row in
        Utterance(
          tenant: row["tenant"]?.stringValue ?? "",
          channel: row["channel"]?.stringValue ?? "",
          inbound: row["direction"] == "inbound",
          body: row["body"]?.stringValue ?? ""
        )
      }
    )
  }
}
