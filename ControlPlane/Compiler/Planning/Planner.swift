internal import Codecs
package import Domain
package import Foundation

/// Plans a set of documents against the world: a pure function, so that a dry run and the real one
/// agree, and that a plan can be made again when somebody else was faster.
package struct Planner: Sendable {
  private let compiler: TenantCompiler

  /// - Parameter toolAllow: "host:port" that tools may reach without https and on private addresses.
  package init(toolAllow: Set<String> = [], tables: ModelTables = PlatformTables.models) {
    compiler = TenantCompiler(toolAllow: toolAllow, tables: tables)
  }

  package func plan(
    documents: [AuthoredDocument],
    world: World,
    author: String,
    reason: String,
    now: Date,
    mintID: () -> UUID
  ) -> Plan {
    var plan = Plan(changes: [], diagnostics: [], publication: nil, recompiled: [])
    let documents = documents.sorted { ($0.key, $0.source) < ($1.key, $1.source) }.map {
      var document = $0
      document.spec = SpecForm.normal(document.spec)
      return document
    }
    var changed: [StoredObject] = []
    var seen: Set<ObjectKey> = []
    for document in documents {
      guard seen.insert(document.key).inserted else {
        plan.diagnostics.append(
          Self.diagnostic(
            "CFG_DUPLICATE",
            document,
            "\(document.key) is written twice",
            "keep one of them"
          )
        )
        continue
      }
      guard isSlug(document.key.slug), isSlug(document.key.tenant),
        document.key.kind != .tenant || document.key.tenant == document.key.slug
      else {
        plan.diagnostics.append(
          Self.diagnostic(
            "CFG_BAD_SLUG",
            document,
            "tenant or slug is no slug, or a Tenant's are not the same",
            "use a-z, 0-9 and '-'; a Tenant's tenant is its own slug"
          )
        )
        continue
      }
      let form = Problems(of: document)
      SpecForm.check(document.spec, form)
      plan.diagnostics += form.list
      let (change, object) = Self.change(document, world: world, now: now, mintID: mintID)
      plan.changes.append(change)
      if let object { changed.append(object) }
    }
    var after = world.objects
    for object in changed { after[object.key] = object }
    let sources = Dictionary(documents.map { ($0.key, $0.source) }, uniquingKeysWith: { a, _ in a })
    var resources: [ConfigResource] = []
    var removed: [ResourceKey] = []
    var made: [CompiledTenant] = []
    for slug in Set(documents.map(\.key.tenant)).sorted() {
      guard after[ObjectKey(kind: .tenant, tenant: slug, slug: slug)] != nil else {
        for document in documents where document.key.tenant == slug && isSlug(slug) {
          plan.diagnostics.append(
            Self.diagnostic(
              "CFG_UNKNOWN_TENANT",
              document,
              "there is no tenant '\(slug)'",
              "write a Tenant document for it"
            )
          )
        }
        continue
      }
      do {
        let old = try compiler.compile(
          TenantObjects(slug: slug, objects: Self.of(slug, world.objects))
        )
        let new = try compiler.compile(
          TenantObjects(slug: slug, objects: Self.of(slug, after), sources: sources)
        )
        // What was stored with a warning needs no new one each time that a neighbour changes.
        plan.diagnostics += new.diagnostics.filter { found in
          found.level == .error || documents.contains { Problems.isAbout($0, found) }
        }
        Self.difference(old, new, &resources, &removed)
        plan.recompiled += new.bindings.keys.sorted().filter {
          new.bindings[$0] != old.bindings[$0]
        }
        made.append(new)
      } catch {
        plan.diagnostics.append(
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
    plan.diagnostics += Self.taken(
      made,
      world: world,
      touched: Set(documents.map(\.key.tenant)),
      sources
    )
    let hasErrors = plan.diagnostics.contains { $0.level == .error }
    guard !hasErrors, !changed.isEmpty else { return plan }
    let touched = Set(documents.map(\.key.tenant))
    var expected = world.objects.filter { touched.contains($0.key.tenant) }.mapValues(\.version)
    for object in changed where expected[object.key] == nil { expected[object.key] = 0 }
    plan.publication = Publication(
      objects: changed,
      expected: expected,
      resources: resources,
      removed: removed,
      author: author,
      reason: reason
    )
    return plan
  }

  private static func change(
    _ document: AuthoredDocument,
    world: World,
    now: Date,
    mintID: () -> UUID
  ) -> (PlannedChange, StoredObject?) {
    guard let stored = world.objects[document.key] else {
      let object = StoredObject(
        key: document.key,
        id: mintID(),
        version: 1,
        spec: document.spec,
        status: document.key.kind == .tenant ? .active : nil,
        updatedAt: now
      )
      return (
        PlannedChange(action: .create, key: document.key, fromVersion: 0, toVersion: 1, fields: []),
        object
      )
    }
    let fields = Compiler.difference(from: stored.spec, to: document.spec)
    guard !fields.isEmpty else {
      return (
        PlannedChange(
          action: .unchanged,
          key: document.key,
          fromVersion: stored.version,
          toVersion: stored.version,
          fields: []
        ), nil
      )
    }
    var object = stored
    object.spec = document.spec
    object.version += 1
    object.updatedAt = now
    return (
      PlannedChange(
        action: .update,
        key: document.key,
        fromVersion: stored.version,
        toVersion: object.version,
        fields: fields
      ), object
    )
  }

  private static func of(
    _ tenant: String,
    _ objects: [ObjectKey: StoredObject]
  ) -> [ObjectKey: StoredObject] {
    objects.filter { $0.key.tenant == tenant }
  }

  /// Puts what is new or other, tenants first and sections before the bindings that name them;
  /// removes what is gone, except sections, which are immutable and may still be pinned.
  private static func difference(
    _ old: CompiledTenant,
    _ new: CompiledTenant,
    _ resources: inout [ConfigResource],
    _ removed: inout [ResourceKey]
  ) {
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
    resources += made.sorted { (rank($0), order($0)) < (rank($1), order($1)) }
    let gone = old.resources.keys.filter { key in
      if case .section = key { return false }
      return new.resources[key] == nil
    }
    removed += gone.sorted { "\($0)" < "\($1)" }
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

  /// Routes and webhook slugs belong to one binding or tenant each, over all tenants.
  private static func taken(
    _ made: [CompiledTenant],
    world: World,
    touched: Set<String>,
    _ sources: [ObjectKey: String]
  ) -> [Diagnostic] {
    let touchedIDs = Set(
      world.objects.values.filter { $0.key.kind == .tenant && touched.contains($0.key.tenant) }
        .map { TenantID($0.id) }
    )
    var routes: [String: BindingID] = [:]
    for route in world.routes where !touchedIDs.contains(route.tenantID) {
      routes["\(route.channel)/\(route.key)"] = route.bindingID
    }
    var owners = world.accountOwners.filter { !touchedIDs.contains($0.value) }
    var diagnostics: [Diagnostic] = []
    for tenant in made {
      for (route, key, path) in tenant.routes {
        let name = "\(route.channel)/\(route.key)"
        // Who has it is no business of another tenant's author.
        if routes[name] != nil {
          diagnostics.append(
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
          diagnostics.append(
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
    return diagnostics
  }

  private static func diagnostic(
    _ code: String,
    _ document: AuthoredDocument,
    _ message: String,
    _ hint: String
  ) -> Diagnostic {
    Diagnostic(
      code: code,
      tier: .init(document.key.kind),
      slug: "\(document.key.tenant)/\(document.key.slug)",
      path: "",
      message: message,
      hint: hint,
      source: document.source
    )
  }
}
