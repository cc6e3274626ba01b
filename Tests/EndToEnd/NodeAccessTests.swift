import Domain
import Foundation
import GRPCCore
import Logging
import Scenario
import SwiftProtobuf
import TLS
import TLSSupport
import Testing
import Wire
import WireServices

@Suite(
  .serialized,
  .stack(
    base: 8200,
    controlArguments: { folder in
      let certificates = Certificates(below: folder)
      try certificates.issue()
      return [
        "--access", "tokens", "--bootstrap-token-file", folder.appending(path: "admin.token").path,
        "--tls-cert", certificates.certificate("server"), "--tls-key", certificates.key("server"),
        "--tls-client-ca", certificates.root, "--tls-client", "optional",
      ]
    }
  ) { stack in
    try await stack.startControl()
    let sample = try stack.copySample()
    let applied = try await stack.secureTool().json(["apply", "-y", "-f", sample.path])
    try require(applied["applied"] == true, "\(applied)")
  }
)
struct `Access of nodes` {
  private let stack: Stack
  private let certificates: Certificates

  init() throws {
    stack = try Stack.ofSuite()
    certificates = Certificates(below: stack.folder)
  }

  private func calls(
    token: String? = nil,
    certificate: String? = nil
  ) throws -> RawCalls {
    var calls = RawCalls(stack.control, token: token)
    calls.tls = try ReloadingTLSContext(
      role: .client,
      credentials: TLSCredentials(
        certificate: certificate.map(certificates.certificate),
        key: certificate.map(certificates.key),
        trustRoots: certificates.root
      ),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    return calls
  }

  private func makeToken(_ arguments: [String]) async throws -> (id: String, text: String) {
    let made = try await stack.secureTool().json(["token", "create"] + arguments)
    return (
      try #require(made["token"]?["id"]?.stringValue), try #require(made["secret"]?.stringValue)
    )
  }

  private func tenant(_ slug: String) async throws -> TenantID {
    let text = try await stack.database().scalar("select id from tenants where slug = '\(slug)'")
    return try #require(TenantID(text))
  }

  private func hello(
    _ nodeID: String,
    region: String = "local",
    mode: Bindery_V1_WatchMode = .eager,
    tenants: [TenantID] = []
  ) -> Bindery_V1_WatchRequest {
    var request = Bindery_V1_WatchRequest()
    request.hello.nodeID = nodeID
    request.hello.region = region
    request.hello.mode = mode
    request.hello.filter.tenantIds = tenants.map(\.data)
    return request
  }

  private static func read(_ answers: [[UInt8]]) throws -> [Bindery_V1_WatchResponse] {
    try answers.map { try Bindery_V1_WatchResponse(serializedBytes: $0) }
  }

  /// Owners of all that came.
  private static func owners(_ answers: [[UInt8]]) throws -> Set<Data> {
    var owners: Set<Data> = []
    for answer in try read(answers) {
      for changes in [
        answer.snapshotChunk, answer.deltaChunk, answer.delta.changes, answer.invalidation.changes,
      ] {
        owners.formUnion(changes.bindings.map(\.tenantID))
        owners.formUnion(changes.sections.map(\.tenantID))
        owners.formUnion(changes.routes.map(\.tenantID))
        owners.formUnion(changes.tenants.map(\.tenantID))
        owners.formUnion(changes.channelAccounts.map(\.tenantID))
        owners.formUnion(changes.removed.map(\.tenantID))
      }
      owners.formUnion(answer.invalidation.keys.map(\.tenantID))
      if answer.hasControl { owners.insert(answer.control.tenantID) }
    }
    // The platform's own sections are everyone's.
    return owners.subtracting([Data()])
  }

  @Test(arguments: [Bindery_V1_WatchMode.eager, .lazy])
  func `a node bound to one tenant never gets another's configuration`(
    _ mode: Bindery_V1_WatchMode
  ) async throws {
    let (medicly, vakil) = (try await tenant("medicly"), try await tenant("vakil"))
    let name = "bound-\(mode.rawValue)"
    let token = try await makeToken([
      "--role", "node", "--node", name, "--region", "local", "--tenant", "medicly",
    ])
    let caller = try calls(token: token.text)
    let watch = bindery("Distribution", "Watch")
    let file = try stack.write(
      """
      kind: Human
      tenant: vakil
      slug: newcomer-\(mode.rawValue)
      spec: { display_name: Newcomer, languages: [en] }
      ---
      kind: Human
      tenant: medicly
      slug: newcomer-\(mode.rawValue)
      spec: { display_name: Newcomer, languages: [en] }
      """,
      to: "newcomer.yaml"
    )
    let stack = stack
    let seen = try await caller.call(watch, [hello(name, mode: mode)], staysOpen: true) { answers in
      let messages = try Self.read(answers)
      guard messages.contains(where: \.hasSnapshotEnd) else { return false }
      if messages.last?.hasSnapshotEnd == true {
        // Both tenants change, and the other one is switched off and on.
        let applied = try await stack.secureTool().json(["apply", "-y", "-f", file.path])
        try require(applied["applied"] == true, "\(applied)")
        for verb in ["pause", "resume"] {
          _ = try await stack.secureTool().json(["tenant", verb, "vakil"])
        }
        _ = try await stack.secureTool().json(["tenant", "pause", "medicly"])
        _ = try await stack.secureTool().json(["tenant", "resume", "medicly"])
      }
      return messages.count { $0.hasControl } >= 1 && messages.last?.hasControl != true
    }
    #expect(seen.code == .ok, "\(seen.message)")
    #expect(try Self.owners(seen.answers) == [medicly.data])

    // Asked for by name: absent, as what does not exist.
    let holder = Task {
      try await caller.call(watch, [hello(name, mode: mode)], staysOpen: true)
    }
    defer { holder.cancel() }
    try await waitUntil("the node is there", within: .seconds(5)) {
      try await stack.secureTool().json(["nodes"])["nodes"]?.arrayValue?
        .contains { $0["node"]?.stringValue == name && $0["connected"] == true } == true
    }
    let rows = try await stack.database().scalar(
      "select string_agg(tenant_id || '/' || id, ' ') from agent_bindings"
    )
    var fetch = Bindery_V1_FetchRequest()
    fetch.nodeID = name
    fetch.keys = rows.split(separator: " ").compactMap { row in
      let ids = row.split(separator: "/").map(String.init)
      var key = Bindery_V1_ResourceKey()
      key.kind = .binding
      key.key = ids[1]
      key.tenantID = TenantID(ids[0])?.data ?? Data()
      return key
    }
    #expect(fetch.keys.count >= 5)
    let fetched = try await caller.call(bindery("Distribution", "Fetch"), [fetch])
    #expect(fetched.code == .ok, "\(fetched.message)")
    let answer = try Bindery_V1_FetchResponse(serializedBytes: fetched.answers.first ?? [])
    #expect(Set(answer.changes.bindings.map(\.tenantID)) == [medicly.data])
    #expect(
      Set(answer.changes.sections.map(\.tenantID)).subtracting([Data()]) == [medicly.data]
    )
    let refused = try await caller.call(
      watch,
      [hello(name, mode: mode, tenants: [medicly, vakil])],
      staysOpen: true
    )
    #expect(refused.code == .permissionDenied)
  }

