package import Domain
package import Foundation
internal import Postgres

/// How much of the past is kept, and how much there is.
package struct Retention: Hashable, Sendable {
  /// 0: for ever.
  package var keepDays: Int32
  /// Revisions that are kept however old they are.
  package var keepRevisions: Int64
  /// Of the audit log; 0: for ever.
  package var auditKeepDays: Int32
  /// The oldest that can be read back.
  package var oldest: Revision
  package var newest: Revision
  package var changedBy: String
  package var reason: String
  package var changedAt: Date?
}

/// What a pruning removed, or would remove.
package struct PrunedHistory: Hashable, Sendable {
  package var oldest = Revision.zero
  package var versions: Int64 = 0
  package var changes: Int64 = 0
  package var sections: Int64 = 0
  /// Not counted in advance.
  package var auditEntries: Int64 = 0
}

extension Store {
  package func retention() async throws -> Retention {
    let rows = try await distribution.query(
      """
      select h.keep_days, h.keep_revisions, h.audit_keep_days, h.oldest_revision, h.changed_by, h.reason, h.changed_at,
        l.revision
      from history_retention h, revision_line l
      """
    )
    guard let row = rows.first else { throw StoreError.corrupt(what: "history_retention") }
    return Retention(
      keepDays: try row.decode("keep_days"),
      keepRevisions: try row.decode("keep_revisions"),
      auditKeepDays: try row.decode("audit_keep_days"),
      oldest: Revision(try row.decode("oldest_revision")),
      newest: Revision(try row.decode("revision")),
      changedBy: try row.decode("changed_by"),
      reason: try row.decode("reason"),
      changedAt: try row.decode("changed_at", as: Date?.self)
    )
  }

  /// Says how much is to be kept; removes nothing.
  ///
  /// - Parameter auditKeepDays: of the audit log: 0 or at least 30; nil leaves it as it is.
  package func setRetention(
    keepDays: Int32,
    keepRevisions: Int64,
    auditKeepDays: Int32? = nil,
    author: String,
    reason: String
  ) async throws -> Retention {
    try await app.withTransaction(
      settings: AuditOrigin.settings(author: author, reason: reason)
    ) {
      _ = try await $0.execute(
        """
        update history_retention set keep_days = \(keepDays), keep_revisions = \(keepRevisions),
          audit_keep_days = coalesce(\(auditKeepDays as Int32?)::int, audit_keep_days),
          changed_by = \(author), reason = \(reason), changed_at = now()
        """
      )
    }
    return try await retention()
  }

  /// Removes what need not be kept, batch by batch, each in a transaction of its own: what was removed
  /// before a failure stays removed, and is told of in the audit log.
  ///
  /// Publications wait for the last part of a batch, which looks at a few sections.
  ///
  /// - Parameters:
  ///   - dryRun: only counts.
  ///   - batch: rows of one transaction, at most.
  package func pruneHistory(dryRun: Bool, batch: Int = 5_000) async throws -> PrunedHistory {
    if dryRun {
      let rows = try await app.query(
        "select oldest, versions, changes, sections, 0::bigint as audit from count_past()"
      )
      return try Self.pruned(rows)
    }
    var total = PrunedHistory()
    while true {
      try Task.checkCancellation()
      let (pruned, isDone) = try await pruneBatch(batch)
      total.oldest = pruned.oldest
      total.versions += pruned.versions
      total.changes += pruned.changes
      total.sections += pruned.sections
      total.auditEntries += pruned.auditEntries
      if isDone { return total }
    }
  }

  private func pruneBatch(_ limit: Int) async throws -> (PrunedHistory, isDone: Bool) {
    try await app.withTransaction(settings: AuditOrigin.settings(author: "system")) { connection in
      let rows = try await connection.query(
        """
        select oldest, versions, changes, sections, done, prune_audit_batch(\(limit)) as audit
        from prune_history_batch(\(limit))
        """
      )
      let pruned = try Self.pruned(rows)
      let isDone = try rows.first?.decode("done", as: Bool.self) ?? true
      var told: [(object: String, detail: String)] = []
      if pruned.versions + pruned.changes + pruned.sections > 0 {
        told.append(
          (
            "history",
            "\(pruned.versions) versions, \(pruned.changes) changes, \(pruned.sections) sections, oldest revision \(pruned.oldest.value)"
          )
        )
      }
      if pruned.auditEntries > 0 {
        told.append(("audit log", "\(pruned.auditEntries) entries"))
      }
      if !told.isEmpty {
        _ = try await connection.execute(
          """
          insert into audit_log (tenant_id, action, object_kind, object, detail)
          select null, 'prune', 'Retention', t.object, t.detail
          from unnest(\(told.map(\.object))::text[], \(told.map(\.detail))::text[])
            as t (object, detail)
          """
        )
      }
      return (pruned, isDone && pruned.auditEntries < Int64(limit))
    }
  }

  private static func pruned(_ rows: [PostgresRow]) throws -> PrunedHistory {
    guard let row = rows.first else { throw StoreError.corrupt(what: "history_retention") }
    return PrunedHistory(
      oldest: Revision(try row.decode("oldest")),
      versions: try row.decode("versions"),
      changes: try row.decode("changes"),
      sections: try row.decode("sections"),
      auditEntries: try row.decode("audit")
    )
  }
}
