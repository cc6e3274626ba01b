package import Access
package import Changelog
internal import Codecs
internal import Compiler
internal import Domain
internal import Foundation
package import GRPCCore
package import Ledger
package import Publishing
package import Store
package import Switches
package import Wire
internal import WireServices

/// gRPC face of authoring and operating: decodes, calls, encodes.
package struct AdminAPI: Bindery_V1_Admin.SimpleServiceProtocol {
  let publisher: Publisher
  let store: Store
  private let ledger: LedgerService
  let registry: NodeRegistry
  let hub: ChangelogHub
  let tokens: TokenService
  let largeApplies = CallGate(limit: 2, what: "applies of many messages")
  let exports = CallGate(limit: 4, what: "exports of people")

  package init(
    publisher: Publisher,
    store: Store,
    ledger: LedgerService,
    registry: NodeRegistry,
    hub: ChangelogHub,
    tokens: TokenService
  ) {
    self.publisher = publisher
    self.store = store
    self.ledger = ledger
    self.registry = registry
    self.hub = hub
    self.tokens = tokens
  }

  package func apply(
    request: Bindery_V1_ApplyRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_ApplyResponse {
    try await apply(request)
  }

  package func get(
    request: Bindery_V1_GetRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_GetResponse {
    try await translatingErrors {
      let key = ObjectKey(
        kind: try ObjectKind(wire: request.kind),
        tenant: request.tenant,
        slug: request.slug
      )
      let object =
        if let revision = try Revision(atRevision: request.atRevision) {
          try await store.object(key, at: revision)
        } else {
          try await store.object(key)
        }
      guard let object else {
        let when = request.atRevision > 0 ? " at revision \(request.atRevision)" : ""
        throw RPCError(code: .notFound, message: "there is no \(key)\(when)")
      }
      var response = Bindery_V1_GetResponse()
      let faults = request.atRevision > 0 ? [:] : try await faults(of: [object])
      response.object = try Bindery_V1_Object(object, faults: faults[key] ?? [])
      return response
    }
  }

  package func list(
    request: Bindery_V1_ListRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_ListResponse {
    try await translatingErrors {
      let limit = request.pageSize > 0 ? min(Int(request.pageSize), 1000) : 1000
      let kind = try ObjectKind(wire: request.kind)
      let tenant = request.tenant.isEmpty ? nil : request.tenant
      let after = try pageStart(request)
      // Read before the page, so that the page lacks nothing of it.
      let current = try await store.currentRevision()
      let revision = try Revision(atRevision: request.atRevision)
      let objects =
        if let revision {
          try await store.list(kind: kind, at: revision, tenant: tenant, after: after, limit: limit)
        } else {
          try await store.list(kind: kind, tenant: tenant, after: after, limit: limit)
        }
      var response = Bindery_V1_ListResponse()
      let faults = revision == nil ? try await faults(of: objects) : [:]
      response.objects = try objects.map {
        try Bindery_V1_Object($0, faults: faults[$0.key] ?? [])
      }
      response.revision = (revision ?? current).value
      if objects.count == limit, let last = objects.last {
        response.nextPageToken = "\(last.key.tenant)/\(last.key.slug)"
      }
      return response
    }
  }

  private func faults(of objects: [StoredObject]) async throws -> [ObjectKey: [Diagnostic]] {
    try await store.compileFailures(of: objects.map(\.key).filter { $0.kind == .binding })
  }

  private func pageStart(_ request: Bindery_V1_ListRequest) throws -> ObjectKey? {
    guard !request.pageToken.isEmpty else { return nil }
    let parts = request.pageToken.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw RPCError(code: .invalidArgument, message: "page_token is not of an answer of List")
    }
    return ObjectKey(
      kind: try ObjectKind(wire: request.kind),
      tenant: String(parts[0]),
      slug: String(parts[1])
    )
  }

  package func setTenantStatus(
    request: Bindery_V1_SetTenantStatusRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_SetTenantStatusResponse {
    try await translatingErrors {
      let caller = context.principal
      let (revision, changed): (Revision, Bool)
      do {
        (revision, changed) = try await publisher.setStatus(
          of: request.tenant,
          to: try TenantStatus(wire: request.status),
          by: caller?.tenant == nil ? .platform : .tenant,
          author: request.author,
          reason: request.reason
        )
      } catch let error as StoreError where error.kind == .refused {
        // As all refusals of a caller: the audit log tells of it.
        guard let caller else { throw error }
        throw caller.denied(
          "may not change what the platform paused or archived; ask the platform's operators"
        )
      }
      var response = Bindery_V1_SetTenantStatusResponse()
      response.revision = revision.value
      response.changed = changed
      return response
    }
  }

  package func usage(
    request: Bindery_V1_UsageRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_UsageResponse {
    try await translatingErrors { try await ledger.usage(request) }
  }
}