  @Test func `a node speaks for itself only, from its region, for its tenants`() async throws {
    let token = try await makeToken([
      "--role", "node", "--node", "edge-1", "--region", "in-south", "--tenant", "medicly",
    ])
    let caller = try calls(token: token.text)
    let watch = bindery("Distribution", "Watch")
    for (request, why) in [
      (hello("edge-2", region: "in-south"), "another node"),
      (hello("edge-1", region: "in-north"), "region 'in-south'"),
    ] {
      let ending = try await caller.call(watch, [request], staysOpen: true)
      #expect(ending.code == .permissionDenied)
      #expect(ending.message.contains(why), "\(ending.message)")
    }
    var refusals: Set<String> = []
    for tenant in [try await tenant("vakil"), TenantID(UUID())] {
      var accept = Bindery_V1_AcceptRequest()
      accept.conversation.tenantID = tenant.data
      var begin = Bindery_V1_BeginTurnRequest()
      begin.nodeID = "edge-1"
      begin.conversation.tenantID = tenant.data
      var commit = Bindery_V1_CommitTurnRequest()
      commit.conversation.tenantID = tenant.data
      let endings = [
        try await caller.call(bindery("Conversations", "Accept"), [accept]),
        try await caller.call(bindery("Conversations", "BeginTurn"), [begin]),
        try await caller.call(bindery("Conversations", "CommitTurn"), [commit]),
      ]
      #expect(endings.allSatisfy { $0.code == .permissionDenied }, "\(endings)")
      refusals.formUnion(endings.map(\.message))
    }
    #expect(refusals.count == 1, "\(refusals)")
  }

