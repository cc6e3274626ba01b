import Domain
import Foundation
import GRPCCore
import Scenario
import Support
import SwiftProtobuf
import Testing
import Wire

@Suite(
  .serialized,
  .stack(
    base: 8500,
    controlArguments: { folder in
      [
        "--access", "tokens", "--bootstrap-token-file", folder.appending(path: "admin.token").path,
        "--calls-per-caller", "6", "--tokens-per-tenant", "4", "--database-connections", "8",
      ]
    }
  ) { stack in
    try await stack.startControl()
    let sample = try stack.copySample()
    let applied = try await stack.tool(token: stack.adminToken()).json([
      "apply", "-y", "-f", sample.path,
    ])
    try require(applied["applied"] == true, "\(applied)")
  }
)
struct `What one caller can do to others` {
  private let stack: Stack
  private let admin: String

  init() throws {
    stack = try Stack.ofSuite()
    admin = try stack.adminToken()
  }

  private func revision() async throws -> Int64 {
    let text = try await stack.database().scalar("select revision from revision_line")
    return try #require(Int64(text))
  }

  /// Runs `body` while a node is there that confirms nothing, so that waits wait.
  private func whileHeld(_ node: String, _ body: () async throws -> Void) async throws {
    let token = try await stack.makeToken(["--role", "node", "--node", node])
    var hello = Bindery_V1_WatchRequest()
    hello.hello.nodeID = node
    hello.hello.mode = .eager
    let (request, stack) = (hello, stack)
    let holder = Task {
      try await RawCalls(stack.control, token: token.text).call(
        bindery("Distribution", "Watch"),
        [request],
        staysOpen: true,
        seconds: 60
      )
    }
    defer { holder.cancel() }
    try await waitUntil("the node is there", within: .seconds(10)) {
      try await stack.connected(admin).contains(node)
    }
    try await body()
  }

  private func waiting(for revision: Int64) -> Bindery_V1_WaitRequest {
    Bindery_V1_WaitRequest.with {
      $0.revision = revision
      $0.timeoutMs = 60_000
    }
  }

  @Test func `so many calls may be in flight, of each kind; more are told to come later`()
    async throws
  {
    let viewer = try await stack.makeToken(["--role", "viewer", "--platform"])
    let other = try await stack.makeToken(["--role", "viewer", "--platform"])
    let caller = RawCalls(stack.control, token: viewer.text)
    let wait = waiting(for: try await revision())
    let method = bindery("Admin", "Wait")
    try await whileHeld("idle-1") {
      var count = 0
      let started = AsyncStream.makeStream(of: Void.self)
      let calls = (0 ..< 6).map { _ in
        Task {
          try await caller.call(method, [wait], seconds: 60) { _ in
            started.continuation.yield()
            return false
          }
        }
      }
      defer { for call in calls { call.cancel() } }
      for await _ in started.stream {
        count += 1
        if count == 6 { break }
      }
      let seventh = try await caller.call(method, [wait])
      #expect(seventh.code == .resourceExhausted, "\(seventh)")
      #expect(seventh.message.contains("6 streams in flight"), "\(seventh.message)")
      #expect(seventh.message.contains("--calls-per-caller"))
      // Its other calls, and others' streams, are none the worse.
      let nodes = try await caller.call(bindery("Admin", "ListNodes"), [Google_Protobuf_Empty()])
      #expect(nodes.code == .ok, "\(nodes)")
      let others = try await RawCalls(stack.control, token: other.text)
        .call(method, [wait]) { !$0.isEmpty }
      #expect(others.code == .ok, "\(others)")
      for call in calls { call.cancel() }
      try await waitUntil("there is room again", within: .seconds(10)) {
        try await caller.call(method, [wait]) { !$0.isEmpty }.code == .ok
      }
    }
    let metrics = try await httpCall("GET", "http://127.0.0.1:\(stack.ports.http)/metrics")
    #expect(!metrics.text.contains("bindery_calls_over_limit_total 0\n"))
    #expect(metrics.text.contains("bindery_calls_over_limit_total "))
  }

