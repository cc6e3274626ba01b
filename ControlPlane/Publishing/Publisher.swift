package import Compiler
package import Domain
internal import Foundation
internal import Logging
package import Store

/// Turns authored documents into a commit: reads the world, plans, and publishes, all or nothing.
///
/// The plan is made without any lock. The store checks the versions that it was made against again
/// under its lock; when somebody else was faster, the plan is made anew, unless the caller told the
/// versions that it has seen.
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
  /// - Parameter expected: versions that the caller has seen (0: not there); empty: whatever is there
  ///   is written over.
  /// - Throws: `StoreError.stale` when an object is not at its expected version, or others kept
  ///   changing the same objects; `PostgresError`.
  package func apply(
    _ documents: [AuthoredDocument],
    options: ApplyOptions,
    expected: [ObjectKey: Int32] = [:],
    dryRun: Bool
  ) async throws -> Outcome {
    var tenants = Set(documents.map(\.key.tenant)).union(expected.keys.map(\.tenant))
    // A source's label is a name within a tenant: another tenant's source may have the same one. So
    // what is pruned is in tenants that are named, by the documents or for the pruning.
    if let prune = options.prune { tenants.formUnion(prune.tenants) }
    return try await publish(over: tenants, dryRun: dryRun) { world in
      try Self.check(expected, in: world)
      let plan = planner.plan(
        documents: documents,
        world: world,
        options: options,
        now: Date(),
        mintID: { UUID() }
      )
      for change in plan.changes where change.action == .delete && !expected.isEmpty {
        // It came after the plan that was shown: nobody has agreed to its deletion.
        guard expected[change.key] != nil else {
          throw StoreError.stale(change.key, expected: 0, found: change.fromVersion)
        }
      }
      return plan
    }
  }

  /// Publishes the content of an old version as a new one, unless it is a dry run, or invalid by now.
  ///
  /// The object stays with the source that owns it.
  ///
  /// - Parameter expected: the newest version that the caller has seen; nil: whatever is there.
  /// - Throws: `StoreError.unknownVersion`, `.stale`, `RollbackRefusal`.
  package func rollBack(
    _ key: ObjectKey,
    to version: Int32,
    expected: Int32?,
    author: String,
    reason: String,
    dryRun: Bool
  ) async throws -> Outcome {
    let wanted = try await store.version(version, of: key)
    guard let spec = wanted.spec else {
      throw RollbackRefusal(key: key, version: version)
    }
    let document = AuthoredDocument(key: key, spec: spec, source: "version \(version)")
    return try await publish(over: [key.tenant], dryRun: dryRun) { world in
      // A deleted object has versions, too: the last one says that it was deleted.
      let found = (world.objects[key] ?? world.deleted[key])?.version ?? 0
      if let expected, expected != found {
        throw StoreError.stale(key, expected: expected, found: found)
      }
      return planner.plan(
        documents: [document],
        world: world,
        options: ApplyOptions(
          author: author,
          reason: reason.isEmpty ? "rollback to version \(version)" : reason,
          source: world.objects[key]?.source ?? wanted.source
        ),
        now: Date(),
        mintID: { UUID() }
      )
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

  private func publish(
    over tenants: Set<String>,
    dryRun: Bool,
    _ makePlan: (World) throws -> Plan
  ) async throws -> Outcome {
    var attempt = 1
    while true {
      let world = try await store.world(tenants: tenants)
      let plan = try makePlan(world)
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

  private static func check(_ expected: [ObjectKey: Int32], in world: World) throws {
    for (key, version) in expected.sorted(by: { $0.key < $1.key }) {
      let found = world.objects[key]?.version ?? 0
      guard found == version else {
        throw StoreError.stale(key, expected: version, found: found)
      }
    }
  }
}

/// A version that has no content to come back to.
package struct RollbackRefusal: Error, Equatable, CustomStringConvertible {
  package var key: ObjectKey
  package var version: Int32

  package var description: String {
    "version \(version) of \(key) is that it was deleted; name a version before or after it"
  }
}
