package import Domain
package import Foundation
internal import Postgres

/// How much of the past is kept, and how much there is.
package struct Retention: Hashable, Sendable {
  /// 0: for ever.
  package var keepDays: Int32
  /// Revisions that are kept however old they are.
  package var keepRevisions: Int64
  /// The oldest that can be read back.
  package var oldest: Revision
  package var newest: Revision
  package var changedBy: String
  package var reason: String
  package var changedAt: Date?
}

/// What a pruning removed, or would remove.
package struct PrunedHistory: Hashable, Sendable {
  package var oldest: Revision
  package var versions: Int64
  package var changes: Int64
  package var sections: Int64
}

extension Store {
  package func retention() async throws -> Retention {
    let rows = try await distribution.query(
      """
      select h.keep_days, h.keep_revisions, h.oldest_revision, h.changed_by, h.reason, h.changed_at,
        l.revision
      from history_retention h, revision_line l
      """
    )
    guard let row = rows.first else { throw StoreError.corrupt(what: "history_retention") }
    return Retention(
      keepDays: try row.decode("keep_days"),
      keepRevisions: try row.decode("keep_revisions"),
      oldest: Revision(try row.decode("oldest_revision")),
      newest: Revision(try row.decode("revision")),
      changedBy: try row.decode("changed_by"),
      reason: try row.decode("reason"),
      changedAt: try row.decode("changed_at", as: Date?.self)
    )
  }

  /// Says how much is to be kept; removes nothing.
  package func setRetention(
    keepDays: Int32,
    keepRevisions: Int64,
    author: String,
    reason: String
  ) async throws -> Retention {
    try await app.withTransaction(
      settings: AuditOrigin.settings(author: author, reason: reason)
    ) {
      _ = try await $0.execute(
        """
        update history_retention set keep_days = \(keepDays), keep_revisions = \(keepRevisions),
          changed_by = \(author), reason = \(reason), changed_at = now()
        """
      )
    }
    return try await retention()
  }

  /// Removes what need not be kept, in one transaction.
  ///
  /// Publications wait for the last part of it, which looks for sections that nothing names.
  ///
  /// - Parameter dryRun: only counts.
  package func pruneHistory(dryRun: Bool) async throws -> PrunedHistory {
    try await app.withTransaction(settings: AuditOrigin.settings()) { connection in
      let rows = try await connection.query(
        "select oldest, versions, changes, sections from prune_history(\(dryRun))"
      )
      guard let row = rows.first else { throw StoreError.corrupt(what: "history_retention") }
      let pruned = PrunedHistory(
        oldest: Revision(try row.decode("oldest")),
        versions: try row.decode("versions"),
        changes: try row.decode("changes"),
        sections: try row.decode("sections")
      )
      if !dryRun {
        _ = try await connection.execute(
          """
          insert into audit_log (tenant_id, action, object_kind, object, detail) values (
            null, 'prune', 'Retention', 'history',
            \("\(pruned.versions) versions, oldest revision \(pruned.oldest.value)"))
          """
        )
      }
      return pruned
    }
  }
}
