package import Domain

/// A tenant, compiled, and kept so that a change compiles only what depends on it.
///
/// What it says is what compiling the same objects anew says.
package struct TenantCompilation {
  private let compiler: TenantCompiler
  /// Tiers compiled before; those that are settled are taken from it.
  private let cache: TierCache?
  private let memo: BindingMemo?
  private var tenant: TenantObjects
  private var tiers = CompiledTiers()
  private var made: [ObjectKey: CompiledObject] = [:]
  /// Bindings by the tier that they name.
  private var users: [ObjectKey: Set<ObjectKey>] = [:]
  /// Objects that name what is not there.
  private var astray: Set<ObjectKey> = []

  /// What changed objects change in the compiled form.
  package struct Change {
    /// New or other.
    package var put: [ResourceKey: ConfigResource] = [:]
    /// Gone; sections stay, as they may be pinned.
    package var removed: Set<ResourceKey> = []
    /// Objects that were compiled.
    package var compiled: Set<ObjectKey> = []
    /// About these objects.
    package var diagnostics: [Diagnostic] = []
  }

  private static let worthKeeping = 1_000

  /// - Throws: `CanonicalJSONError`, `EncodingError` for a spec with a number that JSON has not.
  package init(
    tenant: String,
    objects: [ObjectKey: StoredObject],
    toolAllow: Set<String> = [],
    tables: ModelTables = PlatformTables.models
  ) throws {
    try self.init(
      of: TenantObjects(slug: tenant, objects: objects),
      by: TenantCompiler(toolAllow: toolAllow, tables: tables)
    )
  }

  init(
    of tenant: TenantObjects,
    by compiler: TenantCompiler,
    cache: TierCache? = nil,
    memo: BindingMemo? = nil
  ) throws {
    self.compiler = compiler
    // What few bindings compile to is made again in less time than it takes to keep it.
    self.memo = tenant.objects.count > Self.worthKeeping ? memo : nil
    self.cache = cache
    self.tenant = tenant
    try compile(Set(tenant.objects.keys))
  }

  /// Puts objects in the place of the old ones, nil for those that are gone.
  ///
  /// - Throws: as `init`; what is kept is of no use then.
  package mutating func apply(_ changes: [ObjectKey: StoredObject?]) throws -> Change {
    var stale = Set(changes.keys)
    var appearing: Set<ObjectKey> = []
    for (key, object) in changes {
      if (tenant.objects[key] == nil) != (object == nil) { appearing.insert(key) }
      tenant.objects[key] = object
    }
    if appearing.contains(where: { $0.kind == .tenant }) {
      stale.formUnion(made.keys)
    } else {
      // A team's section holds the ids of teams, and its members must be there.
      let names = Set(appearing.filter { $0.kind == .human || $0.kind == .team }.map(\.slug))
      if !names.isEmpty {
        for (slug, team) in tiers.teams where Self.mentions(team.spec, names) {
          stale.insert(ObjectKey(kind: .team, tenant: tenant.slug, slug: slug))
        }
      }
      // What is said about a missing name offers those that are there.
      if !appearing.isEmpty { stale.formUnion(astray) }
    }
    stale = stale.reduce(into: stale) { $0.formUnion(users[$1] ?? []) }
    let before = stale.reduce(into: [ResourceKey: ConfigResource]()) { all, key in
      for resource in made[key]?.resources ?? [] { all[resource.key] = resource }
    }
    try compile(stale)
    return change(of: stale, from: before)
  }

  private func change(
    of keys: Set<ObjectKey>,
    from before: [ResourceKey: ConfigResource]
  ) -> Change {
    var change = Change(compiled: keys.filter { made[$0] != nil })
    var told: Set<Diagnostic> = []
    var left = before
    for key in keys.sorted() {
      guard let object = made[key] else { continue }
      for resource in object.resources {
        left[resource.key] = nil
        if before[resource.key] != resource { change.put[resource.key] = resource }
      }
      change.diagnostics += object.clashes.filter { told.insert($0).inserted }
      change.diagnostics += object.diagnostics
    }
    change.removed = Set(left.keys.filter { if case .section = $0 { false } else { true } })
    return change
  }

  private static func mentions(_ team: TeamSpec, _ names: Set<String>) -> Bool {
    team.members.contains(where: names.contains)
      || team.allowedHandoffs.contains(where: names.contains)
      || team.escalation.teams.contains { names.contains($0.name) }
  }

  /// Compiles these objects anew, tiers before the bindings that name them.
  private mutating func compile(_ keys: Set<ObjectKey>) throws {
    for key in keys { forget(key) }
    guard let stored = tenant.find(.tenant, tenant.slug) else { return }
    let id = TenantID(stored.id)
    var bindings: [StoredObject] = []
    for key in keys {
      guard let object = tenant.objects[key] else { continue }
      switch key.kind {
      case .tenant: made[key] = compiler.tenant(object, in: tenant)
      case .human:
        (tiers.humans[key.slug], made[key]) = try cached(object, \.human) {
          try compiler.human(object, id, in: tenant)
        }
      case .team:
        (tiers.teams[key.slug], made[key]) = try cached(object, \.team) {
          try compiler.team(object, id, in: tenant)
        }
      case .agent:
        (tiers.agents[key.slug], made[key]) = try cached(object, \.agent) {
          try compiler.agent(object, id, in: tenant)
        }
      case .binding: bindings.append(object)
      }
    }
    for key in keys where made[key]?.isAstray == true { astray.insert(key) }
    var known: [TierTriple: [Diagnostic]] = [:]
    for object in bindings {
      let compiled =
        try memo?.binding(object, tiers)
        ?? compiler.binding(object, id, tiers, in: tenant, known: &known)
      memo?.keep(object, tiers, compiled)
      made[object.key] = compiled
      if compiled.isAstray { astray.insert(object.key) }
      for tier in compiled.names { users[tier, default: []].insert(object.key) }
    }
  }

  private func cached<Spec: Sendable>(
    _ object: StoredObject,
    _ part: (TierCache.Compiled) -> CompiledTiers.Tier<Spec>?,
    _ make: () throws -> (CompiledTiers.Tier<Spec>, CompiledObject)
  ) throws -> (CompiledTiers.Tier<Spec>, CompiledObject) {
    guard let cache, tenant.settled.contains(object.key) else { return try make() }
    if let found = cache.tier(of: object), let tier = part(found) { return (tier, found.object) }
    let (tier, compiled) = try make()
    cache.keep(tier, compiled)
    return (tier, compiled)
  }

  private mutating func forget(_ key: ObjectKey) {
    guard let old = made.removeValue(forKey: key) else { return }
    astray.remove(key)
    switch key.kind {
    case .tenant: break
    case .human: tiers.humans[key.slug] = nil
    case .team: tiers.teams[key.slug] = nil
    case .agent: tiers.agents[key.slug] = nil
    case .binding: for tier in old.names { users[tier]?.remove(key) }
    }
  }

  /// What an object compiled to.
  subscript(_ key: ObjectKey) -> CompiledObject? { made[key] }

  /// All that nodes need of the tenant.
  ///
  /// - Throws: as `init`.
  package func resources() throws -> [ResourceKey: ConfigResource] { try compiled().resources }

  /// All that is wrong with the tenant.
  ///
  /// - Throws: as `init`.
  package func diagnostics() throws -> [Diagnostic] { try compiled().diagnostics }

  /// The whole, as one value.
  func compiled() throws -> CompiledTenant {
    var result = CompiledTenant(slug: tenant.slug)
    guard tenant.find(.tenant, tenant.slug) != nil else { return result }
    let platform = try compiler.platform()
    result.resources.reserveCapacity(made.count * 2)
    result.resources[.section(nil, platform.digest)] = .section(platform)
    var told: Set<Diagnostic> = []
    for key in made.keys.sorted() {
      guard let object = made[key] else { continue }
      for resource in object.resources { result.resources[resource.key] = resource }
      result.routes += object.routes.map { ($0.route, key, $0.path) }
      result.accounts += object.accounts.map { ($0.account, key, $0.path) }
      result.bindings[key] = object.digest
      // Two tiers clash in every binding that has both: once is enough.
      result.diagnostics += object.clashes.filter { told.insert($0).inserted }
      result.diagnostics += object.diagnostics
    }
    return result
  }
}
