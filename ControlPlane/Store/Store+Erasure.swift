internal import Codecs
package import Domain
package import Foundation
internal import Postgres

extension Store {
  /// Erases a person from a tenant in one transaction; the row that tenants share goes with the last
  /// of them. Turns under way lose their lease, and what comes late is dropped and counted.
  ///
  /// - Parameters:
  ///   - author: Who, where the call's origin has no name.
  ///   - reason: Why, for receipt and audit log; must not name the person.
  ///   - dryRun: Only counts.
  /// - Returns: nil when the tenant knows no such person.
  package func erase(
    _ person: PersonSelector,
    tenantSlug: String,
    author: String,
    reason: String,
    dryRun: Bool
  ) async throws -> Erasure? {
    let id = UUID()
    let audit = AuditOrigin.settings(author: author, reason: reason)
    let settings = audit.merging(Self.settings(for: person.tenant)) { $1 }
    return try await retryingLostRaces {
      try await app.withTransaction(settings: settings) { connection in
        let rows = try await connection.query(
          """
          select subject, erased_at, counts from erase_person(\(person.user as UUID?)::uuid,
            \(person.phone)::text, \(person.channel)::text, \(person.externalID)::text,
            \(id)::uuid, \(dryRun))
          """
        )
        guard let row = rows.first else { throw StoreError.corrupt(what: "an erasure") }
        guard let counts = try row.decode("counts", as: PostgresJSON?.self) else { return nil }
        let erased: [ErasedRows] = try JSONText.decode(counts, what: "an erasure's counts")
        if dryRun { return Erasure(receipt: nil, rows: erased) }
        let receipt = try ErasureReceipt(
          id: id,
          erasedAt: try row.decode("erased_at"),
          subject: try row.decode("subject"),
          tenant: tenantSlug,
          origin: audit,
          rows: erased
        )
        _ = try await connection.pipeline([
          """
          insert into erasure_receipts (id, subject, erased_at, receipt, digest) values (
            \(receipt.id), \(receipt.subject), \(receipt.erasedAt), \(receipt.json),
            \(receipt.digest))
          """,
          """
          insert into audit_log (tenant_id, action, object_kind, object, detail) values (
            \(person.tenant.uuid), 'erase', 'User', \(receipt.subject),
            \("receipt \(Self.text(id)), sha256 \(receipt.digest)"))
          """,
        ])
        return Erasure(receipt: receipt, rows: erased)
      }
    }
  }

  /// The receipts of a tenant, newest first.
  ///
  /// - Parameters:
  ///   - person: Only those of this one.
  ///   - last: The last one of the page before.
  package func erasures(
    of tenant: TenantID,
    person: PersonSelector? = nil,
    after last: UUID? = nil,
    limit: Int
  ) async throws -> [ErasureReceipt] {
    try await app.withTransaction(settings: Self.settings(for: tenant)) { connection in
      var subject: String?
      // By another name than the one that the receipt was made by, too.
      var names: [String] = []
      if let person {
        let reference = try await Self.reference(of: person, on: connection)
        subject = reference.subject
        names = reference.parts.people
      }
      return try await connection.query(
        """
        select r.*, (
            select coalesce(sum(e.late_inputs), 0) from erased_people e
            where e.tenant_id = r.tenant_id and e.receipt_id = r.id)::bigint as late_inputs, (
            select coalesce(sum(e.late_records), 0) from erased_people e
            where e.tenant_id = r.tenant_id and e.receipt_id = r.id)::bigint as late_records
        from erasure_receipts r
        where r.tenant_id = \(tenant.uuid) and (\(person == nil) or r.subject = \(subject ?? "")
            or r.id in (select receipts_of(\(names)::text[])))
          and (\(last == nil) or (r.erased_at, r.id) < (
            select l.erased_at, l.id from erasure_receipts l where l.id = \(last as UUID?)::uuid))
        order by r.erased_at desc, r.id desc limit \(max(0, limit))
        """
      ).map { row in
        ErasureReceipt(
          id: try row.decode("id"),
          erasedAt: try row.decode("erased_at"),
          subject: try row.decode("subject"),
          json: try row.decode("receipt"),
          digest: try row.decode("digest"),
          lateInputs: try row.decode("late_inputs"),
          lateRecords: try row.decode("late_records")
        )
      }
    }
  }

  /// What receipts and the audit log call a person, and all that stands for the person. Writes.
  static func reference(
    of person: PersonSelector,
    on connection: PostgresConnection
  ) async throws -> (subject: String?, parts: PersonParts) {
    let parts = try await parts(of: person, on: connection)
    let rows = try await connection.query(
      "select person_reference(\(parts.people)::text[], \(parts.phones)::text[]) as subject"
    )
    return (subject: try rows.first?.decode("subject", as: String?.self) ?? nil, parts: parts)
  }

  static func parts(
    of person: PersonSelector,
    on connection: PostgresConnection
  ) async throws -> PersonParts {
    let rows = try await connection.query(
      """
      select users, people, phones, sessions from person_subject(\(person.user as UUID?)::uuid,
        \(person.phone)::text, \(person.channel)::text, \(person.externalID)::text)
      """
    )
    guard let row = rows.first else { throw StoreError.corrupt(what: "a person") }
    return PersonParts(
      users: try row.decode("users"),
      people: try row.decode("people"),
      phones: try row.decode("phones"),
      sessions: try row.decode("sessions")
    )
  }

  static func text(_ id: UUID) -> String { id.uuidString.lowercased() }
}

/// What stands for one person in a tenant's rows.
struct PersonParts: Sendable {
  let users: [UUID]
  let people: [String]
  let phones: [String]
  let sessions: [UUID]
}

extension ErasureReceipt {
  /// - Parameter origin: `AuditOrigin.settings`.
  fileprivate init(
    id: UUID,
    erasedAt: Date,
    subject: String,
    tenant: String,
    origin: [String: String],
    rows: [ErasedRows]
  ) throws {
    let time = erasedAt.formatted(.iso8601)
    let json = try CanonicalJSON.encode(
      JSONValue.object([
        "format": "bindery.erasure/1", "id": .string(Store.text(id)), "tenant": .string(tenant),
        "subject": .string(subject), "erased_at": .string(time), "complete": .bool(true),
        "by": .string(origin["bindery.audit_actor"] ?? ""),
        "by_id": .string(origin["bindery.audit_actor_id"] ?? ""),
        "role": .string(origin["bindery.audit_role"] ?? ""),
        "reason": .string(origin["bindery.audit_reason"] ?? ""),
        "tables": .array(
          rows.map {
            [
              "table": .string($0.table), "removed": .int($0.removed),
              "kept_anonymous": .int($0.keptAnonymous),
            ]
          }
        ),
      ])
    )
    self.init(
      id: id,
      erasedAt: erasedAt,
      subject: subject,
      json: json,
      digest: CanonicalJSON.digest(of: json).hex,
      lateInputs: 0,
      lateRecords: 0
    )
  }
}
