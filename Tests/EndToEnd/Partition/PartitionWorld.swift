import Domain
import Foundation
import Scenario
import Support
import Testing

/// A Bindery whose nodes reach their control plane over links that can fail, and whose second control
/// plane reaches the database over one.
///
/// The operator's control plane (A) serves the first half of the nodes; the other one (B) the rest.
struct PartitionWorld: Sendable {
  static let lease = Duration.milliseconds(1500)

  let stack: Stack
  /// One for each node.
  let links: [LinkProxy]
  /// Between control plane B and PostgreSQL; nil without B.
  let database: LinkProxy?

  /// Runs `body` on a world of real processes, with tenant `vakil` asking the vendor's model, and
  /// stopping when its nodes can't be sure.
  static func with(
    base: Int,
    nodes: Int,
    hasSecondControl: Bool,
    _ body: @Sendable (PartitionWorld) async throws -> Void
  ) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "bindery-\(base)-\(UUID().uuidString.prefix(8))"
    )
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var ports = Stack.Ports(base: base)
    ports.tools = base + 83
    ports.nodes = (1 ... nodes).map { base + 10 * $0 }
    let stack = Stack(
      layout: try .ofThisBuild(),
      folder: folder,
      ports: ports,
      nodeArguments: ["--model-first-token-ms", "4000", "--model-stall-ms", "4000"],
      controlArguments: ["--lease-ms", "\(Int(Self.lease / .milliseconds(1)))"]
    )
    var links: [LinkProxy] = []
    var database: LinkProxy?
    do {
      try await stack.startServices()
      let socket = folder.appending(path: "pg")
      try FileManager.default.createDirectory(at: socket, withIntermediateDirectories: true)
      if hasSecondControl {
        database = try await stack.startSecondControl(over: socket, lease: Self.lease)
      }
      for index in 0 ..< nodes {
        let isSecond = hasSecondControl && index >= nodes / 2
        let port = isSecond ? stack.secondControlPort : ports.grpc
        links.append(try await LinkProxy.start(to: .tcp(port: port)))
      }
      let world = PartitionWorld(stack: stack, links: links, database: database)
      for index in 0 ..< nodes { try await world.startNode(index) }
      let sample = try stack.copySample { text in
        text.replacing(
          "default: simulated, max_tokens: 2048",
          with: "default: claude-sonnet-5-5, fallback: [], max_tokens: 2048"
        )
        .replacing("  degraded: hold", with: "  degraded: serve")
        .replacing(
          "  max_tool_iterations: 2\n  tools: []",
          with: """
              max_tool_iterations: 2
              tools:
                - name: look_up
                  description: "Looks the matter up."
                  schema: {type: object, properties: {}}
                  endpoint: {url: "http://127.0.0.1:\(ports.tools)/tools/look_up", method: POST}
                  timeout_ms: 4000
                  idempotent: true
            """
        )
      }
      let answer = try await stack.tool().json(["apply", "-y", "-f", sample.path])
      try require(answer["applied"] == true, "not applied: \(answer)")
      try await world.waitUntilHealthy()
      try await body(world)
    } catch {
      Issue.record("\(error)")
    }
    let faults = await stack.stopAll()
    #expect(faults.isEmpty)
    for link in links { try await link.stop() }
    try await database?.stop()
    removeFolder(folder)
  }

  var nodes: Range<Int> { links.indices }

  /// Half of them notice by themselves that a connection leads nowhere; the others wait.
  static func isAlert(_ index: Int) -> Bool { index.isMultiple(of: 2) }

  /// - Parameter isReady: Whether it is to have said so by the return.
  func startNode(_ index: Int, isReady: Bool = true) async throws {
    let flags = ["--keepalive-ms", "500", "--keepalive-timeout-ms", "700"]
    try await stack.startNode(
      index,
      Self.isAlert(index) ? flags : [],
      control: "127.0.0.1:\(links[index].port)",
      isReady: isReady
    )
  }

  func status(_ index: Int) async throws -> JSONValue {
    try await httpCall("GET", "\(stack.edges[index])/status", within: .seconds(5)).json()
  }

  /// Waits until all nodes have a lease and the newest revision.
  func waitUntilHealthy() async throws {
    let wanted = try await stack.tool().json(["nodes"])["revision"] ?? .null
    for index in nodes {
      try await waitUntil("node \(index + 1) is well", within: .seconds(40)) {
        let status = try await status(index)
        return status["connected"] == true
          && (wanted == .null || status["revision"]?.intValue ?? 0 >= wanted.intValue ?? 0)
      }
    }
  }

  /// All links are well; nodes that were killed are back.
  func heal() async throws {
    for link in links { link.set(.init()) }
    database?.set(.init())
    let running = await stack.runningNames
    for index in nodes where !running.contains("node-\(index + 1)") {
      try await startNode(index)
    }
    for port in [stack.ports.anthropic, stack.ports.tools, stack.ports.whatsapp] {
      try await stack.mend(port)
    }
  }
}

extension Stack {
  nonisolated var secondControlPort: Int { ports.grpc + 5 }

  /// Secrets, fakes and the control plane.
  func startServices() async throws {
    try await startFakes()
    try await startControl()
  }

  /// A control plane that reaches the first one's database over a link.
  func startSecondControl(over socket: URL, lease: Duration) async throws -> LinkProxy {
    let path = folder.appending(path: "control/postgres.conninfo")
    let conninfo = String(decoding: try Data(contentsOf: path), as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let real = conninfo.split(separator: " ").first { $0.hasPrefix("host=") }?.dropFirst(5) ?? ""
    let link = try await LinkProxy.start(
      to: .unix(path: "\(real)/.s.PGSQL.5432"),
      at: .unix(path: socket.appending(path: ".s.PGSQL.5432").path)
    )
    let superuser = conninfo.replacing("host=\(real)", with: "host=\(socket.path)")
    try await start(
      "bindery-control",
      [
        "--grpc", "127.0.0.1:\(secondControlPort)", "--http", "127.0.0.1:\(ports.grpc + 6)",
        "--data-dir", folder.appending(path: "control-2").path, "--database-url",
        superuser.replacing("user=postgres", with: "user=bindery_daemon"),
        "--database-migration-url", superuser, "--tool-allow", "127.0.0.1:\(ports.tools)",
        "--lease-ms", "\(Int(lease / .milliseconds(1)))",
      ],
      as: "control-2"
    )
    return link
  }
}
