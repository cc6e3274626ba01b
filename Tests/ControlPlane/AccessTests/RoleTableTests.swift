import API
import Access
import Domain
import Foundation
import GRPCCore
import SwiftProtobuf
import Testing
import Wire

private let ownID = TenantID(UUID())
private let foreignID = TenantID(UUID())

/// Whom a request is about.
private enum Target: CaseIterable {
  case own
  case foreign
  case nobody

  var slug: String {
    switch self {
    case .own: "own"
    case .foreign: "foreign"
    case .nobody: ""
    }
  }

  var id: Data {
    switch self {
    case .own: ownID.data
    case .foreign: foreignID.data
    case .nobody: Data()
    }
  }
}

/// What each caller gets from a method: three signs, for its own tenant, another one, and a request
/// that names none; + is let through, - refused. Columns: viewer, author, operator, admin.
private struct Row: Sendable, CustomTestStringConvertible {
  let method: String
  /// Of the tenant "own".
  let tenant: [String]
  /// Of the platform.
  let platform: [String]
  /// A node that is bound to the tenant, and one that is not bound.
  let nodes: [String]

  init(_ method: String, tenant: String, platform: String, nodes: String = "--- ---") {
    self.method = method
    self.tenant = tenant.split(separator: " ").map(String.init)
    self.platform = platform.split(separator: " ").map(String.init)
    self.nodes = nodes.split(separator: " ").map(String.init)
  }

  var testDescription: String { method }
}

private let none = "--- --- --- ---"

private let table: [Row] = [
  Row("Admin/Apply", tenant: "--- +-- +-- +--", platform: "--- +++ +++ +++"),
  Row("Admin/ApplyAll", tenant: "--- +-- +-- +--", platform: "--- +++ +++ +++"),
  Row("Admin/Get", tenant: "+-- +-- +-- +--", platform: "+++ +++ +++ +++"),
  Row("Admin/List", tenant: "+-+ +-+ +-+ +-+", platform: "+++ +++ +++ +++"),
  Row("Admin/SetTenantStatus", tenant: "--- --- +-- +--", platform: "--- --- +++ +++"),
  Row("Admin/Wait", tenant: "+-+ +-+ +-+ +-+", platform: "+++ +++ +++ +++"),
  Row("Admin/ListNodes", tenant: "+++ +++ +++ +++", platform: "+++ +++ +++ +++"),
  Row("Admin/ForgetNode", tenant: none, platform: "--- --- +++ +++"),
  Row("Admin/Usage", tenant: "+-+ +-+ +-+ +-+", platform: "+++ +++ +++ +++"),
  Row("Admin/Audit", tenant: "+-+ +-+ +-+ +-+", platform: "+++ +++ +++ +++"),
  Row("Admin/History", tenant: "+-- +-- +-- +--", platform: "+++ +++ +++ +++"),
  Row("Admin/Diff", tenant: "+-- +-- +-- +--", platform: "+++ +++ +++ +++"),
  Row("Admin/Rollback", tenant: "--- +-- +-- +--", platform: "--- +++ +++ +++"),
  Row("Admin/ListRoutes", tenant: "+-+ +-+ +-+ +-+", platform: "+++ +++ +++ +++"),
  Row("Admin/GetRetention", tenant: "+++ +++ +++ +++", platform: "+++ +++ +++ +++"),
  Row("Admin/SetRetention", tenant: none, platform: "--- --- --- +++"),
  Row("Admin/PruneHistory", tenant: none, platform: "--- --- --- +++"),
  Row("Admin/EraseUser", tenant: "--- --- --- +--", platform: "--- --- --- +++"),
  Row("Admin/ExportUser", tenant: "--- --- --- +--", platform: "--- --- --- +++"),
  Row("Admin/ListErasures", tenant: "--- --- --- +--", platform: "--- --- --- +++"),
  Row("Admin/CreateRollout", tenant: "--- +-- +-- +--", platform: "--- +++ +++ +++"),
  Row("Admin/GetRollout", tenant: "+-+ +-+ +-+ +-+", platform: "+++ +++ +++ +++"),
  Row("Admin/ListRollouts", tenant: "+-+ +-+ +-+ +-+", platform: "+++ +++ +++ +++"),
  Row("Admin/ControlRollout", tenant: "--- +-+ +-+ +-+", platform: "--- +++ +++ +++"),
  Row("Admin/CreateToken", tenant: "--- --- --- +-+", platform: "--- --- --- +++"),
  Row("Admin/ListTokens", tenant: "--- --- --- +-+", platform: "--- --- --- +++"),
  // They name a token: whose it is, the service knows.
  Row("Admin/RevokeToken", tenant: "--- --- --- +++", platform: "--- --- --- +++"),
  Row("Admin/RotateToken", tenant: "--- --- --- +++", platform: "--- --- --- +++"),
  Row("Distribution/Watch", tenant: none, platform: none, nodes: "+-+ +++"),
  // What a node may not see is left out of the answer.
  Row("Distribution/Fetch", tenant: none, platform: none, nodes: "+++ +++"),
  Row("Conversations/Accept", tenant: none, platform: none, nodes: "+-- +++"),
  Row("Conversations/BeginTurn", tenant: none, platform: none, nodes: "+-- +++"),
  Row("Conversations/Renew", tenant: none, platform: none, nodes: "+-- +++"),
  Row("Conversations/Journal", tenant: none, platform: none, nodes: "+-- +++"),
  Row("Conversations/CommitTurn", tenant: none, platform: none, nodes: "+-- +++"),
  Row("Conversations/SettleOutbox", tenant: none, platform: none, nodes: "+-- +++"),
  // It names no tenant: only what the node may see is offered.
  Row("Conversations/Claim", tenant: none, platform: none, nodes: "+++ +++"),
  // Records of others are set aside.
  Row("Ledger/Record", tenant: none, platform: none, nodes: "+++ +++"),
]

