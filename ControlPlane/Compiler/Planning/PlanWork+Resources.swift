internal import Domain
internal import Foundation

extension PlanWork {
  /// Takes what the affected objects of a tenant compile to.
  ///
  /// - Parameter before: what the tenant itself compiled to.
  mutating func take(
    _ new: TenantCompilation,
    _ whole: CompiledTenant,
    _ scope: PlanScope,
    before: CompiledObject?
  ) {
    // What was stored with a warning needs no new one each time that a neighbour changes.
    plan.diagnostics += whole.diagnostics.filter { found in
      found.level == .error || documents.contains { Problems.isAbout($0, found) }
    }
    plan.recompiled += whole.bindings.keys.sorted().filter { key in
      guard scope.affected.contains(key), let id = after[key]?.id else { return false }
      return world.compiled[BindingID(id)]?.digest != whole.bindings[key]
    }
    put(new, whole, scope, before: before)
    made.append(whole)
  }

  /// Puts what is new or other, tenants first and sections before the bindings that name them;
  /// removes what is gone, except sections, which are immutable and may still be pinned.
  private mutating func put(
    _ new: TenantCompilation,
    _ whole: CompiledTenant,
    _ scope: PlanScope,
    before: CompiledObject?
  ) {
    var put: [ResourceKey: ConfigResource] = [:]
    var gone: Set<ResourceKey> = []
    var routes: Set<ResourceKey> = []
    let edited = Set(changed.map(\.key))
    let had = Set(world.routes)
    for key in scope.affected {
      guard let object = new[key] else { continue }
      for resource in object.resources {
        switch resource {
        case .tenant, .channelAccount:
          if before?.resources.contains(resource) != true { put[resource.key] = resource }
        case .section: if edited.contains(key) { put[resource.key] = resource }
        case .binding(let binding):
          let stored = world.compiled[binding.bindingID]
          guard stored != World.CompiledForm(binding) else { continue }
          put[resource.key] = resource
          put.merge(whole.sections(of: binding, besides: stored)) { $1 }
        case .route(let route):
          routes.insert(resource.key)
          if !had.contains(route) { put[resource.key] = resource }
        // A plan for a rollout is turned into candidates later.
        case .candidate: break
        }
      }
      if key.kind == .tenant {
        gone.formUnion(before?.resources.map(\.key) ?? [])
        gone.subtract(object.resources.map(\.key))
      }
    }
    let made = put.values.filter { resource in
      // The platform's section is every tenant's, and stands once.
      guard case .section(let section) = resource, section.tenantID == nil else { return true }
      return !resources.contains(resource)
    }
    resources += made.map { (rank: Self.rank($0), order: Self.order($0), resource: $0) }
      .sorted { ($0.rank, $0.order) < ($1.rank, $1.order) }.map(\.resource)
    gone.formUnion(removals(of: whole.slug, scope, keeping: routes))
    removed += gone.sorted { "\($0)" < "\($1)" }
  }

  /// The bindings that are deleted, and the routes that they and the affected ones had.
  private func removals(
    of tenant: String,
    _ scope: PlanScope,
    keeping routes: Set<ResourceKey>
  ) -> [ResourceKey] {
    guard let id = after[ObjectKey(kind: .tenant, tenant: tenant, slug: tenant)]?.id else {
      return []
    }
    let deleted = deleted.filter { $0.key.kind == .binding && $0.key.tenant == tenant }
      .map { BindingID($0.id) }
    let affected = scope.affected.filter { $0.kind == .binding }
      .compactMap { after[$0].map { BindingID($0.id) } }
    let handled = Set(deleted + affected)
    let gone = world.routes.filter { handled.contains($0.bindingID) }
      .map { ResourceKey.route($0.tenantID, channel: $0.channel, key: $0.key) }
    return gone.filter { !routes.contains($0) } + deleted.map { .binding(TenantID(id), $0) }
  }

  /// Routes and webhook slugs belong to one binding or tenant each, over all tenants.
  mutating func checkTaken() {
    let touched = touched
    let touchedIDs = Set(
      after.values.filter { $0.key.kind == .tenant && touched.contains($0.key.tenant) }
        .map { TenantID($0.id) }
    )
    var handled = Set(deleted.filter { $0.key.kind == .binding }.map { BindingID($0.id) })
    for tenant in made { handled.formUnion(tenant.routes.map(\.route.bindingID)) }
    handled.formUnion(changed.filter { $0.key.kind == .binding }.map { BindingID($0.id) })
    var routes: [String: BindingID] = [:]
    for route in world.routes where !handled.contains(route.bindingID) {
      routes["\(route.channel)/\(route.key)"] = route.bindingID
    }
    var owners = world.accountOwners.filter { !touchedIDs.contains($0.value) }
    for tenant in made {
      for (route, key, path) in tenant.routes {
        let name = "\(route.channel)/\(route.key)"
        // Who has it is no business of another tenant's author.
        if routes[name] != nil {
          plan.diagnostics.append(
            Diagnostic(
              code: "BND_ROUTE_TAKEN",
              tier: .binding,
              slug: "\(key.tenant)/\(key.slug)",
              path: path,
              got: route.key,
              message: "the route belongs to another binding",
              hint: "take it out there first, or use another",
              source: sources[key] ?? ""
            )
          )
        } else {
          routes[name] = route.bindingID
        }
      }
      for (account, key, path) in tenant.accounts {
        if owners[account.slug] != nil {
          plan.diagnostics.append(
            Diagnostic(
              code: "TEN_ACCOUNT_TAKEN",
              tier: .tenant,
              slug: "\(key.tenant)/\(key.slug)",
              path: path,
              got: account.slug,
              message: "the account's slug is taken",
              hint: "use another slug",
              source: sources[key] ?? ""
            )
          )
        } else {
          owners[account.slug] = account.tenantID
        }
      }
    }
  }

  private static func rank(_ resource: ConfigResource) -> Int {
    switch resource {
    case .tenant: 0
    case .channelAccount: 1
    case .section: 2
    case .binding: 3
    case .route: 4
    case .candidate: 5
    }
  }

  private static func order(_ resource: ConfigResource) -> String {
    switch resource {
    case .tenant(let it): it.slug
    case .channelAccount(let it): "\(it.channel)/\(it.slug)"
    case .section(let it): it.digest.hex
    case .binding(let it): it.bindingID.description
    case .route(let it): "\(it.channel)/\(it.key)"
    case .candidate(let it): it.bindingID.description
    }
  }
}
