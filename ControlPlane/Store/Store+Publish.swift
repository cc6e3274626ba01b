package import Domain
internal import Foundation
internal import Postgres

extension Store {
  /// Carries out a publication in one transaction, or not at all, and returns its revision.
  ///
  /// The tenants' rows are locked in order of slug, which makes publications over the same tenant
  /// follow each other; then the expected versions are checked; the revision is taken last.
  ///
  /// - Throws: `StoreError.stale` when somebody was faster, `.conflict` when a route, slug or
  ///   webhook name went to somebody else.
  @discardableResult
  package func publish(_ publication: Publication) async throws -> Revision {
    if publication.isEmpty { return try await currentRevision() }
    let (slugs, ids) = Self.tenants(of: publication)
    if let kept = tenantIDs.known(slugs, ids) {
      do {
        return try await publish(publication, of: kept)
      } catch StoreError.unknownTenant {
        // The database was put back to a time before the tenant, or has it under another id. Another
        // publication may have found that out, too.
        tenantIDs.forget()
      }
    }
    return try await publish(publication, of: knownTenants(publication))
  }

  private func publish(
    _ publication: Publication,
    of tenants: [String: TenantID]
  ) async throws -> Revision {
    let groups = try TenantGroup.groups(of: publication, tenants: tenants)
    let writer = PublicationWriter(
      commitID: UUID(),
      author: publication.author,
      reason: publication.reason,
      generation: publication.generation
    )
    let made = try await retryingLostRaces {
      let settings = writer.auditSettings.merging(Self.patience(publication)) { $1 }
      return try await app.withTransaction(settings: settings) {
        try await carryOut(publication, groups, writer, on: $0)
      }
    }
    guard let made else { return try await currentRevision() }
    await announce(made)
    return made.revision
  }

  /// Statements write up to a whole publication: a large one may take longer than others' may.
  private static func patience(_ publication: Publication) -> [String: String] {
    publication.objects.count + publication.resources.count > 2_000
      ? ["statement_timeout": "300000"] : [:]
  }

  /// Keeps other publications of tenants waiting, has one made, which none can be faster than, and
  /// carries it out. A tenant's switches don't wait for what is made.
  ///
  /// - Returns: nil when there is nothing to publish.
  package func publish(
    locking tenants: Set<String>,
    author: String,
    reason: String,
    _ make: () async throws -> Publication?
  ) async throws -> Revision? {
    var writer = PublicationWriter(commitID: UUID(), author: author, reason: reason)
    let made = try await retryingLostRaces { () -> MadeCommit?? in
      let settings = writer.auditSettings.merging(Self.holding) { $1 }
      return try await app.withTransaction(settings: settings) { connection -> MadeCommit?? in
        let known = try await distribution.query(
          """
          select id from tenants where slug = any (\(tenants.sorted())::text[])
          order by slug collate "C"
          """
        )
        for row in known {
          try await writer.lock(TenantID(try row.decode("id", as: UUID.self)), on: connection)
        }
        guard let publication = try await make() else { return .none }
        writer.generation = publication.generation
        let groups = try await TenantGroup.groups(
          of: publication,
          tenants: knownTenants(publication)
        )
        return .some(try await carryOut(publication, groups, writer, on: connection))
      }
    }
    guard let made else { return nil }
    guard let made else { return try await currentRevision() }
    await announce(made)
    return made.revision
  }

  /// - Returns: nil when nothing changes that has a revision.
  private func carryOut(
    _ publication: Publication,
    _ groups: [TenantGroup],
    _ writer: PublicationWriter,
    on connection: PostgresConnection
  ) async throws -> MadeCommit? {
    for group in groups {
      try await writer.lock(group, on: connection)
    }
    // Who owns an object is no configuration: nodes have nothing to learn.
    let last = publication.isConfiguration ? [writer.nextRevision] : []
    var written: [(ordinal: Int, resource: ConfigResource)] = []
    for group in groups.dropLast() {
      written += try await writer.write(group, on: connection).resources
    }
    guard let group = groups.last else { throw StoreError.corrupt(what: "a publication") }
    let (resources, rows) = try await writer.write(group, and: last, on: connection)
    guard publication.isConfiguration else { return nil }
    written += resources
    return try await writer.made(
      rows,
      putting: written,
      removing: publication.removed,
      on: connection
    )
  }

