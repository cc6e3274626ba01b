package import Postgres

/// The role that the daemon logs in as: it owns nothing, bypasses nothing, and holds no rights until
/// a session takes on `bindery_app` or `bindery_distribution`.
package struct LoginRole: Sendable {
  package var name: String
  /// Nil leaves the password as it is: a server on a guarded socket needs none.
  package var password: String?

  package init(name: String = "bindery_daemon", password: String? = nil) {
    self.name = name
    self.password = password
  }

  /// Creates the role, or repairs it, after the migrations. Several at once are safe.
  ///
  /// - Parameter pool: connects as the owner of the database, or a superuser.
  /// - Throws: `StoreError.loginRoleUnsafe` for a role that could see past row-level security.
  package func ensure(on pool: PostgresPool) async throws {
    var attempt = 1
    while true {
      do {
        return try await ensureOnce(on: pool)
      } catch let error as PostgresError
        where attempt < 5 && Self.racing.contains(error.sqlState ?? "")
      {
        // Roles belong to the whole server: another database's daemon was making the same one.
        attempt += 1
      }
    }
  }

  private func ensureOnce(on pool: PostgresPool) async throws {
    try await pool.withTransaction { connection in
      if try await state(on: connection) == nil {
        try await connection.execute("create role \(identifier: name) login noinherit")
      }
      guard let state = try await state(on: connection) else {
        throw StoreError.loginRoleUnsafe(role: name, reason: "cannot be created")
      }
      if let reason = state.unsafeBecause {
        throw StoreError.loginRoleUnsafe(role: name, reason: reason)
      }
      if !state.canLogin || state.inherits {
        try await connection.execute("alter role \(identifier: name) login noinherit")
      }
      if !state.isMember {
        try await connection.execute(
          "grant bindery_app, bindery_distribution to \(identifier: name)"
        )
      }
      if let password {
        let quoted = try await connection.query("select quote_literal(\(password)) as literal")
        guard let literal = try quoted.first?.decode("literal", as: String.self) else { return }
        try await connection.execute(
          "alter role \(identifier: name) password \(unsafeRaw: literal)"
        )
      }
    }
  }

  private struct State: Sendable {
    let canLogin: Bool
    let inherits: Bool
    let isMember: Bool
    let unsafeBecause: String?
  }

  private func state(on connection: PostgresConnection) async throws -> State? {
    let rows = try await connection.query(
      """
      select rolcanlogin, rolinherit, rolsuper, rolbypassrls,
        pg_has_role(oid, 'bindery_app', 'member')
          and pg_has_role(oid, 'bindery_distribution', 'member') as member,
        pg_has_role(oid, 'bindery_definer', 'member') as definer,
        exists (
          select from pg_class c where c.relowner = r.oid and c.relname = 'schema_migrations'
        ) as owner
      from pg_roles r where rolname = \(name)
      """
    )
    guard let row = rows.first else { return nil }
    let reason: String? =
      if try row.decode("rolsuper", as: Bool.self) {
        "is a superuser"
      } else if try row.decode("rolbypassrls", as: Bool.self) {
        "has BYPASSRLS"
      } else if try row.decode("owner", as: Bool.self) {
        "owns the schema"
      } else if try row.decode("definer", as: Bool.self) {
        "is a member of bindery_definer"
      } else {
        nil
      }
    return State(
      canLogin: try row.decode("rolcanlogin"),
      inherits: try row.decode("rolinherit"),
      isMember: try row.decode("member"),
      unsafeBecause: reason
    )
  }

  /// duplicate_object, unique_violation, and "tuple concurrently updated" (internal_error).
  private static let racing: Set<String> = ["42710", "23505", "XX000"]
}
