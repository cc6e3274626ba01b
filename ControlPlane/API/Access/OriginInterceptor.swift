internal import Access
package import GRPCCore
internal import Store

/// Where access is open nobody is asked who calls; the audit log tells at least from where.
package struct OriginInterceptor: ServerInterceptor {
  package init() {}

  package func intercept<Input: Sendable, Output: Sendable>(
    request: StreamingServerRequest<Input>,
    context: ServerContext,
    next:
      @concurrent @Sendable (
        _ request: StreamingServerRequest<Input>,
        _ context: ServerContext
      ) async throws -> StreamingServerResponse<Output>
  ) async throws -> StreamingServerResponse<Output> {
    let origin = AuditOrigin(role: "open", peer: context.remotePeer)
    return try await AuditOrigin.$current.withValue(origin) { try await next(request, context) }
  }
}

extension Principal {
  /// As the audit log is to name it.
  func origin(of context: ServerContext) -> AuditOrigin {
    AuditOrigin(actor: author, actorID: id, role: roleName, peer: context.remotePeer)
  }
}