@Suite struct `Every role at every method` {
  @Test func `is in the table`() {
    let methods = declaredMethods.filter { $0.hasPrefix("bindery.v1.") }
      .map { String($0.dropFirst("bindery.v1.".count)) }
    #expect(table.map(\.method).sorted() == methods.sorted())
  }

  @Test(arguments: table)
  fileprivate func `gets exactly what the table says`(_ row: Row) {
    let reach = Principal.Reach.tenant(ownID, slug: "own")
    for (column, rank) in Principal.Rank.allCases.enumerated() {
      #expect(answers(row.method, .person(rank, reach)) == row.tenant[column], "tenant's \(rank)")
      #expect(
        answers(row.method, .person(rank, .platform)) == row.platform[column],
        "platform's \(rank)"
      )
    }
    let bound = NodeGrant(nodeID: "edge-1", tenants: [ownID])
    #expect(answers(row.method, .node(bound)) == row.nodes[0], "bound node")
    #expect(answers(row.method, .node(NodeGrant(nodeID: "edge-1"))) == row.nodes[1], "free node")
  }

  @Test func `of a tenant makes no token that reaches further`() throws {
    let reach = Principal.Reach.tenant(ownID, slug: "own")
    let admin = principal(.person(.admin, reach))
    let method = descriptor("Admin/CreateToken")
    for request in [
      Bindery_V1_CreateTokenRequest.with { $0.platform = true },
      Bindery_V1_CreateTokenRequest.with { $0.role = .node },
    ] {
      #expect(throws: AccessRefusal.self) {
        try AccessRules.admit(request, to: method, of: admin)
      }
    }
    let plain = try AccessRules.admit(
      Bindery_V1_CreateTokenRequest.with { $0.role = .admin },
      to: method,
      of: admin
    )
    #expect(plain.tenant == "own")
  }

  // MARK: - Asking

  private func principal(_ role: Principal.Role) -> Principal {
    Principal(role: role, id: "abcdefghij", credential: .token(Digest(of: Data("x".utf8))))
  }

  private func descriptor(_ name: String) -> MethodDescriptor {
    let parts = name.split(separator: "/").map(String.init)
    return MethodDescriptor(fullyQualifiedService: "bindery.v1.\(parts[0])", method: parts[1])
  }

  private func answers(_ method: String, _ role: Principal.Role) -> String {
    Target.allCases.map { target in
      do {
        try ask(method, target, principal(role))
        return "+"
      } catch is AccessRefusal {
        return "-"
      } catch {
        return "?"
      }
    }.joined()
  }

  private func ask(_ name: String, _ target: Target, _ caller: Principal) throws {
    func admit(_ message: some Sendable) throws {
      _ = try AccessRules.admit(message, to: descriptor(name), of: caller)
    }
    let (slug, id) = (target.slug, target.id)
    let key = Bindery_V1_ConversationKey.with { $0.tenantID = id }
    switch name {
    case "Admin/Apply", "Admin/ApplyAll":
      let document = Bindery_V1_Document.with { ($0.kind, $0.tenant) = ("Human", slug) }
      try admit(Bindery_V1_ApplyRequest.with { $0.documents = [document] })
    case "Admin/Get":
      try admit(Bindery_V1_GetRequest.with { ($0.kind, $0.tenant) = ("Human", slug) })
    case "Admin/List": try admit(Bindery_V1_ListRequest.with { $0.tenant = slug })
    case "Admin/SetTenantStatus":
      try admit(Bindery_V1_SetTenantStatusRequest.with { $0.tenant = slug })
    case "Admin/Wait": try admit(Bindery_V1_WaitRequest.with { $0.tenant = slug })
    case "Admin/ListNodes": try admit(Bindery_V1_ListNodesRequest())
    case "Admin/ForgetNode": try admit(Bindery_V1_ForgetNodeRequest())
    case "Admin/Usage": try admit(Bindery_V1_UsageRequest.with { $0.tenant = slug })
    case "Admin/Audit": try admit(Bindery_V1_AuditRequest.with { $0.tenant = slug })
    case "Admin/History":
      try admit(Bindery_V1_HistoryRequest.with { ($0.kind, $0.tenant) = ("Human", slug) })
    case "Admin/Diff":
      try admit(Bindery_V1_DiffRequest.with { ($0.kind, $0.tenant) = ("Human", slug) })
    case "Admin/Rollback":
      try admit(Bindery_V1_RollbackRequest.with { ($0.kind, $0.tenant) = ("Human", slug) })
    case "Admin/ListRoutes": try admit(Bindery_V1_ListRoutesRequest.with { $0.tenant = slug })
    case "Admin/GetRetention": try admit(Bindery_V1_GetRetentionRequest())
    case "Admin/SetRetention": try admit(Bindery_V1_SetRetentionRequest())
    case "Admin/PruneHistory": try admit(Bindery_V1_PruneHistoryRequest())
    case "Admin/EraseUser":
      try admit(Bindery_V1_EraseUserRequest.with { $0.user.tenant = slug })
    case "Admin/ExportUser":
      try admit(Bindery_V1_ExportUserRequest.with { $0.user.tenant = slug })
    case "Admin/ListErasures":
      try admit(Bindery_V1_ListErasuresRequest.with { $0.tenant = slug })
    case "Admin/CreateRollout":
      let document = Bindery_V1_Document.with { ($0.kind, $0.tenant) = ("Human", slug) }
      try admit(Bindery_V1_CreateRolloutRequest.with { $0.documents = [document] })
    case "Admin/GetRollout": try admit(Bindery_V1_GetRolloutRequest.with { $0.tenant = slug })
    case "Admin/ListRollouts": try admit(Bindery_V1_ListRolloutsRequest.with { $0.tenant = slug })
    case "Admin/ControlRollout":
      try admit(Bindery_V1_ControlRolloutRequest.with { $0.tenant = slug })
    case "Admin/CreateToken":
      try admit(Bindery_V1_CreateTokenRequest.with { ($0.role, $0.tenant) = (.viewer, slug) })
    case "Admin/ListTokens": try admit(Bindery_V1_ListTokensRequest.with { $0.tenant = slug })
    case "Admin/RevokeToken": try admit(Bindery_V1_RevokeTokenRequest())
    case "Admin/RotateToken": try admit(Bindery_V1_RotateTokenRequest())
    case "Distribution/Watch":
      try admit(
        Bindery_V1_WatchRequest.with {
          $0.hello.nodeID = "edge-1"
          $0.hello.filter.tenantIds = id.isEmpty ? [] : [id]
        }
      )
    case "Distribution/Fetch":
      try admit(
        Bindery_V1_FetchRequest.with {
          $0.nodeID = "edge-1"
          $0.keys = [.with { $0.tenantID = id }]
        }
      )
    case "Conversations/Accept": try admit(Bindery_V1_AcceptRequest.with { $0.conversation = key })
    case "Conversations/BeginTurn":
      try admit(
        Bindery_V1_BeginTurnRequest.with { ($0.conversation, $0.nodeID) = (key, "edge-1") }
      )
    case "Conversations/Renew": try admit(Bindery_V1_RenewRequest.with { $0.conversation = key })
    case "Conversations/Journal":
      try admit(Bindery_V1_JournalRequest.with { $0.conversation = key })
    case "Conversations/CommitTurn":
      try admit(
        Bindery_V1_CommitTurnRequest.with {
          $0.conversation = key
          $0.record.tenantID = id
        }
      )
    case "Conversations/SettleOutbox":
      try admit(Bindery_V1_SettleOutboxRequest.with { $0.tenantID = id })
    case "Conversations/Claim":
      try admit(Bindery_V1_ClaimRequest.with { $0.nodeID = "edge-1" })
    case "Ledger/Record":
      try admit(
        Bindery_V1_RecordRequest.with {
          $0.nodeID = "edge-1"
          $0.record.tenantID = id
        }
      )
    default: Issue.record("no request of \(name)")
    }
  }
}
