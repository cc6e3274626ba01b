package import GRPCCore
package import Wire
internal import WireServices

/// `ConversationCalls` over gRPC.
package struct RemoteConversations<Transport: ClientTransport>: ConversationCalls {
  private let client: Bindery_V1_Conversations.Client<Transport>
  private let options: CallOptions

  /// - Parameter deadline: for each unary call.
  package init(wrapping client: GRPCClient<Transport>, deadline: Duration) {
    self.client = Bindery_V1_Conversations.Client(wrapping: client)
    var options = CallOptions.defaults
    options.timeout = deadline
    options.waitForReady = false
    self.options = options
  }

  package func accept(
    _ request: Bindery_V1_AcceptRequest
  ) async throws -> Bindery_V1_AcceptResponse {
    try await classified { try await client.accept(request, options: options) }
  }

  package func beginTurn(
    _ request: Bindery_V1_BeginTurnRequest
  ) async throws -> Bindery_V1_BeginTurnResponse {
    try await classified { try await client.beginTurn(request, options: options) }
  }

  package func renew(
    _ request: Bindery_V1_RenewRequest
  ) async throws -> Bindery_V1_RenewResponse {
    try await classified { try await client.renew(request, options: options) }
  }

  package func journal(
    _ request: Bindery_V1_JournalRequest
  ) async throws -> Bindery_V1_JournalResponse {
    try await classified { try await client.journal(request, options: options) }
  }

  package func commitTurn(
    _ request: Bindery_V1_CommitTurnRequest
  ) async throws -> Bindery_V1_CommitTurnResponse {
    try await classified { try await client.commitTurn(request, options: options) }
  }

  package func settleOutbox(_ request: Bindery_V1_SettleOutboxRequest) async throws {
    _ = try await classified { try await client.settleOutbox(request, options: options) }
  }

  package func claim(
    _ request: Bindery_V1_ClaimRequest,
    onWork: @Sendable (Bindery_V1_ClaimResponse) async -> Void
  ) async throws {
    try await classified {
      try await withoutActuallyEscaping(onWork) { onWork in
        try await client.claim(request) { response in
          for try await work in response.messages { await onWork(work) }
        }
      }
    }
  }

  /// Turns gRPC's status codes into the two cases that a node tells apart.
  private func classified<Value>(_ call: () async throws -> sending Value) async throws -> Value {
    do {
      return try await call()
    } catch let error as RPCError {
      try Task.checkCancellation()
      switch error.code {
      // A token that has ended is renewed sooner or later: until then it is as if nobody answered.
      case .unavailable, .deadlineExceeded, .cancelled, .aborted, .resourceExhausted, .unknown,
        .internalError, .unauthenticated:
        throw ConversationFailure(code: .unavailable, message: "\(error.code): \(error.message)")
      default:
        throw ConversationFailure(code: .refused, message: "\(error.code): \(error.message)")
      }
    } catch let error as RuntimeError {
      throw ConversationFailure(code: .unavailable, message: "\(error.code): \(error.message)")
    }
  }
}
