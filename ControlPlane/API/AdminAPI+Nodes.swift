internal import Access
internal import Changelog
internal import Domain
internal import Foundation
package import GRPCCore
internal import Store
internal import Switches
package import Wire

extension AdminAPI {
  /// A line for every change, then the last one with `done`.
  package func wait(
    request: Bindery_V1_WaitRequest,
    response: RPCWriter<Bindery_V1_WaitResponse>,
    context: ServerContext
  ) async throws {
    try await translatingErrors {
      let timeout = Duration.milliseconds(
        request.timeoutMs > 0 ? min(request.timeoutMs, 3_600_000) : 30_000
      )
      try await requireExistence(of: Revision(request.revision))
      let target = try await target(of: request)
      registry.follow(store: hub.configuration?.incarnation)
      let committedAt = hub.committedAt(target.revision) ?? Date()
      try await whileWanted(context) {
        let final = try await registry.waitForConvergence(
          on: target,
          serving: context.principal?.tenant,
          committedAt: committedAt,
          timeout: timeout
        ) { now in
          try await response.write(Bindery_V1_WaitResponse(now, done: false))
        }
        try await response.write(Bindery_V1_WaitResponse(final, done: true))
      }
    }
  }

  /// Runs `body` until it is through or its client has gone: that cancels the call, not its task.
  private func whileWanted(
    _ context: ServerContext,
    _ body: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await context.cancellation.cancelled
        throw CancellationError()
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// One that is still to come would be waited for in vain, and would then count as in force although
  /// it may hold anything.
  ///
  /// - Throws: FAILED_PRECONDITION.
  private func requireExistence(of revision: Revision) async throws {
    // This replica may be a moment behind.
    if let known = hub.revision, revision <= known { return }
    let newest = try await store.currentRevision()
    guard revision <= newest else {
      let error = StoreError.unknownRevision(revision, newest: newest)
      throw RPCError(code: .failedPrecondition, message: "\(error)", cause: error)
    }
  }

  private func target(of request: Bindery_V1_WaitRequest) async throws -> ConvergenceTarget {
    let revision = Revision(request.revision)
    guard !request.tenant.isEmpty else { return .revision(revision) }
    let key = ObjectKey(kind: .tenant, tenant: request.tenant, slug: request.tenant)
    guard let tenant = try await store.object(key) else {
      throw StoreError.unknownTenant(request.tenant)
    }
    let policy = tenant.spec["stale_policy"]?.stringValue.flatMap(StalePolicy.init) ?? .serve
    return .tenantSwitch(TenantID(tenant.id), revision, policy)
  }

  package func listNodes(
    request: Bindery_V1_ListNodesRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_ListNodesResponse {
    var response = Bindery_V1_ListNodesResponse()
    response.revision = hub.revision?.value ?? 0
    // A tenant's caller sees the nodes that serve it, and what they refused of it.
    let tenant = context.principal?.tenant
    let nodes = registry.nodes.filter { node in tenant.map { node.scope.admits($0) } ?? true }
    response.nodes = nodes.map { node in
      var info = Bindery_V1_NodeInfo()
      info.nodeID = node.nodeID
      info.region = node.region
      info.version = node.version
      info.revision = node.revision.value
      info.connected = node.isConnected
      info.lastSeenMs = Int64(node.lastSeen.timeIntervalSince1970 * 1000)
      info.rejections = node.rejections.values
        .filter { tenant == nil || $0.key.tenantID == tenant }
        .map(\.wire)
      // All tenants' together: a tenant's caller would see the others' traffic.
      if tenant == nil {
        info.spoolDepth = node.spoolDepth
        info.activeTurns = node.activeTurns
      }
      info.edges = node.edges
      if let (replica, age) = node.told {
        info.replica = replica
        info.ageMs = Int64(age / .milliseconds(1))
      }
      return info
    }
    return response
  }

  package func forgetNode(
    request: Bindery_V1_ForgetNodeRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_ForgetNodeResponse {
    try await translatingErrors {
      switch registry.connectedHere(request.nodeID) == nil
        ? try await store.forgetNode(request.nodeID) : false
      {
      case true: return Bindery_V1_ForgetNodeResponse()
      case false:
        throw RPCError(
          code: .failedPrecondition,
          message: "the node is connected, or may serve on its lease; stop it first"
        )
      case nil: throw RPCError(code: .notFound, message: "there is no node of this name")
      }
    }
  }
}

extension Bindery_V1_WaitResponse {
  fileprivate init(_ convergence: Convergence, done: Bool) {
    self.init()
    confirmed = convergence.confirmed.map { confirmation in
      var wire = Bindery_V1_NodeConfirmation()
      wire.nodeID = confirmation.nodeID
      wire.afterUs = Int64(confirmation.after / .microseconds(1))
      wire.byLease = confirmation.byLease
      return wire
    }
    unconfirmed = convergence.unconfirmed
    self.done = done
  }
}