  @Test func `records of tenants that a node serves no longer are set aside, and hold up nothing`()
    async throws
  {
    let token = try await makeToken([
      "--role", "node", "--node", "rebound", "--region", "local", "--tenant", "medicly",
    ])
    let spool = TenantID(UUID())
    var records: [Bindery_V1_RecordRequest] = []
    for owner in [try await tenant("vakil"), TenantID(UUID())] {
      var record = Bindery_V1_RecordRequest()
      (record.nodeID, record.sequence) = ("rebound", UInt64(records.count + 1))
      record.spoolIncarnation = spool.data
      record.record.turnID = TenantID(UUID()).data
      record.record.tenantID = owner.data
      records.append(record)
    }
    let read: @Sendable ([[UInt8]]) throws -> [Bindery_V1_RecordResponse] = { answers in
      try answers.map { try Bindery_V1_RecordResponse(serializedBytes: $0) }
    }
    let ending = try await calls(token: token.text).call(
      bindery("Ledger", "Record"),
      records,
      staysOpen: true
    ) { try read($0).last?.committedSequence == 2 }
    #expect(ending.code == .ok, "\(ending.message)")
    let aside = try read(ending.answers).flatMap(\.setAside)
    #expect(aside.map(\.sequence) == [1, 2])
    #expect(Set(aside.map(\.code)) == ["TENANT_NOT_SERVED"])
    #expect(Set(aside.map(\.message)).count == 1)
    // Kept, as nobody's.
    let kept = try await stack.database().count(
      "select 1 from ledger_set_aside where node_id = 'rebound' and tenant_id is null"
    )
    #expect(kept == 2)
  }

  @Test func `a certificate names its node, and without the right one nothing is let in`()
    async throws
  {
    let watch = bindery("Distribution", "Watch")
    let isWhole: @Sendable ([[UInt8]]) async throws -> Bool = { answers in
      try Self.read(answers).contains(where: \.hasSnapshotEnd)
    }
    let seen = try await calls(certificate: "bound")
      .call(watch, [hello("edge-7")], staysOpen: true, until: isWhole)
    #expect(seen.code == .ok, "\(seen.message)")
    #expect(try Self.owners(seen.answers).isEmpty)
    let all = try await calls(certificate: "spiffe")
      .call(watch, [hello("edge-8")], staysOpen: true, until: isWhole)
    #expect(all.code == .ok, "\(all.message)")
    #expect(try Self.owners(all.answers).count == 5)
    let other = try await calls(certificate: "spiffe")
      .call(watch, [hello("edge-7")], staysOpen: true)
    #expect(other.code == .permissionDenied)
    for certificate in ["nobody", nil] {
      let ending = try await calls(certificate: certificate)
        .call(watch, [hello("edge-9")], staysOpen: true)
      #expect(ending.code == .unauthenticated)
      #expect(ending.message.contains("no certificate of a node"))
    }
    // A node's certificate is no operator's.
    let operating = try await calls(certificate: "spiffe")
      .call(bindery("Admin", "ListNodes"), [Bindery_V1_ListNodesRequest()])
    #expect(operating.code == .permissionDenied)
  }

  /// What a certificate is good for ends with it, on connections that are open too: nothing is cut in
  /// TLS, but streams end and further calls are refused. New connections are refused by TLS.
  @Test func `a node whose certificate expires is let go, and its connection gets it nothing more`()
    async throws
  {
    let authority = try TestAuthority(of: certificates.folder.path)
    _ = try authority.issue(
      "brief",
      names: ["URI:bindery:node:edge-5?region=local"],
      seconds: (-3600, 6)
    )
    let caller = try calls(certificate: "brief")
    let watch = bindery("Distribution", "Watch")
    var fetch = Bindery_V1_FetchRequest()
    fetch.nodeID = "edge-5"
    let (request, later) = (hello("edge-5"), fetch)
    let endings = try await caller.withClient { client in
      [
        try await caller.call(on: client, watch, [request], staysOpen: true),
        try await caller.call(on: client, bindery("Distribution", "Fetch"), [later]),
      ]
    }
    #expect(endings.first?.answers.isEmpty == false, "it was let in")
    for ending in endings {
      #expect(ending.code == .unauthenticated, "\(ending.message)")
      #expect(ending.message.contains("the certificate has expired"), "\(ending.message)")
    }
    let anew = try await caller.call(watch, [request], staysOpen: true, seconds: 3)
    #expect(anew.code == .unavailable || anew.code == .deadlineExceeded, "\(anew)")
    #expect(anew.answers.isEmpty)
  }