  /// Nothing closes it: packets vanish, as behind a firewall that has forgotten the connection.
  @Test func `a node notices that its connection leads nowhere, and takes another`() async throws {
    let token = try await stack.makeToken(["--role", "node", "--node", "node-1"])
    let file = try stack.write(token.text, to: "node-1.token")
    let proxy = try await LinkProxy.start(to: .tcp(port: stack.ports.grpc))
    try await stack.startNode(
      0,
      [
        "--token-file", file.path, "--keepalive-ms", "400", "--keepalive-timeout-ms", "300",
      ],
      control: "127.0.0.1:\(proxy.port)"
    )
    try await waitUntil("the node is there", within: .seconds(10)) {
      try await stack.connected(admin).contains("node-1")
    }
    let before = proxy.accepted
    proxy.vanish()
    try await waitUntil("the node comes by another connection", within: .seconds(10)) {
      proxy.accepted > before
    }
    for verb in ["pause", "resume"] {
      let switched = try await stack.tool(token: admin).json(["tenant", verb, "kichcha"])
      let revision = try #require(switched["revision"])
      try await waitUntil("the node has it", within: .seconds(10)) {
        try await stack.tool(token: admin).json(["nodes"])["nodes"]?.arrayValue?
          .contains { $0["node"] == "node-1" && $0["revision"] == revision } == true
      }
    }
    #expect(await stack.stop("node-1") == nil)
    try await proxy.stop()
    let refused = try await Completed.run(
      "bindery-node",
      path: try stack.layout.program("bindery-node"),
      arguments: ["--keepalive-ms", "soon"]
    )
    #expect(refused.status == 64)
    #expect(refused.standardError.contains("keepalive-ms is 'soon'"))
  }

