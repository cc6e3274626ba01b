package import Domain
package import Foundation

/// Everything that a running Bindery is made of, started as real processes in a folder of its own.
package actor Stack {
  package static let tenants = ["sahayak", "ranveer", "kichcha", "medicly", "vakil"]

  package struct Ports: Sendable {
    package var grpc: Int
    package var http: Int
    package var nodes: [Int]
    package var whatsapp: Int
    package var anthropic: Int
    package var tools: Int

    /// Below the ephemeral range. The tools' port stands in the sample.
    package init(base: Int = 7400) {
      grpc = base
      http = base + 1
      nodes = [base + 10, base + 20]
      whatsapp = base + 82
      anthropic = base + 81
      tools = 7480
    }
  }

  package nonisolated let layout: Layout
  package nonisolated let folder: URL
  package nonisolated let ports: Ports
  private let nodeArguments: [String]
  private let controlArguments: [String]
  private var running: [String: Program] = [:]

  /// - Parameters:
  ///   - nodeArguments: Flags that every node gets besides its own.
  ///   - controlArguments: The same for the control plane.
  package init(
    layout: Layout,
    folder: URL,
    ports: Ports = Ports(),
    nodeArguments: [String] = [],
    controlArguments: [String] = []
  ) {
    self.layout = layout
    self.folder = folder
    self.ports = ports
    self.nodeArguments = nodeArguments
    self.controlArguments = controlArguments
  }

  package nonisolated var edges: [String] { ports.nodes.map { "http://127.0.0.1:\($0)" } }
  package nonisolated var control: String { "127.0.0.1:\(ports.grpc)" }

  /// - Parameter token: Shown to the control plane, when it asks who calls.
  package nonisolated func tool(token: String? = nil) throws -> CommandLineTool {
    CommandLineTool(path: try layout.program("bindery"), control: control, token: token)
  }

  package nonisolated func database() throws -> Database {
    let path = folder.appending(path: "control/postgres.conninfo")
    let conninfo = String(decoding: try Data(contentsOf: path), as: UTF8.self)
    return Database(
      psql: layout.postgres.appending(path: "psql").path,
      conninfo: conninfo.trimmingCharacters(in: .whitespacesAndNewlines)
    )
  }

  /// Secrets, fakes, control plane, nodes.
  package func start() async throws {
    try await startFakes()
    try await startControl()
    for index in ports.nodes.indices { try await startNode(index) }
  }

  /// Secrets and fakes.
  package func startFakes() async throws {
    try writeSecrets()
    try await start(
      "bindery-fakes",
      [
        "--whatsapp", "\(ports.whatsapp)", "--anthropic", "\(ports.anthropic)", "--tools",
        "\(ports.tools)",
      ]
    )
  }

  package func startControl(_ options: [String] = []) async throws {
    try await start(
      "bindery-control",
      [
        "--grpc", control, "--http", "127.0.0.1:\(ports.http)", "--data-dir",
        folder.appending(path: "control").path, "--postgres-binaries", layout.postgres.path,
        "--tool-allow", "127.0.0.1:\(ports.tools)", "--lease-ms", "3000",
      ] + controlArguments + options
    )
  }

  /// - Parameters:
  ///   - extra: Flags of this node only.
  ///   - address: Where it looks for the control plane; nil for where that is.
  ///   - isReady: Whether to wait until it says so.
  package func startNode(
    _ index: Int,
    _ extra: [String] = [],
    control address: String? = nil,
    isReady: Bool = true
  ) async throws {
    try await start(
      "bindery-node",
      [
        "--node-id", "node-\(index + 1)", "--region", "local", "--control", address ?? control,
        "--http",
        "127.0.0.1:\(ports.nodes[index])", "--data-dir",
        folder.appending(path: "node-\(index + 1)").path, "--secrets-dir",
        folder.appending(path: "secrets").path, "--whatsapp-base-url",
        "http://127.0.0.1:\(ports.whatsapp)", "--anthropic-base-url",
        "http://127.0.0.1:\(ports.anthropic)", "--tool-allow", "127.0.0.1:\(ports.tools)",
        "--quiet-ms", "100", "--latest-ms", "1000",
      ] + nodeArguments + extra,
      as: "node-\(index + 1)",
      isReady: isReady
    )
  }

  /// Everything that a running program has printed.
  package func output(of name: String) -> String { running[name]?.output ?? "" }

  /// Starts another program of the build, and waits until it is ready.
  package func start(
    _ program: String,
    _ arguments: [String],
    as name: String? = nil,
    isReady: Bool = true
  ) async throws {
    let name = name ?? program
    // A log of its own for each start, so that an old "ready" isn't taken for the new one.
    let log = folder.appending(path: "\(name)-\(UUID().uuidString.prefix(8)).log")
    let started = try Program(
      name,
      path: try layout.program(program),
      arguments: arguments,
      log: log
    )
    running[name] = started
    if isReady { try await started.waitUntilReady(within: .seconds(60)) }
  }

  /// - Returns: What was wrong with its end.
  @discardableResult
  package func stop(_ name: String) async -> String? {
    guard let program = running.removeValue(forKey: name) else { return nil }
    return await program.stop()
  }

  /// Ends the control plane as a crash would.
  package func killControl() async throws {
    guard let program = running.removeValue(forKey: "bindery-control") else { return }
    program.signal(SIGKILL)
    // The database that it started outlives it and holds what `Process` waits on, so ask the port.
    try await waitUntil("the control plane is gone", within: .seconds(10)) {
      do {
        _ = try await httpCall("GET", "http://127.0.0.1:\(ports.http)/healthz", within: .seconds(1))
        return false
      } catch is ScenarioFailure {
        return true
      }
    }
  }

  /// Ends a program, which has started no other, as a crash would.
  package func kill(_ name: String) async throws {
    guard let program = running.removeValue(forKey: name) else { return }
    program.signal(SIGKILL)
    try await program.waitUntilExit(within: .seconds(10))
  }

  package var runningNames: [String] { running.keys.sorted() }

  /// Stops all that was started, nodes first, and the one with the database after all that use it.
  /// Returns what was wrong with their ends.
  package func stopAll() async -> [String] {
    let last = ["bindery-control", "bindery-fakes"]
    let nodes = running.keys.filter { $0.hasPrefix("node-") }.sorted()
    let others = running.keys.filter { !$0.hasPrefix("node-") && !last.contains($0) }.sorted()
    var faults: [String] = []
    for name in nodes + others + last {
      if let fault = await stop(name) { faults.append(fault) }
    }
    return faults
  }

  private func writeSecrets() throws {
    for tenant in Self.tenants {
      let folder = folder.appending(path: "secrets/\(tenant)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      for name in ["app_secret", "verify_token", "access_token", "anthropic_api_key"] {
        let file = folder.appending(path: name)
        try Data("\(tenant)-\(name)".utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
      }
    }
  }

  /// The WhatsApp account of a tenant of the sample.
  package nonisolated func account(of tenant: String) -> WhatsAppAccount {
    let number = (Self.tenants.firstIndex(of: tenant) ?? 0) + 1
    return WhatsAppAccount(
      tenant: tenant,
      slug: tenant,
      displayNumber: "91980000000\(number)",
      phoneNumberID: "10980000000000\(number)",
      appSecret: "\(tenant)-app_secret",
      verifyToken: "\(tenant)-verify_token"
    )
  }

  /// The file of a tenant's secret, as all nodes read it.
  package nonisolated func secret(_ name: String, of tenant: String) -> URL {
    folder.appending(path: "secrets/\(tenant)/\(name)")
  }

  /// Makes the next requests to a fake fail: see `FakeServer`.
  package nonisolated func fail(_ port: Int, _ how: JSONValue) async throws {
    let answer = try await httpCall(
      "POST",
      "http://127.0.0.1:\(port)/control/fail",
      headers: ["content-type": "application/json"],
      body: try JSONEncoder().encode(how)
    )
    try require(answer.status == 200, "the fake answered \(answer.status)")
  }

  /// Ends all failures of a fake.
  package nonisolated func mend(_ port: Int) async throws {
    _ = try await httpCall("POST", "http://127.0.0.1:\(port)/control/mend")
  }

  /// What a fake received so far.
  package nonisolated func received(by port: Int) async throws -> [JSONValue] {
    try await httpCall("GET", "http://127.0.0.1:\(port)/control/requests").json().arrayValue ?? []
  }

  /// Texts that the fake WhatsApp was asked to send to a phone.
  package nonisolated func sent(to phone: String) async throws -> [String] {
    try await received(by: ports.whatsapp).filter { $0["body"]?["to"]?.stringValue == phone }
      .compactMap { $0["body"]?["text"]?["body"]?.stringValue }
  }
}
