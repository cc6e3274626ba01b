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

  let store: Store
  let planner: Planner
  private let compiler: CompilerStatus?
  /// Plans that are made without a lock; the next one is made under it.
  private let freePlans = 2
  /// Plans that are made under the tenants' locks, against which only other tenants can be faster.
  private let lockedPlans = 3

  /// - Parameter compiler: what is known of the compiler in force; nil publishes without regard to it.
  package init(store: Store, planner: Planner, compiler: CompilerStatus? = nil) {
    self.store = store
    self.planner = planner
    self.compiler = compiler
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
    var roots = WorldLoader.Roots(
      documents: documents,
      expected: Set(expected.keys),
      author: options.author,
      reason: options.reason
    )
    roots.confirmsEmptying = options.confirmsEmptying
    // A source's label is a name within a tenant: another tenant's source may have the same one. So
    // what is pruned is in tenants that are named, by the documents or for the pruning.
    if let prune = options.prune, !options.source.isEmpty {
      let named = roots.tenants.union(prune.tenants)
      roots.owned = (options.source, named.filter(prune.covers))
    }
    return try await publish(from: roots, dryRun: dryRun) { world, memo in
      try Self.check(expected, in: world)
      let plan = planner.plan(
        documents: documents,
        world: world,
        options: options,
        now: Date(),
        mintID: { UUID() },
        memo: memo
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
    dryRun: Bool,
    confirmsEmptying: Bool = false
  ) async throws -> Outcome {
    let wanted = try await store.version(version, of: key)
    guard let spec = wanted.spec else {
      throw RollbackRefusal(key: key, version: version)
    }
    let document = AuthoredDocument(key: key, spec: spec, source: "version \(version)")
    let reason = reason.isEmpty ? "rollback to version \(version)" : reason
    var roots = WorldLoader.Roots(
      documents: [document],
      expected: [key],
      author: author,
      reason: reason
    )
    roots.confirmsEmptying = confirmsEmptying
    return try await publish(from: roots, dryRun: dryRun) { world, memo in
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
          reason: reason,
          source: world.objects[key]?.source ?? wanted.source
        ),
        now: Date(),
        mintID: { UUID() },
        memo: memo
      )
    }
  }

  /// Pauses, resumes or archives a tenant.
  ///
  /// - Throws: `StoreError.unknownTenant`, `.heldByPlatform`.
  package func setStatus(
    of tenant: String,
    to status: TenantStatus,
    by side: SwitchSide,
    author: String,
    reason: String
  ) async throws -> (revision: Revision, changed: Bool) {
    try await store.setTenantStatus(
      slug: tenant,
      status: status,
      by: side,
      author: author,
      reason: reason
    )
  }

  func publish(
    from roots: WorldLoader.Roots,
    dryRun: Bool,
    _ makePlan: (World, BindingMemo) throws -> Plan
  ) async throws -> Outcome {
    // What does not change between one plan and the next is compiled once.
    let memo = BindingMemo()
    for _ in 1 ... freePlans {
      let (world, plan) = try await plan(from: roots) { try makePlan($0, memo) }
      if dryRun, let publication = plan.publication, publication.rollout == nil {
        // What the store would refuse is better known before.
        let keys = publication.resources.map(\.key) + publication.removed
        try await refuseUnderRollout(
          keys.compactMap { if case .binding(_, let id) = $0 { id } else { nil } },
          in: publication
        )
      }
      guard !dryRun, let publication = plan.publication else {
        return Outcome(plan: plan, revision: world.revision, stored: false)
      }
      do {
        let revision = try await store.publish(publication)
        return Outcome(plan: plan, revision: revision, stored: true)
      } catch let error as StoreError where error.isStale {
        continue
      } catch let error as StoreError where error.kind == .taken {
        // Taken since the plan was made: another one says what is taken.
        continue
      }
    }
    // A large plan would lose to small ones for ever.
    for _ in 1 ..< lockedPlans {
      do {
        return try await publishLocking(roots) { try makePlan($0, memo) }
      } catch let error as StoreError where error.kind == .taken {
        // Taken by another tenant, and free again when it was looked at.
        continue
      }
    }
    return try await publishLocking(roots) { try makePlan($0, memo) }
  }

  private func publishLocking(
    _ roots: WorldLoader.Roots,
    _ makePlan: (World) throws -> Plan
  ) async throws -> Outcome {
    var made: (world: World, plan: Plan)?
    let revision: Revision?
    do {
      revision = try await store.publish(
        locking: roots.tenants,
        author: roots.author,
        reason: roots.reason
      ) {
        let (world, plan) = try await plan(from: roots, makePlan)
        made = (world, plan)
        return plan.publication
      }
    } catch let error as StoreError where error.kind == .taken {
      // Another tenant was faster: a plan of now says what is taken, and where it is claimed.
      let (world, plan) = try await plan(from: roots, makePlan)
      guard plan.publication == nil else { throw error }
      return Outcome(plan: plan, revision: world.revision, stored: false)
    }
    guard let made else { throw StoreError.corrupt(what: "a plan") }
    return Outcome(
      plan: made.plan,
      revision: revision ?? made.world.revision,
      stored: revision != nil
    )
  }

  private func plan(
    from roots: WorldLoader.Roots,
    _ makePlan: (World) throws -> Plan
  ) async throws -> (World, Plan) {
    let generation = try compiler?.generation()
    func stamped(_ plan: Plan) -> Plan {
      var plan = plan
      plan.publication?.generation = generation
      return plan
    }
    let loader = WorldLoader(store: store, cache: planner.cache)
    let world = try await loader.world(roots)
    let plan = try makePlan(world)
    guard plan.diagnostics.contains(where: Planner.offersNames) else {
      let isMeant = roots.confirmsEmptying
      return (world, stamped(try await refusingEmptiness(plan, world, isConfirmed: isMeant)))
    }
    // What is said about a missing name offers those that are there: all must be known then.
    var roots = roots
    roots.allNamesOf = roots.tenants
    let whole = try await loader.world(roots)
    return (whole, stamped(try makePlan(whole)))
  }

  static func check(_ expected: [ObjectKey: Int32], in world: World) throws {
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