  @Test func `a node comes back by itself with the new text of its token`() async throws {
    let token = try await makeToken([
      "--role", "node", "--node", "node-1", "--region", "local", "--tenant", "medicly",
    ])
    let file = try stack.write(token.text + "\n", to: "node.token")
    try await stack.startNode(
      0,
      ["--token-file", file.path, "--tls-ca", certificates.root, "--mode", "lazy"]
    )
    let stack = stack
    func isConnected() async throws -> Bool {
      try await stack.secureTool().json(["nodes"])["nodes"]?.arrayValue?
        .contains { $0["node"] == "node-1" && $0["connected"] == true } == true
    }
    try await waitUntil("the node is there", within: .seconds(10)) { try await isConnected() }
    let renewed = try await stack.secureTool().json(["token", "rotate", token.id])
    try await waitUntil("the old token is out", within: .seconds(5)) { try await !isConnected() }
    try await waitUntil("the node says why", within: .seconds(10)) {
      await stack.output(of: "node-1").contains("was rotated")
    }
    _ = try stack.write(try #require(renewed["secret"]?.stringValue), to: "node.token")
    try await waitUntil("the node is back", within: .seconds(15)) { try await isConnected() }
    let log = await stack.output(of: "node-1")
    #expect(!log.contains(token.text.suffix(52)))
    // Nothing of another tenant on its disk.
    let folder = stack.folder.appending(path: "node-1")
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
    var size = 0
    for case let url as URL in files ?? .init() {
      guard let data = FileManager.default.contents(atPath: url.path) else { continue }
      size += data.count
      #expect(data.range(of: Data("vakil".utf8)) == nil, "\(url.lastPathComponent)")
    }
    #expect(size > 0)
    #expect(await stack.stop("node-1") == nil)
  }

  @Test func `beyond this machine only TLS and tokens are served, and tokens go out by TLS only`()
    async throws
  {
    let tls = [
      "--tls-cert", certificates.certificate("server"), "--tls-key", certificates.key("server"),
    ]
    let cases: [(String, [String], String)] = [
      ("bindery-control", ["--grpc", "0.0.0.0:8250"], "needs TLS"),
      (
        "bindery-control", ["--grpc", "0.0.0.0:8250", "--access", "open"] + tls,
        "open access is for"
      ),
      ("bindery-control", ["--access", "some"], "write tokens or open"),
      (
        "bindery-node", ["--control", "192.0.2.1:7400", "--token-file", "/nonexistent"],
        "travels over TLS only"
      ),
    ]
    for (program, arguments, says) in cases {
      let done = try await Completed.run(
        program,
        path: try stack.layout.program(program),
        arguments: arguments
      )
      #expect(done.status == 64, "\(arguments)")
      #expect(done.standardError.contains(says), "\(done.standardError)")
      #expect(done.standardError.split(separator: "\n").count == 1)
    }
    let unreadable = try await Completed.run(
      "bindery-node",
      path: try stack.layout.program("bindery-node"),
      arguments: [
        "--token-file", "/nonexistent", "--data-dir", stack.folder.appending(path: "no-node").path,
        "--node-id", "none",
      ]
    )
    #expect(unreadable.status == 78)
    #expect(unreadable.standardError.contains("token file /nonexistent can't be read"))
    // On all addresses, with tokens by default.
    let open = Stack(
      layout: stack.layout,
      folder: stack.folder.appending(path: "public"),
      ports: .init(base: 8260),
      controlArguments: ["--grpc", "0.0.0.0:8260"] + tls
    )
    try FileManager.default.createDirectory(at: open.folder, withIntermediateDirectories: true)
    try await open.startControl()
    let refused = try await open.tool().run(["nodes", "--tls-ca", certificates.root])
    #expect(refused.status == 77)
    #expect(await open.stopAll().isEmpty)
  }
}

extension Bindery_V1_WatchResponse {
  fileprivate var hasControl: Bool { if case .control = message { true } else { false } }
  fileprivate var hasSnapshotEnd: Bool { if case .snapshotEnd = message { true } else { false } }
}
