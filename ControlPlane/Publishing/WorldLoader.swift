package import Compiler
package import Domain
internal import Foundation
package import Store

/// Reads what a plan depends on: what the documents name, what uses the tiers that they change, and
/// the tiers beside those, which are read only when they are not compiled already.
package struct WorldLoader {
  /// What a plan starts from.
  package struct Roots {
    package var documents: [AuthoredDocument]
    /// Objects whose versions the caller has seen.
    package var expected: Set<ObjectKey> = []
    /// What a source owns, for a plan that deletes what the documents leave out.
    package var owned: (source: String, tenants: Set<String>)?
    /// Tenants of which a diagnostic offers names.
    package var allNamesOf: Set<String> = []
    /// It is meant that a tenant loses most of its addresses.
    package var confirmsEmptying = false
    package var author: String
    package var reason: String

    package init(
      documents: [AuthoredDocument],
      expected: Set<ObjectKey> = [],
      author: String,
      reason: String
    ) {
      self.documents = documents
      self.expected = expected
      self.author = author
      self.reason = reason
    }

    package var tenants: Set<String> {
      Set(documents.map(\.key.tenant)).union(expected.map(\.tenant)).union(owned?.tenants ?? [])
    }
  }

  private let store: Store
  private let cache: TierCache

  package init(store: Store, cache: TierCache) {
    self.store = store
    self.cache = cache
  }

  package func world(_ roots: Roots) async throws -> World {
    try await store.reading { reader in
      var reading = Reading(reader: reader, cache: cache)
      try await reading.readRoots(roots)
      try await reading.readDependents(of: roots)
      try await reading.readTiers(of: roots)
      return reading.world
    }
  }
}

/// One reading in progress.
private struct Reading {
  let reader: WorldReader
  let cache: TierCache
  var world = World(revision: .zero, objects: [:], routes: [], accountOwners: [:])

  private mutating func read(_ request: WorldRequest) async throws {
    let part = try await reader.read(request)
    world.revision = part.revision
    for object in part.objects {
      world.objects[object.key] = object
      world.names[object.key] = nil
    }
    for object in part.deleted { world.deleted[object.key] = object }
    for head in part.heads where world.objects[head.key] == nil {
      // A tier that is compiled already need not be read.
      if var stored = cache.stored(head.id, version: head.version, updatedAt: head.updatedAt),
        request.heads.contains(head.key)
      {
        stored.source = head.source
        world.objects[head.key] = stored
        world.names[head.key] = nil
      } else {
        world.names[head.key] = World.Name(id: head.id, version: head.version)
      }
    }
    world.routes = Array(Set(world.routes).union(part.routes))
    world.accountOwners.merge(part.accountOwners) { $1 }
    world.compiled.merge(part.compiled) { $1 }
  }

  mutating func readRoots(_ roots: WorldLoader.Roots) async throws {
    var request = WorldRequest()
    // What is no slug is not there, and is told with all else that is wrong.
    request.objects = Set(roots.documents.map(\.key)).union(roots.expected)
      .filter { isSlug($0.tenant) && isSlug($0.slug) }
    for tenant in roots.tenants where isSlug(tenant) {
      request.objects.insert(ObjectKey(kind: .tenant, tenant: tenant, slug: tenant))
    }
    request.owned = roots.owned
    request.allNamesOf = roots.allNamesOf
    let claims = Planner.claims(of: roots.documents)
    request.routes = claims.routes
    request.accounts = claims.accounts.filter(isSlug)
    try await read(request)
  }

  /// The bindings that use what changes, and the teams that name what goes, with their bindings.
  mutating func readDependents(of roots: WorldLoader.Roots) async throws {
    let named = Set(roots.documents.map(\.key))
    var request = WorldRequest()
    for document in roots.documents {
      guard let stored = world.objects[document.key], Planner.changes(stored, to: document) else {
        continue
      }
      request.addUsers(of: stored)
    }
    if let owned = roots.owned {
      for (key, object) in world.objects
      where object.source == owned.source && owned.tenants.contains(key.tenant)
        && !named.contains(key)
      {
        request.addUsers(of: object)
        guard key.kind == .human || key.kind == .team else { continue }
        request.teamsNaming[key.tenant, default: []].insert(key.slug)
      }
    }
    guard !request.usersOf.isEmpty else { return }
    let before = Set(world.objects.keys)
    try await read(request)
    var more = WorldRequest()
    for (key, object) in world.objects where key.kind == .team && !before.contains(key) {
      more.addUsers(of: object)
    }
    if !more.usersOf.isEmpty { try await read(more) }
  }

  /// The tiers of all bindings that are compiled, what teams name, and what is stored of bindings.
  mutating func readTiers(of roots: WorldLoader.Roots) async throws {
    let named = Set(roots.documents.map(\.key))
    var request = WorldRequest()
    var teams: [(tenant: String, spec: JSONValue)] = []
    for document in roots.documents {
      let tenant = document.key.tenant
      switch document.key.kind {
      case .binding:
        request.heads.formUnion(SpecReferences.tiers(of: document.spec, in: tenant))
      case .team: teams.append((tenant, document.spec))
      case .tenant, .human, .agent: break
      }
    }
    for (key, object) in world.objects {
      if key.kind == .tenant { request.compiledOf.insert(object.id) }
      if key.kind == .binding { request.compiled.insert(object.id) }
      if named.contains(key) { continue }
      switch key.kind {
      case .binding:
        request.heads.formUnion(SpecReferences.tiers(of: object.spec, in: key.tenant))
      case .team: teams.append((key.tenant, object.spec))
      case .tenant, .human, .agent: break
      }
    }
    for team in teams {
      request.names.formUnion(keys(SpecReferences.names(of: team.spec), in: team.tenant))
    }
    request.heads = request.heads.filter { world.objects[$0] == nil }
    request.names = request.names.filter { world.objects[$0] == nil }
    let isNothing = request.heads.isEmpty && request.names.isEmpty && request.compiled.isEmpty
    if !isNothing { try await read(request) }
    try await readWhole(request.heads)
  }

  /// Tiers that have to be compiled; the ids of the teams that they hand off to stand in them. Those of
  /// the compiled ones, too: what is kept may be dropped before the plan asks for it.
  private mutating func readWhole(_ tiers: Set<ObjectKey>) async throws {
    let unread = tiers.filter { world.names[$0] != nil }
    if !unread.isEmpty {
      var request = WorldRequest()
      request.objects = unread
      try await read(request)
    }
    var more = WorldRequest()
    for key in tiers where key.kind == .team {
      guard let team = world.objects[key] else { continue }
      for slug in SpecReferences.handoffs(of: team.spec) {
        more.names.insert(ObjectKey(kind: .team, tenant: key.tenant, slug: slug))
      }
    }
    more.names = more.names.filter { world.objects[$0] == nil && world.names[$0] == nil }
    if !more.names.isEmpty { try await read(more) }
  }

  private func keys(_ slugs: Set<String>, in tenant: String) -> [ObjectKey] {
    slugs.flatMap { slug in
      [ObjectKind.human, .team].map { ObjectKey(kind: $0, tenant: tenant, slug: slug) }
    }
  }
}

extension WorldRequest {
  fileprivate mutating func addUsers(of object: StoredObject) {
    guard ![.tenant, .binding].contains(object.key.kind) else { return }
    usersOf[object.key.kind, default: []].insert(object.id)
  }
}
