package import Domain
package import Foundation

/// Plans a set of documents against the world: a pure function, so that a dry run and the real one
/// agree, and that a plan can be made again when somebody else was faster.
///
/// What it compiles is what the documents name, and what depends on those that change.
package struct Planner: Sendable {
  let compiler: TenantCompiler
  /// Tiers that were compiled before.
  package let cache: TierCache

  /// - Parameter toolAllow: "host:port" that tools may reach without https and on private addresses;
  ///   nil leaves open where they go.
  package init(
    toolAllow: Set<String>? = [],
    tables: ModelTables = PlatformTables.models,
    compilerVersion: Int = PlatformTables.compilerVersion,
    cache: TierCache = TierCache()
  ) {
    compiler = TenantCompiler(
      toolAllow: toolAllow,
      tables: tables,
      compilerVersion: compilerVersion
    )
    self.cache = cache
  }

  /// - Parameter memo: bindings that an earlier plan of the same documents compiled.
  package func plan(
    documents: [AuthoredDocument],
    world: World,
    options: ApplyOptions,
    now: Date,
    mintID: () -> UUID,
    memo: BindingMemo? = nil
  ) -> Plan {
    var work = PlanWork(world: world, options: options)
    for document in documents.sorted(by: { ($0.key, $0.source) < ($1.key, $1.source) }) {
      work.add(document, now: now, mintID: mintID)
    }
    work.prune(now: now)
    let keys = Dictionary(grouping: work.after.keys, by: \.tenant)
    for slug in work.touched.sorted() { compile(slug, keys[slug] ?? [], memo, &work) }
    work.checkTaken()
    return work.finished()
  }

  private func compile(
    _ slug: String,
    _ keys: [ObjectKey],
    _ memo: BindingMemo?,
    _ work: inout PlanWork
  ) {
    guard work.after[ObjectKey(kind: .tenant, tenant: slug, slug: slug)] != nil else {
      for document in work.documents where document.key.tenant == slug && isSlug(slug) {
        work.report(
          "CFG_UNKNOWN_TENANT",
          document,
          "there is no tenant '\(slug)'",
          "write a Tenant document for it"
        )
      }
      return
    }
    do {
      let scope = work.scope(of: slug, keys: keys)
      let new = try TenantCompilation(
        of: TenantObjects(
          slug: slug,
          objects: scope.objects,
          sources: work.sources,
          names: work.names(of: slug, besides: keys),
          settled: scope.settled
        ),
        by: compiler,
        cache: cache,
        memo: memo
      )
      let own = ObjectKey(kind: .tenant, tenant: slug, slug: slug)
      let before = work.world.objects[own].map {
        compiler.tenant($0, in: TenantObjects(slug: slug, objects: [own: $0]))
      }
      work.take(new, try new.compiled(), scope, before: before)
    } catch {
      work.plan.diagnostics.append(
        Diagnostic(
          code: "CFG_TYPE",
          tier: .tenant,
          slug: slug,
          path: "",
          message: "a spec can't be written as JSON: \(error)",
          hint: "use finite numbers"
        )
      )
    }
  }
}

/// A plan in the making.
struct PlanWork {
  let world: World
  let options: ApplyOptions
  var plan = Plan(changes: [], diagnostics: [], publication: nil, recompiled: [])
  /// In their normal form, without those that can't be planned.
  private(set) var documents: [AuthoredDocument] = []
  /// Where each stands.
  private(set) var sources: [ObjectKey: String] = [:]
  /// The world's objects as they would be.
  var after: [ObjectKey: StoredObject]
  var changed: [StoredObject] = []
  var deleted: [StoredObject] = []
  var adopted: [StoredObject] = []
  var made: [CompiledTenant] = []
  var resources: [ConfigResource] = []
  var removed: [ResourceKey] = []

  init(world: World, options: ApplyOptions) {
    self.world = world
    self.options = options
    after = world.objects
  }

  /// What of a tenant may be referred to, by its id.
  func names(of tenant: String, besides keys: [ObjectKey]) -> [ObjectKey: UUID] {
    var names: [ObjectKey: UUID] = [:]
    let gone = Set(deleted.map(\.key))
    for (key, name) in world.names where key.tenant == tenant && !gone.contains(key) {
      names[key] = name.id
    }
    for key in keys { names[key] = after[key]?.id }
    return names
  }

  /// Slugs of the tenants of which something is compiled.
  var touched: Set<String> { Set(documents.map(\.key.tenant) + deleted.map(\.key.tenant)) }

  mutating func add(_ document: AuthoredDocument, now: Date, mintID: () -> UUID) {
    var document = document
    document.spec = SpecForm.normal(document.spec)
    guard sources[document.key] == nil else {
      return report(
        "CFG_DUPLICATE",
        document,
        "\(document.key) is written twice",
        "keep one of them"
      )
    }
    guard isSlug(document.key.slug), isSlug(document.key.tenant),
      document.key.kind != .tenant || document.key.tenant == document.key.slug
    else {
      return report(
        "CFG_BAD_SLUG",
        document,
        "tenant or slug is no slug, or a Tenant's are not the same",
        "use a-z, 0-9 and '-'; a Tenant's tenant is its own slug"
      )
    }
    sources[document.key] = document.source
    documents.append(document)
    let form = Problems(of: document)
    SpecForm.check(document.spec, form)
    plan.diagnostics += form.list
    change(document, now: now, mintID: mintID)
  }

  mutating func report(
    _ code: String,
    _ document: AuthoredDocument,
    _ message: String,
    _ hint: String
  ) {
    plan.diagnostics.append(
      Diagnostic(
        code: code,
        tier: .init(document.key.kind),
        slug: "\(document.key.tenant)/\(document.key.slug)",
        path: "",
        message: message,
        hint: hint,
        source: document.source
      )
    )
  }

  func finished() -> Plan {
    var plan = plan
    plan.changes.sort { $0.key < $1.key }
    guard !plan.diagnostics.contains(where: { $0.level == .error }),
      !(changed.isEmpty && deleted.isEmpty && adopted.isEmpty)
    else { return plan }
    let touched = touched
    var expected = world.objects.filter { touched.contains($0.key.tenant) }.mapValues(\.version)
    for object in changed where expected[object.key] == nil {
      expected[object.key] = world.deleted[object.key]?.version ?? 0
    }
    var owners: [ObjectKey: String] = [:]
    for object in changed + deleted + adopted {
      owners[object.key] = world.objects[object.key]?.source
    }
    let isConfiguration = !(changed.isEmpty && deleted.isEmpty)
    let gone = Set(deleted.map(\.key))
    let named = world.names.filter { key, _ in
      touched.contains(key.tenant) && expected[key] == nil && !gone.contains(key)
    }
    plan.publication = Publication(
      objects: changed,
      deleted: deleted,
      adopted: adopted,
      expected: expected,
      owners: owners,
      seen: Set(world.objects.keys.filter { touched.contains($0.tenant) }),
      named: named.mapValues(\.version),
      resources: isConfiguration ? resources : [],
      removed: isConfiguration ? removed : [],
      author: options.author,
      reason: options.reason
    )
    return plan
  }
}
