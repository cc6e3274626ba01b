internal import Domain

extension PlanWork {
  /// Takes what a tenant compiles to, before and afterwards.
  mutating func take(_ old: CompiledTenant, _ new: CompiledTenant, of tenant: String) {
    // What was stored with a warning needs no new one each time that a neighbour changes.
    plan.diagnostics += new.diagnostics.filter { found in
      found.level == .error || documents.contains { Problems.isAbout($0, found) }
    }
    put(old, new, of: tenant)
    plan.recompiled += new.bindings.keys.sorted().filter { new.bindings[$0] != old.bindings[$0] }
    made.append(new)
  }

  /// Puts what is new or other, tenants first and sections before the bindings that name them;
  /// removes what is gone, except sections, which are immutable and may still be pinned.
  private mutating func put(_ old: CompiledTenant, _ new: CompiledTenant, of tenant: String) {
    var put = new.resources.filter { old.resources[$0.key] != $0.value }
    // What was compiled by an older compiler may have had other sections: all that the bindings
    // name must be there, and to store one again is no change.
    for case .binding(let binding) in put.values {
      for digest in binding.sectionDigests {
        for key in [ResourceKey.section(binding.tenantID, digest), .section(nil, digest)] {
          if let section = new.resources[key] { put[key] = section }
        }
      }
    }
    let made = put.values.filter { resource in
      // The platform's section is every tenant's, and stands once.
      guard case .section(let section) = resource, section.tenantID == nil else { return true }
      return !resources.contains(resource)
    }
    resources += made.sorted { (Self.rank($0), Self.order($0)) < (Self.rank($1), Self.order($1)) }
    var gone = Set(
      old.resources.keys.filter { key in
        if case .section = key { return false }
        return new.resources[key] == nil
      }
    )
    // What was stored once and does not compile any more is not in `old`, and goes all the same.
    if let id = world.objects[ObjectKey(kind: .tenant, tenant: tenant, slug: tenant)]?.id {
      for route in world.routes where route.tenantID == TenantID(id) {
        let key = ResourceKey.route(route.tenantID, channel: route.channel, key: route.key)
        if new.resources[key] == nil { gone.insert(key) }
      }
      for object in deleted where object.key.kind == .binding && object.key.tenant == tenant {
        gone.insert(.binding(TenantID(id), BindingID(object.id)))
      }
    }
    removed += gone.sorted { "\($0)" < "\($1)" }
  }

  /// Routes and webhook slugs belong to one binding or tenant each, over all tenants.
  mutating func checkTaken() {
    let touched = touched
    let touchedIDs = Set(
      world.objects.values.filter { $0.key.kind == .tenant && touched.contains($0.key.tenant) }
        .map { TenantID($0.id) }
    )
    var routes: [String: BindingID] = [:]
    for route in world.routes where !touchedIDs.contains(route.tenantID) {
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
    }
  }

  private static func order(_ resource: ConfigResource) -> String {
    switch resource {
    case .tenant(let it): it.slug
    case .channelAccount(let it): "\(it.channel)/\(it.slug)"
    case .section(let it): it.digest.hex
    case .binding(let it): it.bindingID.description
    case .route(let it): "\(it.channel)/\(it.key)"
    }
  }
}
