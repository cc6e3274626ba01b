internal import Compiler
internal import Domain
internal import Foundation
package import GRPCCore
internal import Publishing
internal import Store
package import Wire
internal import WireMapping

extension AdminAPI {
  package func createRollout(
    request: Bindery_V1_CreateRolloutRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_CreateRolloutResponse {
    try await translatingErrors {
      let documents = try request.documents.map(AuthoredDocument.init(wire:))
      guard !documents.isEmpty else {
        throw RPCError(code: .invalidArgument, message: "no documents were sent")
      }
      if let problem = ApplyOptions.problem(ofSource: request.source) {
        throw RPCError(code: .invalidArgument, message: problem)
      }
      let outcome = try await publisher.createRollout(
        documents,
        strategy: try Self.strategy(request.strategy),
        name: request.name,
        options: ApplyOptions(
          author: request.author,
          reason: request.reason,
          source: request.source,
          takeOver: request.takeOver
        ),
        expected: try expectedVersions(request.expected),
        dryRun: request.dryRun
      )
      var response = Bindery_V1_CreateRolloutResponse()
      response.ok = !outcome.plan.diagnostics.contains { $0.level == .error }
      response.changes = outcome.plan.changes.map(Bindery_V1_PlannedChange.init)
      response.diagnostics = outcome.plan.diagnostics.map(Bindery_V1_Diagnostic.init)
      response.bindings = outcome.bindings.map { "\($0.tenant)/\($0.slug)" }
      if let name = outcome.name, let tenant = documents.first?.key.tenant {
        response.rollout = try await told(try await store.rollout(tenant: tenant, name: name))
      }
      return response
    }
  }

  package func getRollout(
    request: Bindery_V1_GetRolloutRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_Rollout {
    try await translatingErrors {
      try await told(try await store.rollout(tenant: request.tenant, name: request.name))
    }
  }

  package func listRollouts(
    request: Bindery_V1_ListRolloutsRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_ListRolloutsResponse {
    try await translatingErrors {
      let found = try await store.rollouts(
        of: request.tenant.isEmpty ? nil : request.tenant,
        activeOnly: request.activeOnly,
        limit: request.pageSize > 0 ? min(Int(request.pageSize), 1000) : 100
      )
      var response = Bindery_V1_ListRolloutsResponse()
      response.rollouts = found.map(Bindery_V1_Rollout.init)
      return response
    }
  }

  package func controlRollout(
    request: Bindery_V1_ControlRolloutRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_Rollout {
    try await translatingErrors {
      // The driver may take a step between the look and the change: what was asked for is decided anew.
      for attempt in 1 ... 5 {
        let rollout = try await store.rollout(tenant: request.tenant, name: request.name)
        do {
          try await store.change(
            rollout,
            try Self.change(request.action, of: rollout),
            author: request.author,
            reason: request.reason
          )
          break
        } catch let error as StoreError where error.kind == .occupied && attempt < 5 {
          let now = try await store.rollout(tenant: request.tenant, name: request.name)
          // It stands as it did: the change does not fit. Otherwise somebody was faster.
          if now.transitions == rollout.transitions || !now.state.isActive { throw error }
          // A step that was just taken is what the promotion was to bring.
          if request.action == .promote, now.step > rollout.step { break }
        }
      }
      return try await told(try await store.rollout(tenant: request.tenant, name: request.name))
    }
  }

  private static func strategy(_ wire: Bindery_V1_RolloutStrategy) throws -> RolloutStrategy {
    do {
      return try RolloutStrategy(wire: wire)
    } catch {
      throw RPCError(code: .invalidArgument, message: error.what)
    }
  }

  private static func change(
    _ action: Bindery_V1_RolloutAction,
    of rollout: RolloutRecord
  ) throws -> RolloutChange {
    guard rollout.state.isActive else {
      throw StoreError.rolloutStands(
        name: rollout.name,
        how: "has ended: \(rollout.state.rawValue) (\(rollout.endCode))"
      )
    }
    switch action {
    case .pause: return .pause
    case .resume: return .resume
    case .promote:
      let next = rollout.step + 1
      return rollout.strategy.steps.indices.contains(next) ? .advance(next) : .promote
    case .promoteFully: return .promote
    case .abort: return .abort
    case .unspecified, .UNRECOGNIZED:
      throw RPCError(
        code: .invalidArgument,
        message: "action must be pause, resume, promote, promote fully or abort"
      )
    }
  }

  private func expectedVersions(
    _ expected: [Bindery_V1_ObjectVersion]
  ) throws -> [ObjectKey: Int32] {
    let pairs = try expected.map { (try ObjectKey($0.kind, $0.tenant, $0.slug), $0.version) }
    return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
  }

  /// With all that belongs to it.
  private func told(_ rollout: RolloutRecord) async throws -> Bindery_V1_Rollout {
    var wire = Bindery_V1_Rollout(rollout)
    wire.objects = try await store.objects(of: rollout).map { object in
      var wire = Bindery_V1_RolloutObject()
      wire.kind = object.kind.rawValue
      wire.slug = object.slug
      wire.baselineVersion = object.baselineVersion
      wire.candidateVersion = object.candidateVersion
      return wire
    }
    wire.bindings = try await store.bindings(of: rollout).map { binding in
      var wire = Bindery_V1_RolloutBinding()
      wire.slug = binding.slug
      wire.baselineDigest = binding.baseline
      wire.candidateDigest = binding.candidate
      return wire
    }
    let now = Date().timeIntervalSince1970 * 1000
    wire.nodes = try await store.nodes(of: rollout).map { node in
      var wire = Bindery_V1_RolloutNode()
      wire.nodeID = node.nodeID
      wire.region = node.region
      wire.revision = node.revision.value
      // Of one that has ended, whether it had confirmed the last step.
      wire.confirmed =
        rollout.state.isActive
        ? node.revision >= rollout.revision : node.unconfirmedMS == nil && node.rejection == nil
      wire.lastSeenMs = Int64(now) - node.silentMS
      wire.rejectedCode = node.rejection?.code ?? ""
      wire.rejectedMessage = node.rejection?.message ?? ""
      return wire
    }
    return wire
  }
}