  /// Switches a tenant. Setting the status it has already changes nothing for nodes; a pause of the
  /// tenant's becomes the platform's when the platform pauses it too.
  ///
  /// - Parameter side: Who switches. What the platform has paused or archived it alone changes.
  /// - Returns: the revision of the tenant's last switch, and whether this call made it.
  /// - Throws: `StoreError.unknownTenant`, `.heldByPlatform`.
  @discardableResult
  package func setTenantStatus(
    slug: String,
    status: TenantStatus,
    by side: SwitchSide = .platform,
    author: String,
    reason: String
  ) async throws -> (revision: Revision, changed: Bool) {
    guard let id = try await tenantID(slug: slug) else { throw StoreError.unknownTenant(slug) }
    let writer = PublicationWriter(commitID: UUID(), author: author, reason: reason)
    let result = try await retryingLostRaces {
      try await app.withTransaction(
        settings: writer.auditSettings.merging(Self.settings(for: id)) { $1 }
      ) { connection in
        guard var tenant = try await writer.lockTenant(id, on: connection) else {
          throw StoreError.unknownTenant(slug)
        }
        if tenant.status == status {
          // Held is held the more strongly, never the less.
          if side == .platform, status != .active {
            try await connection.execute(
              """
              update tenants set switched_by = 'platform'
              where id = \(id.uuid) and switched_by <> 'platform'
              """
            )
          }
          return (revision: tenant.switchRevision, made: MadeCommit?.none)
        }
        if side == .tenant, tenant.status != .active {
          // After the lock: a pause of the platform's that came first holds.
          let rows = try await connection.query(
            "select switched_by from tenants where id = \(id.uuid)"
          )
          let holder = try rows.first?.decode("switched_by", as: String.self)
          guard holder == SwitchSide.tenant.rawValue else { throw StoreError.heldByPlatform(slug) }
        }
        tenant.status = status
        tenant.switchRevision = .zero
        try await connection.execute(
          """
          update tenants set status = \(status.rawValue), switched_by = \(side.rawValue),
            switch_commit_id = \(writer.commitID)
          where id = \(id.uuid)
          """
        )
        _ = try await connection.pipeline(
          writer.log([try ResourceRow(put: .tenant(tenant), ordinal: 0)].compactMap { $0 })
        )
        let made = try await writer.takeRevision(
          putting: [(ordinal: 0, resource: .tenant(tenant))],
          removing: [],
          on: connection
        )
        return (revision: made.revision, made: made)
      }
    }
    if let made = result.made { await announce(made) }
    return (result.revision, result.made != nil)
  }

  /// The tenants that a publication is about, by slug or by id.
  private static func tenants(of publication: Publication) -> (Set<String>, Set<TenantID>) {
    let slugs =
      (publication.objects + publication.deleted + publication.adopted).map(\.key.tenant)
      + publication.expected.keys.map(\.tenant)
    let ids =
      publication.resources.compactMap(\.key.tenantID) + publication.removed.compactMap(\.tenantID)
    return (Set(slugs), Set(ids))
  }

  func knownTenants(_ publication: Publication) async throws -> [String: TenantID] {
    let (slugs, ids) = Self.tenants(of: publication)
    let rows = try await distribution.query(
      """
      select slug, id from tenants
      where slug = any (\(slugs.sorted())::text[])
        or id = any (\(ids.sorted().map(\.uuid))::uuid[])
      """
    )
    let pairs = try rows.map { row in
      (try row.decode("slug", as: String.self), TenantID(try row.decode("id", as: UUID.self)))
    }
    let found = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    tenantIDs.keep(found)
    return found
  }

  /// Repeats a transaction that PostgreSQL chose as the loser of a deadlock, and names the
  /// constraint when something was taken in the meantime.
  func retryingLostRaces<T: Sendable>(_ body: () async throws -> T) async throws -> T {
    var attempt = 1
    while true {
      do {
        return try await body()
      } catch let error as PostgresError where error.isRetryable && attempt < 5 {
        attempt += 1
      } catch let error as PostgresError where error.sqlState == "BN024" {
        // Of the trigger that keeps bindings under a rollout as they are.
        let names = (error.constraint ?? "").split(separator: " ").map(String.init)
        throw StoreError.underRollout(
          rollout: names.first ?? "unknown",
          binding: names.dropFirst().first ?? "unknown"
        )
      } catch let error as PostgresError
        where error.sqlState == PostgresError.State.uniqueViolation
      {
        throw StoreError.conflict(constraint: error.constraint ?? error.statement ?? "unknown")
      } catch let error as PostgresError
        where error.sqlState == PostgresError.State.insufficientPrivilege
      {
        // Names that are unique over all tenants: the row that stands in the way is another
        // tenant's, so it cannot be seen.
        if let statement = error.statement, ResourceStatements.shared.contains(statement) {
          throw StoreError.conflict(constraint: statement)
        }
        throw StoreError.foreignRow(statement: error.statement ?? "unnamed")
      }
    }
  }
}

