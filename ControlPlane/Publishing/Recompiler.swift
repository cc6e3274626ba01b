package import Compiler
internal import Domain
internal import Foundation
package import Logging
package import Store

/// Keeps stored bindings compiled with what is in force: after a new compiler or other tables of models
/// and prices, what differs is published; what does not compile any more keeps what it has.
package struct Recompiler: Sendable {
  private let store: Store
  private let planner: Planner
  private let status: CompilerStatus
  private let logger: Logger
  private let patience: Duration
  /// Bindings of one revision, at most.
  private let chunk: Int

  /// - Parameters:
  ///   - patience: for how long the tables of replicas that are gone stay in force; those that run
  ///     say so three times as often.
  ///   - chunk: bindings of one revision, at most.
  package init(
    store: Store,
    planner: Planner,
    status: CompilerStatus,
    logger: Logger,
    patience: Duration = .seconds(60),
    chunk: Int = 500
  ) {
    self.store = store
    self.planner = planner
    self.status = status
    self.logger = logger
    self.patience = patience
    self.chunk = chunk
  }

  /// Says with what this replica compiles; before that it publishes nothing.
  package func claim() async throws {
    let (fingerprint, version, alias, price) = try planner.identity()
    let identity = CompilerIdentity(
      compilerVersion: version,
      fingerprint: fingerprint,
      aliasTable: alias,
      priceTable: price
    )
    let claim = try await store.claim(identity, patience: patience)
    if case .superseded(let newest) = claim, status.claim != claim {
      logger.warning(
        "another compiler, or other model tables, are in force: this replica publishes no bindings",
        metadata: ["generation": "\(newest)"]
      )
    }
    status.set(claim)
    status.set(failures: try await store.compileFailureCount())
  }

  /// Goes on until cancelled; what fails is tried again.
  package func run() async throws {
    while true {
      do {
        try await claim()
        try await recompile()
      } catch let error where !(error is CancellationError) && !Task.isCancelled {
        logger.warning("bindings not recompiled", metadata: ["error": "\(error)"])
      }
      try await Task.sleep(for: patience / 3)
    }
  }

  /// Compiles what is of an older generation, if this replica's is in force and no other is at it.
  ///
  /// - Returns: whether every binding was seen to.
  @discardableResult
  package func recompile() async throws -> Bool {
    guard case .inForce(let generation, let isFinished) = status.claim else { return false }
    if isFinished { return true }
    let done = try await store.recompiling {
      for tenant in try await store.tenants() {
        try await recompile(tenant.slug, tenant.id, generation)
      }
      try await store.finish(generation: generation)
      return true
    }
    guard done == true else { return false }
    status.set(.inForce(generation: generation, isFinished: true))
    status.set(failures: try await store.compileFailureCount())
    return true
  }

  private func recompile(_ slug: String, _ tenant: TenantID, _ generation: Int32) async throws {
    let (_, version, alias, price) = try planner.identity()
    var size = chunk
    while true {
      try Task.checkCancellation()
      let slugs = try await store.outdated(before: generation, tenant: tenant, limit: size)
      if slugs.isEmpty { return }
      do {
        try await recompile(
          slugs.map { ObjectKey(kind: .binding, tenant: slug, slug: $0) },
          tenant,
          generation,
          reason: "compiler \(version), models \(alias), prices \(price)"
        )
        size = min(chunk, size * 2)
      } catch let error as StoreError where error.isStale {
        // Fewer at once are less likely to change meanwhile.
        size = max(1, size / 2)
      }
    }
  }

  private func recompile(
    _ keys: [ObjectKey],
    _ tenant: TenantID,
    _ generation: Int32,
    reason: String
  ) async throws {
    guard let slug = keys.first?.tenant else { return }
    let roots = WorldLoader.Roots(
      documents: [],
      expected: Set(keys),
      author: "system",
      reason: reason
    )
    let world = try await WorldLoader(store: store, cache: planner.cache).world(roots)
    let made = try planner.recompile(world, tenant: slug)
    let publication = Publication(
      objects: [],
      expected: world.objects.mapValues(\.version),
      named: world.names.mapValues(\.version),
      resources: made.resources,
      removed: [],
      author: roots.author,
      reason: reason,
      generation: generation
    )
    let revision = try await store.publishRecompiled(
      publication,
      of: tenant,
      same: made.same,
      failed: made.failed
    )
    let count = keys.count - made.same.count - made.failed.count
    status.addRecompiled(count)
    if let revision {
      logger.notice(
        "bindings recompiled",
        metadata: [
          "tenant": "\(slug)", "bindings": "\(count)", "revision": "\(revision)",
          "reason": "\(reason)",
        ]
      )
    }
    report(made.failed, world)
  }

  private func report(_ failed: [UUID: [Diagnostic]], _ world: World) {
    for (key, object) in world.objects.sorted(by: { $0.key < $1.key }) {
      guard let faults = failed[object.id] else { continue }
      logger.warning(
        "a binding does not compile any more and keeps its last form",
        metadata: [
          "binding": "\(key.tenant)/\(key.slug)",
          "faults": "\(faults.prefix(5).map { "\($0.code) \($0.slug)\($0.path)" })",
        ]
      )
    }
  }
}
