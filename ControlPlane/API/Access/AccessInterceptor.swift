package import Access
package import GRPCCore
package import Logging
internal import Store
internal import TLS
internal import Transport

/// Stands before every method of every service: finds out who calls, holds each message against the
/// method's rule, and ends streams whose caller's credential has ended.
package struct AccessInterceptor: ServerInterceptor {
  private let roster: AccessRoster
  private let certificates: NodeCertificate
  private let failures: AuthenticationFailures
  private let refusals: RefusalLog
  private let limits: CallLimits
  private let logger: Logger

  package init(
    roster: AccessRoster,
    certificates: NodeCertificate,
    failures: AuthenticationFailures,
    refusals: RefusalLog,
    limits: CallLimits,
    logger: Logger
  ) {
    self.roster = roster
    self.certificates = certificates
    self.failures = failures
    self.refusals = refusals
    self.limits = limits
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
    let place = try place(for: principal, rule)
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
    context.transportSpecific = CallerContext(
      principal: principal,
      base: context.transportSpecific
    )
    let (admitted, known) = (request, context)
    var response = try await AuditOrigin.$current.withValue(principal.origin(of: context)) {
      try await withoutActuallyEscaping(next) { next in
        try await whileGood(principal, known, rule) {
          do {
            return try await next(admitted, known)
          } catch let error as RPCError {
            // What the service alone could refuse.
            if let refusal = error.cause as? AccessRefusal {
              throw refuse(refusal, known, principal)
            }
            throw error
          }
        }
      }
    }
    guard case .success(var contents) = response.accepted else {
      place.end()
      return response
    }
    let produce = contents.producer
    contents.producer = { writer in
      defer { place.end() }
      guard rule.isStream else { return try await produce(writer) }
      return try await whileGood(principal, known, rule) { try await produce(writer) }
    }
    response.accepted = .success(contents)
    return response
  }

  private func place(for principal: Principal, _ rule: AccessRule) throws -> CallPlace {
    do throws(AccessRefusal) {
      return try limits.place(for: principal, isStream: rule.isStream)
    } catch {
      // For clients that try again by themselves: not at once.
      throw RPCError(
        code: .resourceExhausted,
        message: error.message,
        metadata: ["grpc-retry-pushback-ms": "1000"]
      )
    }
  }

  /// Runs a part of a call for as long as its caller's credential is good. When it ends first, the
  /// client is told at once, whatever the part is at; the part is cancelled.
  private func whileGood<Result: Sendable>(
    _ principal: Principal,
    _ context: ServerContext,
    _ rule: AccessRule,
    _ part: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    guard rule.isCut else { return try await part() }
    return try await withThrowingTaskGroup(of: Result.self) { group in
      group.addTask { try await part() }
      group.addTask {
        let error = refuse(try await roster.lapse(of: principal.credential), context, principal)
        context.directOutbound?.end(Status(code: Status.Code(error.code), message: error.message))
        throw error
      }
      // Whichever ends first ends the other.
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
  }

  private func admit(
    _ metadata: Metadata,
    _ context: ServerContext,
    _ rule: AccessRule
  ) throws -> Principal {
    let principal: Principal
    do throws(AccessRefusal) {
      principal = try identify(metadata, context, rule.requirement)
    } catch {
      guard case .told = failures.note(from: context.remotePeer) else {
        // Neither a line in the log nor the reason: this address has had enough of both.
        throw RPCError(code: .resourceExhausted, message: failures.exhausted)
      }
      throw refuse(error, context, nil)
    }
    do throws(AccessRefusal) {
      try principal.meet(rule.requirement, of: context.descriptor.method)
      return principal
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
    // That a credential has ended is no attempt of its holder.
    if let principal, refusal.code == .denied {
      refusals.note(
        .init(
          origin: principal.origin(of: context),
          tenant: principal.tenant,
          method: context.descriptor.method,
          why: refusal.message
        )
      )
    }
    logger.notice("call refused", metadata: metadata)
    let code: RPCError.Code =
      switch refusal.code {
      case .unauthenticated: .unauthenticated
      case .denied: .permissionDenied
      case .exhausted: .resourceExhausted
      }
    return RPCError(code: code, message: refusal.message)
  }
}
