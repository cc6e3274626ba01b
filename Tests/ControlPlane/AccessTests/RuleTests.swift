import API
import Access
import Domain
import Foundation
import GRPCCore
import Testing
import Wire
import WireServices

private let own = TenantID(UUID())
private let foreign = TenantID(UUID())

private func caller(_ role: Principal.Role) -> Principal {
  Principal(role: role, id: "abcdefghij", credential: .token(Digest(of: Data("x".utf8))))
}

private let admin = caller(.person(.admin, .platform))
private let author = caller(.person(.author, .tenant(own, slug: "own")))
private let tenantOperator = caller(.person(.operator, .tenant(own, slug: "own")))
private let viewer = caller(.person(.viewer, .tenant(own, slug: "own")))
private let node = caller(.node(NodeGrant(nodeID: "edge-1", region: "south", tenants: [own])))
private let freeNode = caller(.node(NodeGrant(nodeID: "edge-1")))

/// Package, service and method of every rpc that the protos declare.
let declaredMethods: [String] = {
  var root = URL(filePath: #filePath)
  for _ in 0 ..< 4 { root.deleteLastPathComponent() }
  let protos = root.appending(path: "Shared/Protos")
  var names: [String] = []
  let files = FileManager.default.enumerator(at: protos, includingPropertiesForKeys: nil)
  for case let file as URL in files ?? .init() where file.pathExtension == "proto" {
    let text: String
    do {
      text = try String(contentsOf: file, encoding: .utf8)
    } catch {
      Issue.record("\(file.lastPathComponent): \(error)")
      continue
    }
    var package = ""
    var service = ""
    for line in text.split(separator: "\n") {
      let words = line.split(whereSeparator: { " (;{".contains($0) }).map(String.init)
      guard words.count > 1 else { continue }
      switch words[0] {
      case "package": package = words[1]
      case "service": service = words[1]
      case "rpc": names.append("\(package).\(service)/\(words[1])")
      default: break
      }
    }
  }
  return names
}()

@Suite struct `The access rules` {
  private func method(_ name: String) -> MethodDescriptor {
    let parts = name.split(separator: "/").map(String.init)
    return MethodDescriptor(fullyQualifiedService: parts[0], method: parts[1])
  }

  @Test func `stand for every method of every service that there is`() {
    #expect(declaredMethods.count >= 24)
    for name in declaredMethods {
      #expect(AccessRules.requirement(of: method(name)) != nil, "\(name)")
    }
    #expect(AccessRules.requirement(of: method("bindery.v1.Admin/Invented")) == nil)
  }

  @Test func `end every answer that goes on with its caller's credential`() {
    let descriptors =
      Bindery_V1_Admin.Method.descriptors + Bindery_V1_Distribution.Method.descriptors
      + Bindery_V1_Conversations.Method.descriptors + Bindery_V1_Ledger.Method.descriptors
    #expect(descriptors.count >= 20)
    for descriptor in descriptors {
      let goesOn = descriptor.type == .serverStreaming || descriptor.type == .bidirectionalStreaming
      #expect(AccessRules.endsWithCredential(descriptor) == goesOn, "\(descriptor)")
    }
  }

  @Test func `open health and reflection, and nothing of Bindery's, to everyone`() {
    for name in declaredMethods {
      let isOpen = AccessRules.requirement(of: method(name)) == .anyone
      #expect(isOpen == name.hasPrefix("grpc."), "\(name)")
    }
  }

  // MARK: - Tenants

  /// Why a tenant's caller may not send this.
  private func refusal<Message: Sendable>(
    _ name: String,
    _ message: Message,
    of caller: Principal
  ) -> String? {
    do throws(AccessRefusal) {
      _ = try AccessRules.admit(message, to: method(name), of: caller)
      return nil
    } catch {
      return error.message
    }
  }

  private func apply(
    _ documents: [(kind: String, tenant: String, slug: String)]
  )
    -> Bindery_V1_ApplyRequest
  {
    var request = Bindery_V1_ApplyRequest()
    request.author = "somebody else"
    request.documents = documents.map { it in
      var document = Bindery_V1_Document()
      (document.kind, document.tenant, document.slug) = it
      return document
    }
    return request
  }

  @Test func `refuse other tenants' documents, alike whether they exist or not`() throws {
    let apply = "bindery.v1.Admin/Apply"
    #expect(refusal(apply, self.apply([("Human", "own", "a")]), of: author) == nil)
    #expect(refusal(apply, self.apply([("Tenant", "own", "own")]), of: author) == nil)
    let refused: [[(kind: String, tenant: String, slug: String)]] = [
      [("Human", "foreign", "a")], [("Human", "nowhere", "a")], [("Tenant", "own", "foreign")],
      [("Tenant", "foreign", "foreign")], [("Human", "own", "a"), ("Human", "foreign", "b")],
      [("Human", "", "a")],
    ]
    var why: Set<String?> = []
    for documents in refused { why.insert(refusal(apply, self.apply(documents), of: author)) }
    #expect(why.count == 1)
    #expect(!why.contains(nil))
    #expect(refusal(apply, self.apply([("Human", "foreign", "a")]), of: admin) == nil)
  }

  @Test func `keep what an apply expects and prunes within the tenant`() throws {
    let name = "bindery.v1.Admin/Apply"
    for (tenant, passes) in [("own", true), ("foreign", false)] {
      var request = apply([("Human", "own", "a")])
      var version = Bindery_V1_ObjectVersion()
      (version.kind, version.tenant, version.slug) = ("Human", tenant, "b")
      request.expected = [version]
      #expect((refusal(name, request, of: author) == nil) == passes)
      request.expected = []
      request.prune = true
      request.pruneTenants = [tenant]
      #expect((refusal(name, request, of: author) == nil) == passes)
    }
    var request = apply([("Human", "own", "a")])
    request.prune = true
    #expect(
      try AccessRules.admit(request, to: method(name), of: author).pruneTenants == ["own"]
    )
    #expect(try AccessRules.admit(request, to: method(name), of: admin).pruneTenants == [])
  }

  @Test func `keep a tenant's caller within its own past`() throws {
    for (tenant, passes) in [("own", true), ("foreign", false), ("", false)] {
      var history = Bindery_V1_HistoryRequest()
      (history.kind, history.tenant, history.slug) = ("Human", tenant, "x")
      var diff = Bindery_V1_DiffRequest()
      (diff.kind, diff.tenant, diff.slug) = ("Tenant", "own", tenant)
      var rollback = Bindery_V1_RollbackRequest()
      (rollback.kind, rollback.tenant, rollback.slug) = ("Human", tenant, "x")
      #expect((refusal("bindery.v1.Admin/History", history, of: viewer) == nil) == passes)
      #expect((refusal("bindery.v1.Admin/Diff", diff, of: viewer) == nil) == passes)
      #expect((refusal("bindery.v1.Admin/Rollback", rollback, of: author) == nil) == passes)
    }
    var routes = Bindery_V1_ListRoutesRequest()
    let name = "bindery.v1.Admin/ListRoutes"
    #expect(try AccessRules.admit(routes, to: method(name), of: viewer).tenant == "own")
    routes.tenant = "foreign"
    #expect(refusal(name, routes, of: viewer) != nil)
    var rollback = Bindery_V1_RollbackRequest()
    (rollback.kind, rollback.tenant, rollback.slug) = ("Human", "own", "x")
    rollback.author = "somebody else"
    let admitted = try AccessRules.admit(
      rollback,
      to: method("bindery.v1.Admin/Rollback"),
      of: author
    )
    #expect(admitted.author == "token abcdefghij")
  }

  @Test func `name in the history who holds the token, whatever the request says`() throws {
    let admitted = try AccessRules.admit(
      apply([("Human", "own", "a")]),
      to: method("bindery.v1.Admin/Apply"),
      of: author
    )
    #expect(admitted.author == "token abcdefghij")
    var status = Bindery_V1_SetTenantStatusRequest()
    status.tenant = "own"
    status.author = "somebody else"
    let switched = try AccessRules.admit(
      status,
      to: method("bindery.v1.Admin/SetTenantStatus"),
      of: tenantOperator
    )
    #expect(switched.author == "token abcdefghij")
  }

  @Test func `keep a tenant's caller within its tenant in all that it reads and waits for`() throws
  {
    for caller in [author, viewer] {
      for (tenant, passes) in [("own", true), ("foreign", false), ("nowhere", false)] {
        var get = Bindery_V1_GetRequest()
        (get.kind, get.tenant, get.slug) = ("Human", tenant, "x")
        var getTenant = Bindery_V1_GetRequest()
        (getTenant.kind, getTenant.tenant, getTenant.slug) = ("Tenant", "own", tenant)
        var list = Bindery_V1_ListRequest()
        list.tenant = tenant
        var usage = Bindery_V1_UsageRequest()
        usage.tenant = tenant
        var wait = Bindery_V1_WaitRequest()
        wait.tenant = tenant
        #expect((refusal("bindery.v1.Admin/Get", get, of: caller) == nil) == passes)
        #expect((refusal("bindery.v1.Admin/Get", getTenant, of: caller) == nil) == passes)
        #expect((refusal("bindery.v1.Admin/List", list, of: caller) == nil) == passes)
        #expect((refusal("bindery.v1.Admin/Usage", usage, of: caller) == nil) == passes)
        #expect((refusal("bindery.v1.Admin/Wait", wait, of: caller) == nil) == passes)
      }
      // Without a tenant: its own.
      let list = try AccessRules.admit(
        Bindery_V1_ListRequest(),
        to: method("bindery.v1.Admin/List"),
        of: caller
      )
      #expect(list.tenant == "own")
      let usage = try AccessRules.admit(
        Bindery_V1_UsageRequest(),
        to: method("bindery.v1.Admin/Usage"),
        of: caller
      )
      #expect(usage.tenant == "own")
    }
    var get = Bindery_V1_GetRequest()
    get.kind = "Human"
    #expect(refusal("bindery.v1.Admin/Get", get, of: viewer) != nil)
  }

  // MARK: - Nodes

  private func hello(
    _ nodeID: String = "edge-1",
    _ region: String = "south",
    _ tenants: [Data] = []
  ) -> Bindery_V1_WatchRequest {
    var request = Bindery_V1_WatchRequest()
    request.hello.nodeID = nodeID
    request.hello.region = region
    request.hello.filter.tenantIds = tenants
    return request
  }

  @Test func `bind a watch to the node's name, region and tenants`() throws {
    let watch = "bindery.v1.Distribution/Watch"
    #expect(refusal(watch, hello("edge-2"), of: node)?.contains("another node") == true)
    #expect(refusal(watch, hello("edge-1", "north"), of: node)?.contains("region 'south'") == true)
    #expect(refusal(watch, hello("edge-1", "north"), of: freeNode) == nil)
    #expect(refusal(watch, hello("edge-1", "south", [foreign.data]), of: node) != nil)
    #expect(refusal(watch, hello("edge-1", "south", [own.data, foreign.data]), of: node) != nil)
    for wanted in [[], [own.data]] {
      let admitted = try AccessRules.admit(
        hello("edge-1", "south", wanted),
        to: method(watch),
        of: node
      )
      #expect(admitted.hello.filter.tenantIds == [own.data])
    }
    // Ids that can't be read are left to the service, which refuses them.
    #expect(
      try AccessRules.admit(hello("edge-1", "south", [Data([1])]), to: method(watch), of: node)
        .hello.filter.tenantIds == [Data([1])]
    )
    let free = try AccessRules.admit(hello(), to: method(watch), of: freeNode)
    #expect(free.hello.filter.tenantIds.isEmpty)
  }

  @Test func `leave out of a fetch what the node may not see`() throws {
    var request = Bindery_V1_FetchRequest()
    request.nodeID = "edge-1"
    request.keys = [own.data, foreign.data, Data([1]), Data()].map { tenant in
      var key = Bindery_V1_ResourceKey()
      key.tenantID = tenant
      return key
    }
    let fetch = method("bindery.v1.Distribution/Fetch")
    #expect(
      try AccessRules.admit(request, to: fetch, of: node).keys.map(\.tenantID) == [own.data]
    )
    #expect(try AccessRules.admit(request, to: fetch, of: freeNode).keys.count == 4)
    request.nodeID = "edge-2"
    #expect(refusal("bindery.v1.Distribution/Fetch", request, of: node) != nil)
  }

  @Test func `keep a node's conversations and records within its tenants and its name`() {
    for (tenant, passes) in [(own.data, true), (foreign.data, false), (Data(), false)] {
      var key = Bindery_V1_ConversationKey()
      key.tenantID = tenant
      var accept = Bindery_V1_AcceptRequest()
      accept.conversation = key
      var begin = Bindery_V1_BeginTurnRequest()
      (begin.conversation, begin.nodeID) = (key, "edge-1")
      var renew = Bindery_V1_RenewRequest()
      renew.conversation = key
      var journal = Bindery_V1_JournalRequest()
      journal.conversation = key
      var commit = Bindery_V1_CommitTurnRequest()
      (commit.conversation, commit.record.tenantID) = (key, tenant)
      var settle = Bindery_V1_SettleOutboxRequest()
      settle.tenantID = tenant
      var record = Bindery_V1_RecordRequest()
      record.record.tenantID = tenant
      let conversations = "bindery.v1.Conversations"
      #expect((refusal("\(conversations)/Accept", accept, of: node) == nil) == passes)
      #expect((refusal("\(conversations)/BeginTurn", begin, of: node) == nil) == passes)
      #expect((refusal("\(conversations)/Renew", renew, of: node) == nil) == passes)
      #expect((refusal("\(conversations)/Journal", journal, of: node) == nil) == passes)
      #expect((refusal("\(conversations)/CommitTurn", commit, of: node) == nil) == passes)
      #expect((refusal("\(conversations)/SettleOutbox", settle, of: node) == nil) == passes)
      // A record that may not be written is set aside by the service: see the ledger.
      #expect(refusal("bindery.v1.Ledger/Record", record, of: node) == nil)
      record.nodeID = "edge-2"
      #expect(refusal("bindery.v1.Ledger/Record", record, of: freeNode) != nil)
      begin.nodeID = "edge-2"
      #expect(refusal("\(conversations)/BeginTurn", begin, of: freeNode) != nil)
    }
    var commit = Bindery_V1_CommitTurnRequest()
    (commit.conversation.tenantID, commit.record.tenantID) = (own.data, foreign.data)
    #expect(refusal("bindery.v1.Conversations/CommitTurn", commit, of: node) != nil)
    var claim = Bindery_V1_ClaimRequest()
    claim.nodeID = "edge-2"
    #expect(refusal("bindery.v1.Conversations/Claim", claim, of: node) != nil)
    claim.nodeID = "edge-1"
    #expect(refusal("bindery.v1.Conversations/Claim", claim, of: node) == nil)
  }

  @Test func `refuse a message of another method`() {
    #expect(
      refusal("bindery.v1.Admin/Usage", Bindery_V1_GetRequest(), of: admin)?.contains("not take")
        == true
    )
  }
}
