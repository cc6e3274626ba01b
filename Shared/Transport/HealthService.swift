package import GRPCCore
internal import Synchronization
package import Wire
internal import WireServices

/// `grpc.health.v1.Health` (gRPC's doc/health-checking.md): the state of services by name; the
/// empty name is the server.
package final class HealthService: Grpc_Health_V1_Health.SimpleServiceProtocol {
  package typealias Status = Grpc_Health_V1_HealthCheckResponse.ServingStatus

  private struct State {
    var statuses: [String: Status] = [:]
    var watchers: [UInt64: (service: String, changes: AsyncStream<Status>.Continuation)] = [:]
    var nextWatcher: UInt64 = 0
  }

  private let state = Mutex(State())

  package init() {}

  /// Changes the state of a service; those who watch it are told.
  package func setStatus(_ status: Status, of service: String) {
    let watchers = state.withLock { state in
      let old = state.statuses.updateValue(status, forKey: service)
      return old == status ? [] : state.watchers.values.filter { $0.service == service }
    }
    for watcher in watchers { watcher.changes.yield(status) }
  }

  package func check(
    request: Grpc_Health_V1_HealthCheckRequest,
    context: ServerContext
  ) async throws -> Grpc_Health_V1_HealthCheckResponse {
    guard let status = state.withLock({ $0.statuses[request.service] }) else {
      throw RPCError(code: .notFound, message: "there is no service '\(request.service)'")
    }
    var response = Grpc_Health_V1_HealthCheckResponse()
    response.status = status
    return response
  }

  package func list(
    request: Grpc_Health_V1_HealthListRequest,
    context: ServerContext
  ) async throws -> Grpc_Health_V1_HealthListResponse {
    var response = Grpc_Health_V1_HealthListResponse()
    for (service, status) in state.withLock({ $0.statuses }) {
      var health = Grpc_Health_V1_HealthCheckResponse()
      health.status = status
      response.statuses[service] = health
    }
    return response
  }

  package func watch(
    request: Grpc_Health_V1_HealthCheckRequest,
    response: RPCWriter<Grpc_Health_V1_HealthCheckResponse>,
    context: ServerContext
  ) async throws {
    // Only the newest state matters to a slow watcher.
    let (changes, continuation) = AsyncStream.makeStream(
      of: Status.self,
      bufferingPolicy: .bufferingNewest(1)
    )
    let id = state.withLock { state in
      state.nextWatcher += 1
      state.watchers[state.nextWatcher] = (request.service, continuation)
      // An unknown service may appear: that is no error here, as the protocol says.
      continuation.yield(state.statuses[request.service] ?? .serviceUnknown)
      return state.nextWatcher
    }
    defer { _ = state.withLock { $0.watchers.removeValue(forKey: id) } }
    try await withRPCCancellationHandler {
      for await status in changes {
        var message = Grpc_Health_V1_HealthCheckResponse()
        message.status = status
        try await response.write(message)
      }
    } onCancelRPC: {
      continuation.finish()
    }
  }
}
