internal import Access
internal import Conversations
internal import Domain
internal import GRPCCore
internal import Postgres
internal import Publishing
internal import Store
internal import Switches

/// Runs `body`; typed errors of the rooms below become gRPC status codes with a message for people.
///
/// What is our own fault is told without detail: details are for the daemon's log.
func translatingErrors<T>(_ body: () async throws -> T) async throws -> T {
  do {
    return try await body()
  } catch let error as StoreError {
    let code: RPCError.Code =
      switch error.kind {
      case .notFound: .notFound
      case .stale: .aborted
      case .taken: .alreadyExists
      case .refused: .permissionDenied
      case .setup, .occupied: .failedPrecondition
      case .defect: .internalError
      }
    throw RPCError(code: code, message: "\(error)", cause: error)
  } catch let error as AccessRefusal {
    throw RPCError(code: .permissionDenied, message: "\(error)", cause: error)
  } catch let error as TokenService.Failure {
    let code: RPCError.Code =
      switch error {
      case .malformed: .invalidArgument
      case .unknownToken, .unknownTenant: .notFound
      case .alreadyRevoked: .failedPrecondition
      case .tooMany: .resourceExhausted
      }
    throw RPCError(code: code, message: "\(error)", cause: error)
  } catch let error as RolloutRefusal {
    throw RPCError(code: .invalidArgument, message: "\(error)", cause: error)
  } catch let error as RollbackRefusal {
    throw RPCError(code: .invalidArgument, message: "\(error)", cause: error)
  } catch let error as ConversationError {
    throw RPCError(code: .invalidArgument, message: "\(error)", cause: error)
  } catch let error as FleetUnknown {
    throw RPCError(code: .unavailable, message: "\(error)", cause: error)
  } catch let error as PostgresError {
    let mayPass =
      switch error.kind {
      case .connection, .poolExhausted, .timeout, .commitUnknown, .closed: true
      default: error.isRetryable
      }
    throw RPCError(
      code: mayPass ? .unavailable : .internalError,
      message: error.kind == .commitUnknown
        ? "the database went away while it stored this: it may be stored; look, and try again"
        : mayPass
          ? "the database can't be reached now; try again" : "the database refused a statement",
      cause: error
    )
  }
}
