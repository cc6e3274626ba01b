package import Foundation
internal import Logging
internal import Postgres

extension Store {
  /// Gives the database a new incarnation when it is a copy of, or was put back to an earlier time of, the
  /// one that was looked at before: revisions from then on are not those that nodes have got.
  ///
  /// It is told by the server's identifier, its timeline (another one after each recovery to a point in
  /// time, and after a failover), and the identity of the table, which another one has in a restored dump.
  ///
  /// - Returns: whether it did.
  @discardableResult
  package func attach() async throws -> Bool {
    do {
      return try await compareLineage()
    } catch let error as PostgresError
      where error.sqlState == PostgresError.State.insufficientPrivilege
    {
      logger.warning(
        "the database's server does not tell its identity: after putting it back, change its incarnation"
      )
      return false
    }
  }

  private func compareLineage() async throws -> Bool {
    let rows = try await app.query(
      """
      with now as materialized (
        select s.system_identifier::text
          || '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)
          || '/' || 'revision_line'::regclass::oid::text as lineage
        from pg_control_system() s
      ), held as materialized (select lineage from revision_line)
      update revision_line l set lineage = now.lineage,
        incarnation = case when l.lineage = '' then l.incarnation else gen_random_uuid() end
      from now, held where l.lineage <> now.lineage
      returning held.lineage <> '' as renewed
      """
    )
    let isRenewed = try rows.first?.decode("renewed", as: Bool.self) ?? false
    if isRenewed {
      logger.warning(
        "the database is a copy of another one, or was put back: nodes take everything anew"
      )
    }
    return isRenewed
  }

  /// Gives the database a new incarnation, unless it has another one than `incarnation` by now.
  package func renew(_ incarnation: UUID) async throws {
    try await app.execute(
      """
      update revision_line set incarnation = gen_random_uuid()
      where incarnation = \(incarnation)
      """
    )
  }
}
