package import Wire

/// What a node asks of the control plane; every call has a deadline.
package protocol ConversationCalls: Sendable {
  func accept(_ request: Bindery_V1_AcceptRequest) async throws -> Bindery_V1_AcceptResponse
  func beginTurn(
    _ request: Bindery_V1_BeginTurnRequest
  ) async throws -> Bindery_V1_BeginTurnResponse
  func renew(_ request: Bindery_V1_RenewRequest) async throws -> Bindery_V1_RenewResponse
  func journal(_ request: Bindery_V1_JournalRequest) async throws -> Bindery_V1_JournalResponse
  func commitTurn(
    _ request: Bindery_V1_CommitTurnRequest
  ) async throws -> Bindery_V1_CommitTurnResponse
  func settleOutbox(_ request: Bindery_V1_SettleOutboxRequest) async throws
  /// Hands over work until the stream ends or the task is cancelled; no deadline.
  func claim(
    _ request: Bindery_V1_ClaimRequest,
    onWork: @Sendable (Bindery_V1_ClaimResponse) async -> Void
  ) async throws
}

/// Why a call has no answer.
package struct ConversationFailure: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: String, Hashable, Sendable {
    /// The control plane is away, or its answer did not come in time: it may have acted or not.
    case unavailable
    /// The control plane refuses the call; repeating it is no use.
    case refused
  }

  package var code: Code
  /// One sentence for operators; no tenant content.
  package var message: String

  package init(code: Code, message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { "\(code.rawValue): \(message)" }
}
