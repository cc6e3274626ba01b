import Domain
import Foundation
import GRPCCore
import Logging
import NIOPosix
import PostgresSupport
import Scenario
import Transport
import Wire
import WireServices

/// Several control planes on one database, each to be killed and started again.
actor ReplicaSet {
  nonisolated let folder: URL
  nonisolated let layout: Layout
  nonisolated let count: Int
  nonisolated let database: Database
  private nonisolated let conninfo: String
  private nonisolated let base: Int
  private nonisolated let arguments: [String]
  private var running: [String: Program] = [:]

  /// - Parameter base: First of its ports.
  init(_ count: Int, base: Int, arguments: [String] = []) async throws {
    self.count = count
    self.base = base
    self.arguments = arguments
    layout = try .ofThisBuild()
    conninfo = try await TestDatabases.shared.empty()
    database = Database(
      psql: layout.postgres.appending(path: "psql").path,
      conninfo: conninfo
    )
    folder = FileManager.default.temporaryDirectory.appending(
      path: "bindery-replicas-\(UUID().uuidString.prefix(8))"
    )
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  nonisolated func address(_ replica: Int) -> String { "127.0.0.1:\(base + 2 * replica)" }

  nonisolated func tool(_ replica: Int) throws -> CommandLineTool {
    CommandLineTool(path: try layout.program("bindery"), control: address(replica))
  }

  // MARK: - Programs

  func start(_ replica: Int) async throws {
    try await start(
      "bindery-control",
      [
        "--grpc", address(replica), "--http", "127.0.0.1:\(base + 2 * replica + 1)",
        "--data-dir", folder.appending(path: "control-\(replica)").path,
        "--database-url", conninfo, "--lease-ms", "2000", "--database-connections", "6",
      ] + arguments,
      as: "control-\(replica)"
    )
  }

  func startAll() async throws {
    for replica in 0 ..< count { try await start(replica) }
  }

  /// A node that knows the replicas in this order.
  func startNode(_ name: String, port: Int, at replicas: [Int]) async throws {
    try await start(
      "bindery-node",
      [
        "--node-id", name, "--region", "local", "--http", "127.0.0.1:\(base + port)",
        "--data-dir", folder.appending(path: name).path,
        "--secrets-dir", folder.appending(path: "secrets").path,
      ] + replicas.flatMap { ["--control", address($0)] },
      as: name
    )
  }

  private func start(_ program: String, _ arguments: [String], as name: String) async throws {
    let log = folder.appending(path: "\(name)-\(UUID().uuidString.prefix(8)).log")
    let started = try Program(
      name,
      path: try layout.program(program),
      arguments: arguments,
      log: log
    )
    running[name] = started
    try await started.waitUntilReady(within: .seconds(60))
  }

  nonisolated func control(_ replica: Int) -> String { "control-\(replica)" }

  /// Ends a program as a crash would.
  func kill(_ name: String) async throws {
    guard let program = running.removeValue(forKey: name) else { return }
    program.signal(SIGKILL)
    try await program.waitUntilExit(within: .seconds(10))
  }

  /// Stops a program in its tracks, or lets it go on.
  func signal(_ name: String, _ signal: Int32) { running[name]?.signal(signal) }

  func isRunning(_ name: String) -> Bool { running[name] != nil }

  func output(of name: String) -> String { running[name]?.output ?? "" }

  /// - Returns: what was wrong with their ends.
  func stopAll() async -> [String] {
    var faults: [String] = []
    for (_, program) in running.sorted(by: { $0.key > $1.key }) {
      if let fault = await program.stop() { faults.append(fault) }
    }
    running = [:]
    removeFolder(folder)
    return faults
  }

  // MARK: - Calls

  /// A client of some replicas, the first that answers of them.
  nonisolated func withClient<Result: Sendable>(
    of replicas: [Int],
    _ body: @Sendable (GRPCClient<HTTP2ClientTransport>) async throws -> Result
  ) async throws -> Result {
    let transport = HTTP2ClientTransport(
      endpoints: try replicas.map { try TransportAddress(parsing: address($0)) },
      group: MultiThreadedEventLoopGroup.singleton,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    return try await withGRPCClient(transport: transport) { try await body($0) }
  }

  nonisolated func apply(_ documents: [Bindery_V1_Document], at replica: Int) async throws {
    var request = Bindery_V1_ApplyRequest()
    request.documents = documents
    request.author = "tests"
    let message = request
    let response = try await withClient(of: [replica]) {
      try await Bindery_V1_Admin.Client(wrapping: $0).apply(message)
    }
    try require(response.ok, "\(response.diagnostics)")
  }

  /// Runs `body` with a set of its own, and stops what it started.
  static func with(
    _ count: Int,
    base: Int,
    arguments: [String] = [],
    _ body: @Sendable (ReplicaSet) async throws -> Void
  ) async throws {
    let set = try await ReplicaSet(count, base: base, arguments: arguments)
    do {
      try await body(set)
    } catch {
      for line in await set.tails() { print(line) }
      _ = await set.stopAll()
      throw error
    }
    let faults = await set.stopAll()
    try require(faults.isEmpty, faults.joined(separator: "\n"))
  }

  private func tails() -> [String] { running.values.map { $0.tail(30) } }
}

/// What the writers change: some bindings, each with a persona of its own.
enum ReplicaWorld {
  static let tenant = "bench"

  static func persona(_ number: Int, text: String) throws -> Bindery_V1_Document {
    try document(
      "Human",
      "p\(number)",
      [
        "display_name": .string(text), "languages": ["en"],
        "voice": ["tone": ["calm"], "register": "neutral", "max_sentences": 4],
        "greeting": ["en": .string(text)], "apology": ["en": "Sorry, please try again."],
      ]
    )
  }

  static func whole(personas: Int, stale policy: String = "serve") throws -> [Bindery_V1_Document] {
    var documents = [
      try document("Tenant", tenant, ["display_name": "Bench", "stale_policy": .string(policy)]),
      try document(
        "Team",
        "desk",
        [
          "display_name": "Desk",
          "members": .array((0 ..< personas).map { .string("p\($0)") }),
          "sops": [["title": "Greet", "text": "Greet."]],
        ]
      ),
      try document(
        "Agent",
        "runtime",
        ["display_name": "Runtime", "model_routing": ["default": "simulated"]]
      ),
    ]
    for number in 0 ..< personas {
      documents.append(try persona(number, text: "p\(number)"))
      documents.append(
        try document(
          "Binding",
          "b\(number)",
          [
            "human": .string("p\(number)"), "team": "desk", "agent": "runtime",
            "channels": ["web"], "routes": ["web": [.string("b\(number).example")]],
          ]
        )
      )
    }
    return documents
  }

  private static func document(
    _ kind: String,
    _ slug: String,
    _ spec: JSONValue
  ) throws -> Bindery_V1_Document {
    var document = Bindery_V1_Document()
    document.kind = kind
    document.tenant = tenant
    document.slug = slug
    document.specJson = String(decoding: try JSONEncoder().encode(spec), as: UTF8.self)
    return document
  }
}
