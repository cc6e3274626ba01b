internal import Changelog
internal import Codecs
internal import Compiler
internal import Domain
internal import Foundation
package import GRPCCore
internal import Publishing
internal import Store
internal import Switches
package import Wire

extension AdminAPI {
  package func history(
    request: Bindery_V1_HistoryRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_HistoryResponse {
    try await translatingErrors {
      let key = try ObjectKey(request.kind, request.tenant, request.slug)
      let limit = request.pageSize > 0 ? min(Int(request.pageSize), 1000) : 1000
      let versions = try await store.history(
        of: key,
        before: request.beforeVersion > 0 ? request.beforeVersion : nil,
        limit: limit + 1
      )
      if versions.isEmpty, request.beforeVersion == 0 {
        throw RPCError(code: .notFound, message: "there is no \(key), and there was none")
      }
      var response = Bindery_V1_HistoryResponse()
      response.versions = versions.prefix(limit).map(Bindery_V1_VersionInfo.init)
      response.more = versions.count > limit
      return response
    }
  }

  package func diff(
    request: Bindery_V1_DiffRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_DiffResponse {
    try await translatingErrors {
      let key = try ObjectKey(request.kind, request.tenant, request.slug)
      let new =
        if request.toVersion != 0 {
          try await store.version(request.toVersion, of: key)
        } else {
          try await newest(of: key)
        }
      // The first version has nothing before it: all of it is new.
      let old: ObjectVersion? =
        if request.fromVersion != 0 {
          try await store.version(request.fromVersion, of: key)
        } else {
          try await store.history(of: key, before: new.version, limit: 1).first
        }
      guard old != nil || new.version == 1 else {
        throw RPCError(
          code: .notFound,
          message:
            "the version of \(key) before \(new.version) is no longer kept; see bindery retention"
        )
      }
      var response = Bindery_V1_DiffResponse()
      if let old { response.from = Bindery_V1_VersionInfo(old) }
      response.to = Bindery_V1_VersionInfo(new)
      response.fields = difference(
        from: old?.spec ?? .object([:]),
        to: new.spec ?? .object([:])
      )
      .map(Bindery_V1_FieldChange.init)
      return response
    }
  }

  private func newest(of key: ObjectKey) async throws -> ObjectVersion {
    guard let newest = try await store.history(of: key, limit: 1).first else {
      throw RPCError(code: .notFound, message: "there is no \(key), and there was none")
    }
    return newest
  }

  package func rollback(
    request: Bindery_V1_RollbackRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_ApplyResponse {
    try await translatingErrors {
      guard request.toVersion > 0 else {
        throw RPCError(code: .invalidArgument, message: "to_version must be a version, from 1")
      }
      let outcome = try await publisher.rollBack(
        try ObjectKey(request.kind, request.tenant, request.slug),
        to: request.toVersion,
        expected: request.expectedVersion > 0 ? request.expectedVersion : nil,
        author: request.author,
        reason: request.reason,
        dryRun: request.dryRun,
        confirmsEmptying: request.confirmEmptying
      )
      return Bindery_V1_ApplyResponse(
        outcome,
        dryRun: request.dryRun,
        touched: touchedNodes(outcome.plan)
      )
    }
  }

  package func listRoutes(
    request: Bindery_V1_ListRoutesRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_ListRoutesResponse {
    try await translatingErrors {
      let limit = request.pageSize > 0 ? min(Int(request.pageSize), 1000) : 1000
      var after: (channel: String, key: String)?
      if !request.pageToken.isEmpty {
        guard let slash = request.pageToken.firstIndex(of: "/") else {
          throw RPCError(
            code: .invalidArgument,
            message: "page_token is not of an answer of ListRoutes"
          )
        }
        after = (
          String(request.pageToken[..<slash]),
          String(request.pageToken[request.pageToken.index(after: slash)...])
        )
      }
      let routes = try await store.routes(
        at: try Revision(atRevision: request.atRevision),
        tenant: request.tenant.isEmpty ? nil : request.tenant,
        after: after,
        limit: limit
      )
      var response = Bindery_V1_ListRoutesResponse()
      response.routes = routes.map { route in
        var wire = Bindery_V1_RouteInfo()
        wire.channel = route.channel
        wire.key = route.key
        wire.tenant = route.tenant
        wire.binding = route.binding
        return wire
      }
      if routes.count == limit, let last = routes.last {
        response.nextPageToken = "\(last.channel)/\(last.key)"
      }
      return response
    }
  }

  /// Connected nodes that hold something of a tenant that the plan changes.
  func touchedNodes(_ plan: Plan) -> [String] {
    guard let publication = plan.publication else { return [] }
    let keys = publication.resources.map(\.key) + publication.removed
    let tenants = Set(keys.compactMap(\.tenantID))
    return registry.nodes
      .filter { node in node.isConnected && tenants.contains { node.scope.admits($0) } }
      .map(\.nodeID).sorted()
  }
}

extension ObjectKey {
  init(_ kind: String, _ tenant: String, _ slug: String) throws {
    self.init(kind: try ObjectKind(wire: kind), tenant: tenant, slug: slug)
  }
}

extension Revision {
  /// Nil for 0, which asks for now.
  init?(atRevision value: Int64) throws {
    guard value != 0 else { return nil }
    guard value > 0 else {
      throw RPCError(code: .invalidArgument, message: "at_revision must be a revision, from 1")
    }
    self.init(value)
  }
}

extension ApplyOptions {
  init(_ request: Bindery_V1_ApplyRequest) throws {
    if let problem = Self.problem(ofSource: request.source) {
      throw RPCError(code: .invalidArgument, message: problem)
    }
    guard !request.prune || !request.source.isEmpty else {
      throw RPCError(
        code: .invalidArgument,
        message: "prune needs a source: it deletes what that source owns, and nothing else"
      )
    }
    guard request.maxDeletions >= 0 else {
      throw RPCError(code: .invalidArgument, message: "max_deletions must not be negative")
    }
    self.init(
      author: request.author,
      reason: request.reason,
      source: request.source,
      takeOver: request.takeOver,
      prune: request.prune
        ? Prune(
          limit: request.maxDeletions > 0 ? Int(request.maxDeletions) : 10,
          isConfirmed: request.deletionsConfirmed,
          tenants: Set(request.pruneTenants)
        ) : nil
    )
    confirmsEmptying = request.confirmEmptying
  }
}

extension Bindery_V1_ApplyRequest {
  var expectedVersions: [ObjectKey: Int32] {
    get throws {
      let pairs = try expected.map { (try ObjectKey($0.kind, $0.tenant, $0.slug), $0.version) }
      return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }
  }
}

extension Bindery_V1_VersionInfo {
  init(_ version: ObjectVersion) {
    self.init()
    self.version = version.version
    revision = version.revision.value
    atMs = Int64(version.createdAt.timeIntervalSince1970 * 1000)
    author = version.author
    reason = version.reason
    source = version.source
    deleted = version.spec == nil
  }
}
