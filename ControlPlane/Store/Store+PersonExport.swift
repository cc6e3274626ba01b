internal import Domain
package import Foundation
internal import Postgres

extension Store {
  /// Writes all that a tenant's tables hold of a person as one JSON document, as of one moment. Its
  /// last line tells the counts and the SHA-256 of all bytes before that line.
  ///
  /// Some rows are in memory at a time, however many there are. The audit log tells of the export
  /// before its first byte is written.
  ///
  /// - Parameters:
  ///   - author: Who, where the call's origin has no name.
  ///   - reason: Why, for the audit log; must not name the person.
  ///   - describe: A set-aside record as JSON text.
  ///   - write: Takes a piece of UTF-8.
  /// - Returns: false when the tenant knows no such person; nothing was written then.
  package func export(
    _ person: PersonSelector,
    tenantSlug: String,
    author: String,
    reason: String,
    describe: @Sendable (Data) throws -> String,
    write: @Sendable @escaping (Data) async throws -> Void
  ) async throws -> Bool {
    let own = Self.settings(for: person.tenant)
    let audit = AuditOrigin.settings(author: author, reason: reason).merging(own) { $1 }
    let known = try await app.withTransaction(settings: audit) { connection in
      let (subject, parts) = try await Self.reference(of: person, on: connection)
      let counts = try await connection.query(
        """
        select count_person(\(parts.users)::uuid[], \(parts.people)::text[],
          \(parts.phones)::text[], \(parts.sessions)::uuid[]) as rows
        """
      )
      guard let subject, try counts.first?.decode("rows", as: Int64.self) ?? 0 > 0 else {
        return String?.none
      }
      try await connection.execute(
        """
        insert into audit_log (tenant_id, action, object_kind, object, detail)
        values (\(person.tenant.uuid), 'export', 'User', \(subject), '')
        """
      )
      return subject
    }
    guard let subject = known else { return false }
    try await app.withTransaction(settings: own, isolation: .repeatableRead, readOnly: true) {
      connection in
      let parts = try await Self.parts(of: person, on: connection)
      var document = ExportDocument(write: write)
      try await document.begin(tenant: tenantSlug, subject: subject, at: Date())
      try await Self.writeRows(of: parts, into: &document, on: connection)
      try await Self.writeShared(of: parts, into: &document, describe, on: connection)
      try await document.end()
    }
    return true
  }

  private static func writeRows(
    of parts: PersonParts,
    into document: inout ExportDocument,
    on connection: PostgresConnection
  ) async throws {
    let tables = try await connection.query("select name from person_tables() order by place desc")
    for row in tables {
      let table: String = try row.decode("name")
      try await document.beginTable(table)
      try await connection.query(
        """
        select open_person_rows(\(table)::text, \(parts.users)::uuid[], \(parts.people)::text[],
          \(parts.phones)::text[], \(parts.sessions)::uuid[], 'person_rows')::text
        """
      )
      while true {
        let page = try await connection.query("fetch 100 from person_rows")
        for row in page { try await document.add(row: try row.decode("row", as: String.self)) }
        if page.count < 100 { break }
      }
      try await connection.execute("close person_rows")
      try await document.endTable()
    }
  }

  /// What is not one tenant's table: records that were set aside, and the phone.
  private static func writeShared(
    of parts: PersonParts,
    into document: inout ExportDocument,
    _ describe: (Data) throws -> String,
    on connection: PostgresConnection
  ) async throws {
    try await document.beginTable("ledger_set_aside")
    let records = try await connection.query(
      """
      select (to_jsonb(a) - 'record')::text as row, a.record
      from person_set_aside(\(parts.people)::text[], \(parts.phones)::text[],
        \(parts.sessions)::uuid[]) a
      order by a.created_at, a.node_id, a.sequence
      """
    )
    for row in records {
      let head: String = try row.decode("row")
      let record = try describe(try row.decode("record", as: Data.self))
      try await document.add(row: "\(head.dropLast()), \"record\": \(record)}")
    }
    try await document.endTable()
    try await document.beginTable("users")
    for user in parts.users {
      let rows = try await connection.query(
        "select jsonb_build_object('id', \(user)::uuid, 'phone', phone_of(\(user)::uuid))::text as row"
      )
      for row in rows { try await document.add(row: try row.decode("row", as: String.self)) }
    }
    try await document.endTable()
  }
}
