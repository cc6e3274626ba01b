package import Compiler
package import Domain
internal import Foundation
internal import Logging
package import Store

/// Turns authored documents into a commit: reads the world, plans, and publishes, all or nothing.
///
/// The plan is made without any lock. The store checks the versions that it was made against again
/// under its lock; when somebody else was faster, the plan is made anew.
package struct Publisher: Sendable {
  /// What became of a set of documents.
  package struct Outcome: Sendable {
    package var plan: Plan
    /// The new revision, or the current one when nothing was stored.
    package var revision: Revision
    package var stored: Bool
  }

  private let store: Store
  private let planner: Planner
  private let attempts = 5

  package init(store: Store, planner: Planner) {
    self.store = store
    self.planner = planner
  }

  /// Plans `documents`, and publishes the plan unless it is a dry run, invalid or empty.
  ///
  /// - Throws: `StoreError.stale` when others kept changing the same objects; `PostgresError`.
  package func apply(
    _ documents: [AuthoredDocument],
    author: String,
    reason: String,
    dryRun: Bool
  ) async throws -> Outcome {
    var attempt = 1
    while true {
      let world = try await store.world(tenants: Set(documents.map(\.key.tenant)))
      let plan = planner.plan(
        documents: documents,
        world: world,
        author: author,
        reason: reason,
        now: Date(),
        mintID: { UUID() }
      )
      guard !dryRun, let publication = plan.publication else {
        return Outcome(plan: plan, revision: world.revision, stored: false)
      }
      do {
        let revision = try await store.publish(publication)
        return Outcome(plan: plan, revision: revision, stored: true)
      } catch let error as StoreError where error.isStale && attempt < attempts {
        attempt += 1
      }
    }
  }

  /// Pauses, resumes or archives a tenant.
  ///
  /// - Throws: `StoreError.unknownTenant`.
  package func setStatus(
    of tenant: String,
    to status: TenantStatus,
    author: String,
    reason: String
  ) async throws -> (revision: Revision, changed: Bool) {
    try await store.setTenantStatus(
      slug: tenant,
      status: status,
      author: author,
      reason: reason
    )
  }
}
