internal import Access
package import Conversations
package import GRPCCore
internal import GRPCProtobuf
package import Wire
internal import WireServices

/// gRPC face of `ConversationService`.
package struct ConversationsAPI: Bindery_V1_Conversations.SimpleServiceProtocol {
  private let service: ConversationService
  private let claims: ClaimDispatcher

  package init(service: ConversationService, claims: ClaimDispatcher) {
    self.service = service
    self.claims = claims
  }

  package func accept(
    request: Bindery_V1_AcceptRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_AcceptResponse {
    try await translatingErrors { try await service.accept(request) }
  }

  package func beginTurn(
    request: Bindery_V1_BeginTurnRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_BeginTurnResponse {
    try await translatingErrors { try await service.beginTurn(request) }
  }

  package func renew(
    request: Bindery_V1_RenewRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_RenewResponse {
    try await translatingErrors { try await service.renew(request) }
  }

  package func journal(
    request: Bindery_V1_JournalRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_JournalResponse {
    try await translatingErrors { try await service.journal(request) }
  }

  package func commitTurn(
    request: Bindery_V1_CommitTurnRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_CommitTurnResponse {
    try await translatingErrors { try await service.commitTurn(request) }
  }

  package func settleOutbox(
    request: Bindery_V1_SettleOutboxRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_SettleOutboxResponse {
    try await translatingErrors { try await service.settleOutbox(request) }
  }

  package func claim(
    request: Bindery_V1_ClaimRequest,
    response: RPCWriter<Bindery_V1_ClaimResponse>,
    context: ServerContext
  ) async throws {
    let (id, work) = claims.register(
      nodeID: request.nodeID,
      capacity: Int(request.capacity),
      tenants: context.principal?.nodeTenants
    )
    defer { claims.unregister(id) }
    try await withRPCCancellationHandler {
      for await piece in work { try await response.write(piece) }
    } onCancelRPC: {
      // Ends `work`: a node that is gone must not be offered more, and a shutdown waits for this.
      claims.unregister(id)
    }
  }
}