extension Publication {
  fileprivate var isEmpty: Bool { !isConfiguration && adopted.isEmpty }

  fileprivate var isConfiguration: Bool {
    !(objects.isEmpty && deleted.isEmpty && resources.isEmpty && removed.isEmpty)
  }
}

/// The part of a publication that belongs to one tenant.
struct TenantGroup: Sendable {
  let tenantID: TenantID
  let slug: String
  /// Whether the publication creates the tenant.
  let isNew: Bool
  var objects: [StoredObject] = []
  var deleted: [StoredObject] = []
  var adopted: [StoredObject] = []
  var expected: [ObjectKey: Int32] = [:]
  var owners: [ObjectKey: String] = [:]
  var seen: Set<ObjectKey>?
  var named: [ObjectKey: Int32] = [:]
  var rollout: RolloutDraft?
  /// With the place in the whole commit. Platform sections stand in the first group.
  var resources: [(ordinal: Int, resource: ConfigResource)] = []
  var removed: [(ordinal: Int, key: ResourceKey)] = []

  /// In order of slug, the order in which tenants are locked everywhere.
  ///
  /// - Throws: `StoreError.unknownTenant` for a part whose tenant is neither known nor created.
  static func groups(
    of publication: Publication,
    tenants: [String: TenantID]
  ) throws -> [TenantGroup] {
    var groups: [String: TenantGroup] = [:]
    for (slug, id) in tenants { groups[slug] = TenantGroup(tenantID: id, slug: slug, isNew: false) }
    for object in publication.objects where object.key.kind == .tenant {
      let slug = object.key.slug
      if groups[slug] == nil {
        groups[slug] = TenantGroup(tenantID: TenantID(object.id), slug: slug, isNew: true)
      }
    }
    for object in publication.objects {
      guard groups[object.key.tenant] != nil else {
        throw StoreError.unknownTenant(object.key.tenant)
      }
      groups[object.key.tenant]?.objects.append(object)
    }
    for (part, objects) in [
      (\TenantGroup.deleted, publication.deleted), (\.adopted, publication.adopted),
    ] {
      for object in objects {
        guard groups[object.key.tenant] != nil else {
          throw StoreError.unknownTenant(object.key.tenant)
        }
        groups[object.key.tenant]?[keyPath: part].append(object)
      }
    }
    for (key, version) in publication.expected {
      guard groups[key.tenant] != nil else {
        if version == 0 { continue }
        throw StoreError.stale(key, expected: version, found: 0)
      }
      groups[key.tenant]?.expected[key] = version
    }
    if let seen = publication.seen {
      for slug in groups.keys { groups[slug]?.seen = [] }
      for key in seen { groups[key.tenant]?.seen?.insert(key) }
    }
    if let rollout = publication.rollout { groups[rollout.tenant]?.rollout = rollout }
    for (key, version) in publication.named { groups[key.tenant]?.named[key] = version }
    for (key, owner) in publication.owners { groups[key.tenant]?.owners[key] = owner }
    let slugs = Dictionary(
      groups.values.map { ($0.tenantID, $0.slug) },
      uniquingKeysWith: { first, _ in first }
    )
    let first = groups.keys.min() ?? ""
    func slug(of tenant: TenantID?) throws -> String {
      guard let tenant else { return first }
      guard let slug = slugs[tenant] else {
        throw StoreError.unknownTenant(tenant.description)
      }
      return slug
    }
    for (ordinal, key) in publication.removed.enumerated() {
      groups[try slug(of: key.tenantID)]?.removed.append((ordinal, key))
    }
    for (offset, resource) in publication.resources.enumerated() {
      let ordinal = publication.removed.count + offset
      groups[try slug(of: resource.key.tenantID)]?.resources.append((ordinal, resource))
    }
    return groups.values.sorted { $0.slug < $1.slug }
  }
}
