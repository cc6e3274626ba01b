internal import Access
internal import Domain
internal import Foundation
package import GRPCCore
internal import Store
package import Wire

extension AdminAPI {
  package func getRetention(
    request: Bindery_V1_GetRetentionRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_Retention {
    try await translatingErrors {
      var retention = Bindery_V1_Retention(try await store.retention())
      // Who set it and why is the platform's.
      if context.principal?.tenant != nil {
        (retention.changedBy, retention.reason, retention.changedAtMs) = ("", "", 0)
      }
      return retention
    }
  }

  package func setRetention(
    request: Bindery_V1_SetRetentionRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_Retention {
    try await translatingErrors {
      guard (0 ... 36_500).contains(request.keepDays), request.keepRevisions >= 1 else {
        throw RPCError(
          code: .invalidArgument,
          message: "keep_days must be 0 (for ever) to 36500, keep_revisions at least 1"
        )
      }
      let days = request.auditKeepDays
      guard days == 0 || (30 ... 36_500).contains(days) else {
        throw RPCError(
          code: .invalidArgument,
          message: "audit_keep_days must be 0 (for ever) or 30 to 36500"
        )
      }
      return Bindery_V1_Retention(
        try await store.setRetention(
          keepDays: request.keepDays,
          keepRevisions: request.keepRevisions,
          auditKeepDays: request.hasAuditKeepDays ? request.auditKeepDays : nil,
          author: request.author,
          reason: request.reason
        )
      )
    }
  }

  package func pruneHistory(
    request: Bindery_V1_PruneHistoryRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_PruneHistoryResponse {
    try await translatingErrors {
      let pruned = try await store.pruneHistory(dryRun: request.dryRun)
      var response = Bindery_V1_PruneHistoryResponse()
      response.oldestRevision = pruned.oldest.value
      response.versions = pruned.versions
      response.changes = pruned.changes
      response.sections = pruned.sections
      response.auditEntries = pruned.auditEntries
      return response
    }
  }
}

extension Bindery_V1_Retention {
  init(_ retention: Retention) {
    self.init()
    keepDays = retention.keepDays
    keepRevisions = retention.keepRevisions
    auditKeepDays = retention.auditKeepDays
    oldestRevision = retention.oldest.value
    newestRevision = retention.newest.value
    changedBy = retention.changedBy
    reason = retention.reason
    changedAtMs = retention.changedAt.map { Int64($0.timeIntervalSince1970 * 1000) } ?? 0
  }
}
