import Domain
import Foundation
import Scenario
import Support
import Testing

/// Nodes that start with neither a control plane nor a database, from what lies on their disks.
@Suite(.serialized) struct `Static stability` {
  private static let served = ["sahayak", "ranveer", "kichcha", "medicly"]

  /// Copies hold what was applied last, told by a word of it.
  private func waitForCopies(_ world: PartitionWorld, with word: String) async throws {
    for node in world.nodes {
      try await waitUntil("node \(node + 1) has its copy", within: .seconds(20)) {
        let file = FileManager.default.contents(atPath: path(world, node, "configuration"))
        return file?.range(of: Data(word.utf8)) != nil
      }
    }
  }

  private func path(_ world: PartitionWorld, _ node: Int, _ name: String) -> String {
    world.stack.folder.appending(path: "node-\(node + 1)/configuration/\(name)").path
  }

  private func answers(_ world: PartitionWorld, _ node: Int, _ tenant: String) async throws -> Bool
  {
    let reply = try await WebVisitor(host: "\(tenant).example").say(
      "namaste, where is my order?",
      to: world.stack.edges[node]
    )
    return reply.status == 200 && reply.ended == "done" && !reply.text.isEmpty
  }

  @Test(.timeLimit(.minutes(10)))
  func
    `everything known is served from the disk, staleness shows, and what is damaged is not used`()
    async throws
  {
    try await PartitionWorld.with(base: 9400, nodes: 2, hasSecondControl: false) { world in
      try await waitForCopies(world, with: "look_up")
      let revision = try await world.status(0)["revision"] ?? .null
      // All is gone at once: nodes by a crash, control plane and database for good.
      for node in world.nodes { try await world.stack.kill("node-\(node + 1)") }
      #expect(await world.stack.stop("bindery-control") == nil)
      for node in world.nodes { try await world.startNode(node) }
      for node in world.nodes { try await expectStale(world, node, revision) }
      try await damage(world, revision)
      try await expectReturn(world)
    }
  }

  /// Served, and shown to be from a while ago.
  private func expectStale(_ world: PartitionWorld, _ node: Int, _ revision: JSONValue) async throws
  {
    let edge = world.stack.edges[node]
    // Ready though it has had no lease since its start: it has something to serve.
    let ready = try await httpCall("GET", "\(edge)/readyz")
    #expect(ready.status == 200)
    #expect(ready.text.hasPrefix("ready\nno control plane: revision "), "\(ready.text)")
    let status = try await world.status(node)
    #expect(status["connected"] == false && status["ready"] == true)
    #expect(status["revision"] == revision)
    #expect(status["config_age_ms"]?.intValue ?? -1 >= 0)
    let metrics = try await httpCall("GET", "\(edge)/metrics").text
    #expect(metrics.contains("bindery_connected 0\n"))
    #expect(metrics.contains("\nbindery_config_age_seconds "))
    for tenant in Self.served {
      #expect(try await answers(world, node, tenant), "\(tenant) at node \(node + 1)")
    }
    // This one has said that it would rather wait.
    let vakil = try await WebVisitor(host: "vakil.example").say("namaste", to: edge)
    #expect(vakil.end["reason"] == "held" && vakil.text.isEmpty)
    // And what nobody knows is unknown.
    #expect(try await WebVisitor(host: "nobody.example").say("hi", to: edge).status == 404)
  }

  private struct Damage: Sendable {
    var name: String
    var make: @Sendable (String) throws -> Void

    static let all = [
      Damage(name: "a byte in the middle") { path in
        try change(path) { $0[$0.count / 2] ^= 0x10 }
      },
      Damage(name: "the last byte") { path in try change(path) { $0[$0.count - 1] ^= 1 } },
      Damage(name: "cut short") { path in try change(path) { $0.removeLast($0.count / 3) } },
      Damage(name: "empty") { path in try change(path) { $0 = Data() } },
      Damage(name: "an old format") { path in try change(path) { $0[7] = UInt8(ascii: "0") } },
      Damage(name: "not to be read") { path in
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      },
    ]

    private static func change(_ path: String, _ body: (inout Data) -> Void) throws {
      var data = try Data(contentsOf: URL(filePath: path))
      body(&data)
      try data.write(to: URL(filePath: path))
    }
  }

  /// The newest copy of node 1, damaged in many ways: the one before serves.
  private func damage(_ world: PartitionWorld, _ revision: JSONValue) async throws {
    let newest = path(world, 0, "configuration")
    let whole = try Data(contentsOf: URL(filePath: newest))
    let before = path(world, 0, "configuration.previous")
    for damage in Damage.all {
      try await world.stack.kill("node-1")
      try FileManager.default.removeItem(atPath: newest)
      for path in [newest, before] { try whole.write(to: URL(filePath: path)) }
      try damage.make(newest)
      try await world.startNode(0)
      let log = await world.stack.output(of: "node-1")
      #expect(log.contains("disk copy damaged"), "\(damage.name): \(log)")
      #expect(log.contains("the disk copy of before is used"), "\(damage.name): \(log)")
      let status = try await world.status(0)
      #expect(status["revision"] == revision, "\(damage.name)")
      #expect(status["disk_copy_faults"] == 1, "\(damage.name)")
      #expect(try await answers(world, 0, "sahayak"), "\(damage.name)")
    }
    // With both broken it lives, says why it is not ready, and waits.
    try await world.stack.kill("node-1")
    try FileManager.default.removeItem(atPath: newest)
    for path in [newest, before] { try Data("nonsense".utf8).write(to: URL(filePath: path)) }
    try await world.startNode(0, isReady: false)
    let edge = world.stack.edges[0]
    try await waitUntil("it lives", within: .seconds(20)) {
      do {
        return try await httpCall("GET", "\(edge)/healthz", within: .seconds(2)).status == 200
      } catch is ScenarioFailure {
        return false
      }
    }
    let ready = try await httpCall("GET", "\(edge)/readyz")
    #expect(ready.status == 503)
    #expect(ready.text.contains("no configuration yet"))
    #expect(await world.stack.output(of: "node-1").contains("no disk copy is whole"))
  }

  /// The control plane comes back: everybody is well again, and who was kept is answered.
  private func expectReturn(_ world: PartitionWorld) async throws {
    try await world.stack.startControl()
    try await world.waitUntilHealthy()
    let answer = try await world.stack.tool().json(["nodes"])
    let nodes = answer["nodes"]?.arrayValue ?? []
    #expect(nodes.count == 2)
    #expect(nodes.allSatisfy { $0["connected"] == true && $0["revision"] == answer["revision"] })
    for node in world.nodes {
      let ready = try await httpCall("GET", "\(world.stack.edges[node])/readyz")
      #expect(ready.status == 200 && ready.text == "ready\n", "\(ready.text)")
    }
    try await waitForCopies(world, with: "look_up")
    // Both copies were broken; the next start has one again.
    try await world.stack.kill("node-1")
    try await world.startNode(0)
    #expect(!(await world.stack.output(of: "node-1").contains("disk copy damaged")))
  }
}
