package import Domain
package import Foundation
package import Logging
package import Postgres
internal import Synchronization

/// The configuration as authors wrote it, as it is compiled, and the one revision line.
///
/// `app` writes, one tenant at a time; `distribution` reads the configuration of all tenants; `access`
/// reads who may do what, so that no flood of other reads puts off a revocation. All are bound by
/// row-level security.
package final class Store: Sendable {
  package let app: PostgresPool
  package let distribution: PostgresPool
  package let access: PostgresPool
  let logger: Logger
  /// For what replicas tell each other of their nodes: publications never keep it waiting.
  package let fleet: PostgresPool
  let wakeups = Wakeups()
  let tenantIDs = TenantIDs()
  let announcements = Mutex(Announcements())

  /// - Parameters:
  ///   - app: sessions in role `bindery_app`.
  ///   - distribution: sessions in role `bindery_distribution`.
  ///   - access: the same, for nothing but access tokens; nil shares those of `distribution`.
  ///   - fleet: sessions in role `bindery_app`, for nothing but the fleet; nil shares those of `app`.
  package init(
    app: PostgresPool,
    distribution: PostgresPool,
    access: PostgresPool? = nil,
    fleet: PostgresPool? = nil,
    logger: Logger
  ) {
    self.app = app
    self.distribution = distribution
    self.access = access ?? distribution
    self.fleet = fleet ?? app
    self.logger = logger
  }

  /// The newest revision; `.zero` before the first commit.
  package func currentRevision() async throws -> Revision {
    let rows = try await distribution.query("select revision from revision_line")
    guard let row = rows.first else { throw StoreError.corrupt(what: "revision_line") }
    return Revision(try row.decode("revision"))
  }

  /// Which store this is, and its newest revision, read at once.
  package func currentPosition() async throws -> (incarnation: UUID, revision: Revision) {
    let rows = try await distribution.query("select incarnation, revision from revision_line")
    guard let row = rows.first else { throw StoreError.corrupt(what: "revision_line") }
    return (try row.decode("incarnation"), Revision(try row.decode("revision")))
  }

  /// Which store this is, in 16 bytes: revisions of different incarnations cannot be compared.
  package func incarnation() async throws -> UUID {
    let rows = try await distribution.query("select incarnation from revision_line")
    guard let row = rows.first else { throw StoreError.corrupt(what: "revision_line") }
    return try row.decode("incarnation")
  }

  /// The id of a tenant; nil when there is none of this slug.
  package func tenantID(slug: String) async throws -> TenantID? {
    let rows = try await distribution.query("select id from tenants where slug = \(slug)")
    return try rows.first.map { TenantID(try $0.decode("id", as: UUID.self)) }
  }

  /// All tenants, by slug.
  package func tenants() async throws -> [(id: TenantID, slug: String)] {
    let rows = try await distribution.query("select id, slug from tenants order by slug")
    return try rows.map { row in
      (id: TenantID(try row.decode("id", as: UUID.self)), slug: try row.decode("slug"))
    }
  }

  /// The settings of a transaction that only holds a lock while others work under it: it has nothing
  /// to do for long.
  static let holding = ["idle_in_transaction_session_timeout": "0"]

  /// The settings of a transaction that works for one tenant.
  package static func settings(for tenant: TenantID) -> [String: String] {
    ["bindery.tenant_id": tenant.description]
  }
}
