package import Access
package import GRPCCore
package import Logging
internal import TLS
internal import Transport

/// Stands before every method of every service: finds out who calls, holds each message against the
/// method's rule, and ends streams whose caller's credential has ended.
package struct AccessInterceptor: ServerInterceptor {
  private let roster: AccessRoster
  private let certificates: NodeCertificate
  private let logger: Logger

  package init(roster: AccessRoster, certificates: NodeCertificate, logger: Logger) {
    self.roster = roster
    self.certificates = certificates
    self.logger = logger
  }

  package func intercept<Input: Sendable, Output: Sendable>(
    request: StreamingServerRequest<Input>,
    context: ServerContext,
    next:
      @concurrent @Sendable (
        _ request: StreamingServerRequest<Input>,
        _ context: ServerContext
      ) async throws -> StreamingServerResponse<Output>
  ) async throws -> StreamingServerResponse<Output> {
    let method = AccessRules.name(of: context.descriptor)
    guard let rule = AccessRules.all[method] else {
      throw refuse(AccessRefusal(.denied, "\(method) is closed"), context, nil)
    }
    if rule.requirement == .anyone { return try await next(request, context) }
    let principal = try admit(request.metadata, context, rule)
    var request = request
    let messages = request.messages
    request.messages = RPCAsyncSequence(
      wrapping: AdmittedMessages(base: messages) { message in
        do throws(AccessRefusal) {
          // A caller may take its time over a request, and its credential end meanwhile.
          try roster.confirm(principal.credential)
          guard let message else { return nil }
          return try rule.admit(message, of: principal)
        } catch {
          throw refuse(error, context, principal)
        }
      }
    )
    var context = context
    context.transportSpecific = CallerContext(principal: principal)
    let response = try await next(request, context)
    return rule.isStream ? ending(response, with: principal, context) : response
  }

  private func admit(
    _ metadata: Metadata,
    _ context: ServerContext,
    _ rule: AccessRule
  ) throws -> Principal {
    var principal: Principal?
    do throws(AccessRefusal) {
      let found = try identify(metadata, context, rule.requirement)
      principal = found
      try found.meet(rule.requirement, of: context.descriptor.method)
      return found
    } catch {
      throw refuse(error, context, principal)
    }
  }

  /// A token stands over a certificate: whoever shows one wants to be known by it.
  private func identify(
    _ metadata: Metadata,
    _ context: ServerContext,
    _ requirement: Requirement
  ) throws(AccessRefusal) -> Principal {
    let values = Array(metadata[stringValues: "authorization"])
    guard values.count <= 1 else {
      throw AccessRefusal(.unauthenticated, "there is more than one authorization; send one token")
    }
    if let value = values.first {
      let parts = value.split(separator: " ", maxSplits: 1)
      guard parts.count == 2, parts[0].lowercased() == "bearer" else {
        throw AccessRefusal(
          .unauthenticated,
          "authorization must be 'Bearer' and an access token"
        )
      }
      return try roster.principal(of: String(parts[1]))
    }
    if let peer = context.peerIdentity,
      let grant = certificates.grant(uris: peer.uris, commonName: peer.commonName)
    {
      return Principal(
        role: .node(grant),
        id: String(peer.fingerprint.prefix(16)),
        credential: .certificate(notAfter: peer.notAfter)
      )
    }
    throw AccessRefusal(
      .unauthenticated,
      requirement == .node
        ? "no access token and no certificate of a node; start the node with --token-file, or with a certificate that names it"
        : "no access token; use --token-file, BINDERY_TOKEN or ~/.config/bindery/token (an administrator makes one: bindery token create)"
    )
  }

  /// The same answer, ended when the credential is.
  private func ending<Output: Sendable>(
    _ response: StreamingServerResponse<Output>,
    with principal: Principal,
    _ context: ServerContext
  ) -> StreamingServerResponse<Output> {
    guard case .success(var contents) = response.accepted else { return response }
    let produce = contents.producer
    contents.producer = { writer in
      try await withThrowingTaskGroup(of: Metadata.self) { group in
        group.addTask { try await produce(writer) }
        group.addTask {
          let refusal = try await roster.lapse(of: principal.credential)
          throw refuse(refusal, context, principal)
        }
        // Whichever ends first ends the stream.
        defer { group.cancelAll() }
        return try await group.next() ?? [:]
      }
    }
    var ended = response
    ended.accepted = .success(contents)
    return ended
  }

  /// Logs a refusal and makes the status of it.
  private func refuse(
    _ refusal: AccessRefusal,
    _ context: ServerContext,
    _ principal: Principal?
  ) -> RPCError {
    var metadata: Logger.Metadata = [
      "method": "\(context.descriptor.method)", "peer": "\(context.remotePeer)",
      "why": "\(refusal.message)",
    ]
    if let principal { metadata["caller"] = "\(principal.id)" }
    logger.notice("call refused", metadata: metadata)
    return RPCError(
      code: refusal.code == .unauthenticated ? .unauthenticated : .permissionDenied,
      message: refusal.message
    )
  }
}