  @Test func `a tenant has so many live tokens`() async throws {
    var made: [String] = []
    for _ in 0 ..< 4 {
      made.append(try await stack.makeToken(["--role", "viewer", "--tenant", "vakil"]).id)
    }
    let tool = try stack.tool(token: admin)
    let more = ["token", "create", "--role", "viewer", "--tenant", "vakil"]
    let refused = try await tool.run(more)
    #expect(refused.status != 0)
    #expect(
      refused.standardError.contains("tenant 'vakil' has 4 live access tokens"),
      "\(refused.standardError)"
    )
    #expect(refused.standardError.split(separator: "\n").count == 1)
    // Another's are its own; one that is revoked no longer counts.
    _ = try await stack.makeToken(["--role", "viewer", "--tenant", "medicly"])
    _ = try await tool.json(["token", "revoke", try #require(made.first)])
    #expect(try await tool.run(more).status == 0)
    // Those that have ended are still listed.
    let listed = try await tool.json(["token", "list", "--tenant", "vakil"]).arrayValue
    #expect(listed?.count == 5)
  }

  @Test func `a flood of reads that the database does not answer puts off no revocation`()
    async throws
  {
    let viewer = try await stack.makeToken(["--role", "viewer", "--platform"])
    let flood = RawCalls(
      stack.control,
      token: try await stack.makeToken(["--role", "viewer", "--platform"]).text
    )
    let wait = waiting(for: try await revision())
    let (stack, admin) = (stack, admin)
    try await whileHeld("idle-2") {
      let began = AsyncStream.makeStream(of: Void.self)
      let stream = Task {
        try await RawCalls(stack.control, token: viewer.text).call(
          bindery("Admin", "Wait"),
          [wait],
          seconds: 60
        ) { _ in
          began.continuation.yield()
          return false
        }
      }
      defer { stream.cancel() }
      for await _ in began.stream { break }
      let database = try stack.database()
      let lock = try database.hold(
        "lock table humans in access exclusive mode",
        log: stack.folder.appending(path: "lock.log")
      )
      let blocked = "select 1 from pg_locks where not granted and relation = 'humans'::regclass"
      try await waitUntil("humans is locked", within: .seconds(10)) {
        try await database.count(
          "select 1 from pg_locks where granted and relation = 'humans'::regclass and mode = 'AccessExclusiveLock'"
        ) == 1
      }
      var list = Bindery_V1_ListRequest()
      list.kind = "Human"
      let request = list
      let reads = (0 ..< 6).map { _ in
        Task { try await flood.call(bindery("Admin", "List"), [request], seconds: 60) }
      }
      defer { for read in reads { read.cancel() } }
      // All connections that such reads have.
      try await waitUntil("reads wait on all their connections", within: .seconds(10)) {
        try await database.count(blocked) >= 2
      }
      _ = try await stack.tool(token: admin).json(["token", "revoke", viewer.id])
      let ending = try await stream.value
      #expect(ending.code == .unauthenticated, "\(ending)")
      #expect(ending.message.contains("was revoked"), "\(ending.message)")
      // They still wait.
      #expect(try await database.count(blocked) >= 2)
      try await database.release(lock)
      for read in reads { #expect(try await read.value.code == .ok) }
    }
  }

  @Test func `a wait for a revision that is still to come is refused, with the newest`()
    async throws
  {
    let newest = try await revision()
    let caller = RawCalls(stack.control, token: admin)
    let early = try await caller.call(bindery("Admin", "Wait"), [waiting(for: newest + 1)])
    #expect(early.code == .failedPrecondition, "\(early)")
    #expect(early.message.contains("the newest is \(newest)"), "\(early.message)")
    let now = try await caller.call(bindery("Admin", "Wait"), [waiting(for: newest)]) {
      !$0.isEmpty
    }
    #expect(now.code == .ok, "\(now)")
  }

  @Test func `what the platform has paused a tenant's operator can't resume`() async throws {
    let own = try await stack.makeToken(["--role", "operator", "--tenant", "sahayak"])
    let (platform, tenant) = (
      try stack.tool(token: admin), try stack.tool(token: own.text)
    )
    // Its own pause is its own to end.
    _ = try await tenant.json(["tenant", "pause", "sahayak"])
    _ = try await tenant.json(["tenant", "resume", "sahayak"])
    // The platform takes a pause over that the tenant made.
    _ = try await tenant.json(["tenant", "pause", "sahayak"])
    _ = try await platform.json(["tenant", "pause", "sahayak", "--reason", "unpaid"])
    for verb in ["resume", "archive"] {
      let refused = try await tenant.run(["tenant", verb, "sahayak"])
      guard refused.status != 64 else { continue }
      #expect(refused.status == 77, "\(refused.standardError)")
      #expect(
        refused.standardError.contains("may not change what the platform paused"),
        "\(refused.standardError)"
      )
    }
    // To pause once more changes nothing, and takes nothing back.
    _ = try await tenant.json(["tenant", "pause", "sahayak"])
    #expect(try await tenant.run(["tenant", "resume", "sahayak"]).status == 77)
    _ = try await platform.json(["tenant", "resume", "sahayak"])
    _ = try await tenant.json(["tenant", "pause", "sahayak"])
    _ = try await platform.json(["tenant", "resume", "sahayak"])

    let audit = { @Sendable (arguments: [String]) async throws -> [JSONValue] in
      try await platform.json(["audit"] + arguments).arrayValue ?? []
    }
    let told = try await audit(["--object", "tenant/sahayak"]).compactMap {
      $0["action"] == "switch" ? $0["detail"]?.stringValue : nil
    }
    #expect(
      told == [
        "paused to active, by the platform", "active to paused, by the tenant",
        "paused to active, by the platform", "paused, by the platform",
        "active to paused, by the tenant", "paused to active, by the tenant",
        "active to paused, by the tenant",
      ]
    )
    try await waitUntil("the audit log has the refusals", within: .seconds(5)) {
      try await audit(["--actor", own.id]).contains {
        $0["refused"] == true
          && $0["detail"]?.stringValue?.contains("what the platform paused") == true
      }
    }
  }
}
