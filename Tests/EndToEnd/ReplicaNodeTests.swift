import Domain
import Foundation
import Scenario
import Testing
import Wire
import WireServices

/// `bindery nodes` and `--wait` over several control planes, with real nodes.
@Suite("Nodes of several control planes", .serialized)
struct ReplicaNodeTests {
  /// Two control planes with a node each.
  private func withTwo(
    stale policy: String,
    base: Int,
    _ body: @Sendable (ReplicaSet) async throws -> Void
  ) async throws {
    try await ReplicaSet.with(2, base: base) { set in
      try await set.startAll()
      let documents = try ReplicaWorld.whole(personas: 2, stale: policy)
      try await set.apply(documents, at: 0)
      try await set.startNode("node-0", port: 10, at: [0])
      try await set.startNode("node-1", port: 20, at: [1])
      try await waitUntil("both know both", within: .seconds(20)) {
        for replica in 0 ..< 2 {
          guard try await nodes(set, replica).count(where: { $0["connected"] == true }) == 2 else {
            return false
          }
        }
        return true
      }
      try await body(set)
    }
  }

  private func nodes(_ set: ReplicaSet, _ replica: Int) async throws -> [JSONValue] {
    try await set.tool(replica).json(["nodes"])["nodes"]?.arrayValue ?? []
  }

  private func wait(
    _ set: ReplicaSet,
    _ replica: Int,
    _ status: String,
    timeout: Int = 20
  ) async throws -> Completed {
    try await set.tool(replica).run(
      ["tenant", status, ReplicaWorld.tenant, "--wait", "--timeout", "\(timeout)"]
    )
  }

  @Test("a wait at either is over when both nodes have confirmed, and is so again after a restart")
  func waits() async throws {
    try await withTwo(stale: "serve", base: 9100) { set in
      let known = try await nodes(set, 0)
      let other = try #require(known.first { $0["node"] == "node-1" })
      #expect(other["replica"]?.stringValue == set.address(1))
      #expect((other["age_ms"]?.intValue ?? .max) < 5_000)
      let own = try #require(known.first { $0["node"] == "node-0" })
      #expect(own["replica"] == "" && own["age_ms"] == 0)
      for (replica, status) in [(0, "pause"), (1, "resume")] {
        let done = try await wait(set, replica, status)
        #expect(done.status == 0, "\(done.standardError)")
        #expect(done.standardOutput.contains("node-0") && done.standardOutput.contains("node-1"))
      }
      // Killed and back: node-0 is away at first, and is counted all the same.
      try await set.kill(set.control(0))
      try await set.start(0)
      let done = try await wait(set, 0, "pause")
      #expect(done.status == 0, "\(done.standardError)")
      #expect(done.standardOutput.contains("node-0") && done.standardOutput.contains("node-1"))
      let table = try await set.tool(1).run(["nodes"])
      #expect(table.standardOutput.contains("\(set.address(0)), "))
      #expect(table.standardOutput.contains("live"))
    }
  }

  @Test("under serve a node out of reach is named, at any replica and after a restart of all")
  func unconfirmed() async throws {
    try await withTwo(stale: "serve", base: 9130) { set in
      try await set.kill("node-1")
      for round in 0 ..< 2 {
        let done = try await wait(set, 0, round == 0 ? "pause" : "resume", timeout: 2)
        #expect(done.status == 3)
        #expect(done.standardError.contains("unconfirmed: node-1"), "\(done.standardError)")
        for replica in 0 ..< 2 { try await set.kill(set.control(replica)) }
        try await set.startAll()
      }
      let early = try await set.tool(1).run(["nodes", "forget", "node-0"])
      #expect(early.status != 0)
      #expect(early.standardError.contains("connected"), "\(early.standardError)")
      try await waitUntil("it may be forgotten", within: .seconds(20)) {
        try await set.tool(1).run(["nodes", "forget", "node-1"]).status == 0
      }
      #expect(try await set.tool(0).run(["nodes", "forget", "node-9"]).status == 66)
      let done = try await wait(set, 0, "pause")
      #expect(done.status == 0, "\(done.standardError)")
      #expect(!done.standardOutput.contains("node-1"))
    }
  }

  @Test("under refuse a wait is over once the lease of a node out of reach has surely run out")
  func leases() async throws {
    try await withTwo(stale: "refuse", base: 9160) { set in
      // It no longer answers, but its connection stands.
      await set.signal("node-1", SIGSTOP)
      let stopped = try await wait(set, 0, "pause")
      #expect(stopped.status == 0, "\(stopped.standardError)")
      #expect(stopped.standardOutput.contains("its lease has run out"))
      await set.signal("node-1", SIGCONT)
      let back = try await wait(set, 0, "resume")
      #expect(back.status == 0, "\(back.standardError)")
      #expect(!back.standardOutput.contains("its lease has run out"))
      // Its control plane is killed, and it with it; then the one that is asked is, too.
      try await set.kill(set.control(1))
      try await set.kill("node-1")
      try await set.kill(set.control(0))
      try await set.start(0)
      let gone = try await wait(set, 0, "pause")
      #expect(gone.status == 0, "\(gone.standardError)")
      #expect(gone.standardOutput.contains("its lease has run out"))
    }
  }
}
