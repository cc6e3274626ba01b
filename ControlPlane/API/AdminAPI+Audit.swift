internal import Access
internal import Domain
internal import Foundation
package import GRPCCore
internal import Store
package import Wire

extension AdminAPI {
  package func audit(
    request: Bindery_V1_AuditRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_AuditResponse {
    try await translatingErrors {
      var filter = try AuditFilter(request)
      if !request.tenant.isEmpty {
        guard let tenant = try await store.tenantID(slug: request.tenant) else {
          throw StoreError.unknownTenant(request.tenant)
        }
        filter.tenant = tenant
      }
      let scope = context.principal?.tenant.map { AuditScope.tenant($0) } ?? .everything
      let entries = try await store.auditLog(filter, in: scope)
      let slugs = Dictionary(
        try await store.tenants().map { ($0.id, $0.slug) },
        uniquingKeysWith: { first, _ in first }
      )
      var response = Bindery_V1_AuditResponse()
      response.entries = entries.map { Bindery_V1_AuditEntry($0, slugs: slugs) }
      if entries.count == filter.limit, let last = entries.last {
        response.nextPageToken = String(last.id)
      }
      return response
    }
  }
}

extension AuditFilter {
  fileprivate init(_ request: Bindery_V1_AuditRequest) throws {
    self.init()
    platformOnly = request.platformOnly
    actor = request.actor.isEmpty ? nil : request.actor
    objectKind = request.objectKind.isEmpty ? nil : request.objectKind
    object = request.object.isEmpty ? nil : request.object
    from = Self.date(request.fromMs)
    to = Self.date(request.toMs)
    refusedOnly = request.refusedOnly
    limit = request.pageSize > 0 ? min(Int(request.pageSize), 1000) : 100
    guard !(platformOnly && !request.tenant.isEmpty) else {
      throw RPCError(code: .invalidArgument, message: "tenant and platform_only exclude each other")
    }
    if !request.pageToken.isEmpty {
      guard let id = Int64(request.pageToken) else {
        throw RPCError(code: .invalidArgument, message: "page_token is not of an answer of Audit")
      }
      before = id
    }
  }

  private static func date(_ milliseconds: Int64) -> Date? {
    milliseconds > 0 ? Date(timeIntervalSince1970: Double(milliseconds) / 1000) : nil
  }
}

extension Bindery_V1_AuditEntry {
  /// - Parameter slugs: Of all tenants; one that is gone is shown by its id.
  fileprivate init(_ entry: AuditEntry, slugs: [TenantID: String]) {
    self.init()
    id = entry.id
    atMs = Int64(entry.at.timeIntervalSince1970 * 1000)
    tenant = entry.tenant.map { slugs[$0] ?? $0.description } ?? ""
    actor = entry.actor
    actorID = entry.actorID
    role = entry.role
    peer = entry.peer
    reason = entry.reason
    action = entry.action
    objectKind = entry.objectKind
    object = entry.object
    detail = entry.detail
    revision = entry.revision?.value ?? 0
    refused = entry.isRefused
  }
}
