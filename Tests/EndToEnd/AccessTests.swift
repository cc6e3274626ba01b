import Domain
import Foundation
import GRPCCore
import Scenario
import SwiftProtobuf
import Testing
import Wire
import WireServices

@Suite(
  .serialized,
  .stack(
    base: 8100,
    controlArguments: { folder in
      [
        "--access", "tokens", "--bootstrap-token-file", folder.appending(path: "admin.token").path,
        // Each test is refused more often than anybody should be.
        "--auth-failures", "100000",
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
struct `Access by tokens` {
  private let stack: Stack
  private let admin: String

  init() throws {
    stack = try Stack.ofSuite()
    admin = try stack.adminToken()
  }

  private func token(_ arguments: [String]) async throws -> (id: String, text: String) {
    try await stack.makeToken(arguments)
  }

  // MARK: - Who comes without

  @Test func `the first token is written for its owner only, once`() async throws {
    let path = stack.folder.appending(path: "admin.token").path
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
    #expect((mode as? NSNumber)?.intValue == 0o600)
    #expect(admin.hasPrefix("bnd_") && admin.utf8.count == 67)
    let listed = try await stack.tool(token: admin).json(["token", "list"])
    #expect(listed.arrayValue?.count { $0["name"] == "bootstrap" } == 1)
  }

  @Test func `every method is closed to those without a good token, and health is open`()
    async throws
  {
    #expect(allMethods.count >= 21)
    let ended = try await token(["--role", "admin", "--expires", "1s"])
    try await waitUntil("the token expires", within: .seconds(5)) {
      let call = RawCalls(stack.control, token: ended.text)
      return try await call.call(bindery("Admin", "ListNodes"), []).code == .unauthenticated
    }
    let callers = [
      (RawCalls(stack.control), "no access token"),
      (RawCalls(stack.control, token: "nonsense"), "malformed"),
      (RawCalls(stack.control, token: String(admin.dropLast()) + "!"), "malformed"),
      (
        RawCalls(stack.control, token: "bnd_aaaaaaaaaa_" + String(repeating: "a", count: 52)),
        "no such access token"
      ),
      (RawCalls(stack.control, token: ended.text), "has expired"),
    ]
    for (caller, why) in callers {
      for method in allMethods {
        let ending = try await caller.call(method, [Google_Protobuf_Empty()])
        #expect(ending.code == .unauthenticated, "\(method)")
        #expect(ending.message.contains(why), "\(method): \(ending.message)")
        #expect(ending.answers.isEmpty)
      }
      let health = try await caller.call(
        MethodDescriptor(fullyQualifiedService: "grpc.health.v1.Health", method: "Check"),
        [Google_Protobuf_Empty()]
      )
      #expect(health.code == .ok)
    }
    var basic = RawCalls(stack.control)
    basic.authorization = "Basic \(admin)"
    #expect(try await basic.call(allMethods[0], []).code == .unauthenticated)
  }

  @Test func `the command line says what is wrong in one line, with status 77`() async throws {
    let revoked = try await token(["--role", "viewer", "--tenant", "medicly"])
    _ = try await stack.tool(token: admin).json(["token", "revoke", revoked.id])
    let viewer = try await token(["--role", "viewer", "--tenant", "medicly"])
    let cases: [(token: String?, arguments: [String], says: String)] = [
      (nil, ["nodes"], "no access token; use --token-file"),
      ("bnd_wrong", ["nodes"], "malformed"),
      (revoked.text, ["nodes"], "\(revoked.id) was revoked"),
      (viewer.text, ["get", "humans", "--tenant", "vakil"], "reaches no tenant but its own"),
      (viewer.text, ["tenant", "pause", "medicly"], "needs a token of role operator"),
      (viewer.text, ["token", "list"], "needs a token of role admin"),
    ]
    for it in cases {
      let done = try await stack.tool(token: it.token).run(it.arguments)
      #expect(done.status == 77, "\(it.arguments): \(done.standardError)")
      #expect(done.standardError.contains(it.says), "\(done.standardError)")
      #expect(done.standardError.split(separator: "\n").count == 1)
      #expect(done.standardOutput.isEmpty)
    }
    let file = try stack.write("\(viewer.text)\n", to: "viewer.token")
    let read = try await stack.tool().run(["nodes", "--token-file", file.path])
    #expect(read.status == 0)
    let missing = try await stack.tool().run(["nodes", "--token-file", "/nonexistent"])
    #expect(missing.status == 77)
    #expect(missing.standardError.contains("/nonexistent can't be read"))
    // A token is not sent where anybody could read it.
    let plain = try await stack.tool(token: viewer.text)
      .run(["nodes", "--control", "192.0.2.1:7400"])
    #expect(plain.status == 77)
    #expect(plain.standardError.contains("without TLS"))
  }

  // MARK: - Tenants

  @Test(arguments: ["viewer", "author", "operator", "admin"])
  func `a tenant's token reads, writes and waits on no other tenant by any method`(
    _ role: String
  )
    async throws
  {
    let mine = try await token(["--role", role, "--tenant", "medicly"])
    let caller = RawCalls(stack.control, token: mine.text)
    let before = try await stack.tool(token: admin).json(["get", "tenants"])
    for method in allMethods {
      let isAdmins = method.service.fullyQualifiedService == "bindery.v1.Admin"
      var why: Set<String> = []
      for tenant in ["vakil", "no-such-tenant"] {
        let message = try request(of: method, tenant)
        // They ask for nobody in particular.
        if isAdmins, ["ListNodes", "GetRetention"].contains(method.method) { continue }
        let ending = try await caller.call(method, [message])
        #expect(ending.code == .permissionDenied, "\(method): \(ending)")
        #expect(ending.answers.isEmpty)
        why.insert(ending.message)
      }
      // Whether the tenant exists can't be told from the refusal.
      #expect(why.count <= 1, "\(why)")
    }
    let after = try await stack.tool(token: admin).json(["get", "tenants"])
    #expect(before == after)
    // What names no tenant shows its own.
    for kind in ["tenants", "humans", "teams", "agents", "bindings"] {
      let seen = try await stack.tool(token: mine.text).json(["get", kind]).arrayValue ?? []
      #expect(!seen.isEmpty)
      #expect(seen.allSatisfy { $0["tenant"] == "medicly" }, "\(kind)")
    }
    _ = try await stack.tool(token: mine.text).json(["usage"])
  }

  @Test func `a viewer writes nothing, and an author its own tenant, under its own name`()
    async throws
  {
    let viewer = try await token(["--role", "viewer", "--tenant", "medicly"])
    let author = try await token([
      "--role", "author", "--tenant", "medicly", "--name", "Medicly's CI",
    ])
    let own = stack.folder.appending(path: "sample/medicly").path
    let dry = try await stack.tool(token: viewer.text).run(["apply", "-y", "--dry-run", "-f", own])
    #expect(dry.status == 77)
    let operating = try await token(["--role", "operator", "--tenant", "medicly"])
    for verb in ["pause", "resume"] {
      for it in [viewer, author] {
        #expect(try await stack.tool(token: it.text).run(["tenant", verb, "medicly"]).status == 77)
      }
      let done = try await stack.tool(token: operating.text).json(["tenant", verb, "medicly"])
      #expect(done["changed"] == true)
    }
    let applied = try await stack.tool(token: author.text).json(["apply", "-y", "-f", own])
    #expect(applied["ok"] == true)
    let newcomer = try stack.write(
      "{ kind: Human, tenant: medicly, slug: newcomer, spec: { display_name: N, languages: [en] } }",
      to: "newcomer.yaml"
    )
    let added = try await stack.tool(token: author.text)
      .json(["apply", "-y", "-f", newcomer.path])
    #expect(added["applied"] == true)
    let both = try await stack.tool(token: author.text).run([
      "apply", "-y", "-f", stack.folder.appending(path: "sample").path,
    ])
    #expect(both.status == 77)
    let said = try await stack.database().scalar(
      "select author from commits order by revision desc limit 1"
    )
    #expect(said == "Medicly's CI (token \(author.id))")
  }

  // MARK: - Ends

  @Test(arguments: ["revoke", "rotate"])
  func `an open stream ends within a second of the end of its token`(_ verb: String) async throws {
    let viewer = try await token(["--role", "viewer", "--tenant", "medicly"])
    let node = try await token(["--role", "node", "--node", "brief-\(verb)"])
    var wait = Bindery_V1_WaitRequest()
    wait.revision = 1
    wait.timeoutMs = 20_000
    var hello = Bindery_V1_WatchRequest()
    hello.hello.nodeID = "brief-\(verb)"
    hello.hello.mode = .eager
    var claim = Bindery_V1_ClaimRequest()
    claim.nodeID = "brief-\(verb)"
    claim.capacity = 1
    let streams:
      [(MethodDescriptor, [any SwiftProtobuf.Message & Sendable], (id: String, text: String))] = [
        (bindery("Distribution", "Watch"), [hello], node),
        (bindery("Conversations", "Claim"), [claim], node),
        (bindery("Ledger", "Record"), [], node),
        (bindery("Admin", "Wait"), [wait], viewer),
      ]
    // A node that never confirms keeps the wait open.
    let holder = try await token(["--role", "node", "--node", "holder-\(verb)"])
    var held = hello
    held.hello.nodeID = "holder-\(verb)"
    let holding = held
    let (stack, admin) = (stack, admin)
    try await withThrowingTaskGroup(of: Void.self) { group in
      let holdingTask = Task {
        try await RawCalls(stack.control, token: holder.text)
          .call(bindery("Distribution", "Watch"), [holding], staysOpen: true)
      }
      try await waitUntil("the holder is there", within: .seconds(5)) {
        try await stack.connected(admin).contains("holder-\(verb)")
      }
      for (method, messages, token) in streams {
        group.addTask {
          let ending = try await RawCalls(stack.control, token: token.text)
            .call(method, messages, staysOpen: method.method != "Wait" && method.method != "Claim")
          #expect(ending.code == .unauthenticated, "\(method): \(ending.code) \(ending.message)")
        }
      }
      try await waitUntil("the watch is open", within: .seconds(5)) {
        try await stack.connected(admin).contains("brief-\(verb)")
      }
      let start = ContinuousClock.now
      for id in [node.id, viewer.id] {
        _ = try await stack.tool(token: admin).json(["token", verb, id])
      }
      try await group.waitForAll()
      // Both commands of the tool and a second for the streams.
      #expect(ContinuousClock.now - start < .seconds(4))
      holdingTask.cancel()
      _ = try? await holdingTask.value
    }
  }

  @Test(arguments: ["Apply", "Usage", "Wait"])
  func `a request that is sent whole only after its token's end is refused`(
    _ name: String
  )
    async throws
  {
    let author = try await token(["--role", "author", "--tenant", "medicly"])
    let method = bindery("Admin", name)
    let (stack, admin) = (stack, admin)
    let ending = try await RawCalls(stack.control, token: author.text).call(
      method,
      [try request(of: method, "medicly")],
      beforeEnd: { _ = try await stack.tool(token: admin).json(["token", "revoke", author.id]) }
    )
    #expect(ending.code == .unauthenticated, "\(ending)")
    #expect(
      try await stack.database().count("select 1 from humans where slug = 'intruder'") == 0
    )
  }

  @Test(arguments: [("Usage", "llm_calls"), ("Apply", "commits")])
  func `a call that is under way when its token ends is cut, and writes nothing`(
    _ name: String,
    _ table: String
  ) async throws {
    let author = try await token(["--role", "author", "--tenant", "medicly"])
    let database = try stack.database()
    // Whoever needs the table waits for this.
    let holder = Task {
      try await database.scalar(
        "begin; lock table \(table) in access exclusive mode; select pg_sleep(30); commit"
      )
    }
    func sessions(_ condition: String) async throws -> Int {
      try await database.count(
        """
        select 1 from pg_locks where relation = '\(table)'::regclass and \(condition)
        """
      )
    }
    try await waitUntil("the table is locked", within: .seconds(10)) {
      try await sessions("granted and mode = 'AccessExclusiveLock'") == 1
    }
    let method = bindery("Admin", name)
    let (stack, admin) = (stack, admin)
    let call = Task {
      try await RawCalls(stack.control, token: author.text)
        .call(method, [try request(of: method, "medicly")], seconds: 60)
    }
    try await waitUntil("the call waits for it", within: .seconds(10)) {
      try await sessions("not granted") >= 1
    }
    _ = try await stack.tool(token: admin).json(["token", "revoke", author.id])
    let ending = try await call.value
    #expect(ending.code == .unauthenticated, "\(ending)")
    #expect(ending.message.contains("was revoked"))
    #expect(try await sessions("granted and mode = 'AccessExclusiveLock'") == 1)
    _ = try await database.scalar(
      """
      select count(pg_terminate_backend(pid)) from pg_locks
      where relation = '\(table)'::regclass and granted and mode = 'AccessExclusiveLock'
      """
    )
    _ = await holder.result
    try await waitUntil("nobody holds the table", within: .seconds(10)) {
      try await sessions("true") == 0
    }
    #expect(try await database.count("select 1 from humans where slug = 'intruder'") == 0)
  }

  @Test func `a token's text stands in no log, no list and no table`() async throws {
    let made = try await token(["--role", "node", "--node", "quiet", "--name", "quiet"])
    let caller = RawCalls(stack.control, token: made.text)
    for method in allMethods { _ = try await caller.call(method, [Google_Protobuf_Empty()]) }
    let log = await stack.output(of: "bindery-control")
    let lines = log.split(separator: "\n").filter { $0.contains("call refused") }
    #expect(lines.contains { $0.contains(made.id) && $0.contains("Apply") && $0.contains("peer") })
    let list = try await stack.tool(token: admin).run(["token", "list", "-o", "json"])
    let rows = try await stack.database().scalar(
      "select string_agg(t::text, ' ') from access_tokens t"
    )
    for text in [made.text, admin] {
      let secret = String(text.suffix(52))
      for place in [log, list.standardOutput, rows] { #expect(!place.contains(secret)) }
      #expect(rows.contains(text.dropFirst(4).prefix(10)))
    }
  }

  // MARK: - Requests

  /// A request of a method of Admin that is about a tenant; something small for the others.
  private func request(
    of method: MethodDescriptor,
    _ tenant: String
  ) throws -> any SwiftProtobuf.Message & Sendable {
    switch method.method {
    case "Apply", "ApplyAll":
      var document = Bindery_V1_Document()
      (document.kind, document.tenant, document.slug) = ("Human", tenant, "intruder")
      document.specJson = #"{"display_name": "Intruder", "languages": ["en"]}"#
      return Bindery_V1_ApplyRequest.with { $0.documents = [document] }
    case "Get":
      return Bindery_V1_GetRequest.with {
        ($0.kind, $0.tenant, $0.slug) = ("Tenant", tenant, tenant)
      }
    case "List":
      return Bindery_V1_ListRequest.with { ($0.kind, $0.tenant) = ("Human", tenant) }
    case "SetTenantStatus":
      return Bindery_V1_SetTenantStatusRequest.with { ($0.tenant, $0.status) = (tenant, .archived) }
    case "Wait": return Bindery_V1_WaitRequest.with { $0.tenant = tenant }
    case "Usage": return Bindery_V1_UsageRequest.with { $0.tenant = tenant }
    case "ListRoutes": return Bindery_V1_ListRoutesRequest.with { $0.tenant = tenant }
    case "History":
      return Bindery_V1_HistoryRequest.with {
        ($0.kind, $0.tenant, $0.slug) = ("Tenant", tenant, tenant)
      }
    case "Diff":
      return Bindery_V1_DiffRequest.with {
        ($0.kind, $0.tenant, $0.slug) = ("Tenant", tenant, tenant)
      }
    case "Rollback":
      return Bindery_V1_RollbackRequest.with {
        ($0.kind, $0.tenant, $0.slug, $0.toVersion) = ("Tenant", tenant, tenant, 1)
      }
    case "Audit": return Bindery_V1_AuditRequest.with { $0.tenant = tenant }
    case "ListTokens": return Bindery_V1_ListTokensRequest.with { $0.tenant = tenant }
    case "RevokeToken", "RotateToken":
      // The platform's first token, and one that nobody has.
      let id = tenant == "vakil" ? String(admin.dropFirst(4).prefix(10)) : "aaaaaaaaaa"
      return method.method == "RevokeToken"
        ? Bindery_V1_RevokeTokenRequest.with { $0.id = id }
        : Bindery_V1_RotateTokenRequest.with { $0.id = id }
    case "CreateRollout":
      var document = Bindery_V1_Document()
      (document.kind, document.tenant, document.slug) = ("Human", tenant, "intruder")
      document.specJson = "{}"
      return Bindery_V1_CreateRolloutRequest.with { $0.documents = [document] }
    case "GetRollout": return Bindery_V1_GetRolloutRequest.with { $0.tenant = tenant }
    case "ListRollouts": return Bindery_V1_ListRolloutsRequest.with { $0.tenant = tenant }
    case "ControlRollout":
      return Bindery_V1_ControlRolloutRequest.with {
        ($0.tenant, $0.name, $0.action) = (tenant, "r", .abort)
      }
    case "CreateToken":
      return Bindery_V1_CreateTokenRequest.with { ($0.role, $0.tenant) = (.viewer, tenant) }
    default: return Google_Protobuf_Empty()
    }
  }
}
