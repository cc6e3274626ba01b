package import Domain
package import Foundation
internal import Postgres

/// What to read for a plan, all in one round trip.
package struct WorldRequest: Sendable {
  /// With what they say; deleted ones, too.
  package var objects: Set<ObjectKey> = []
  /// Everything that a source owns in these tenants.
  package var owned: (source: String, tenants: Set<String>)?
  /// The bindings that use these tiers, by the tiers' ids.
  package var usersOf: [ObjectKind: Set<UUID>] = [:]
  /// The teams in whose specs one of these texts stands.
  package var teamsNaming: [String: Set<String>] = [:]
  /// Tiers without what they say.
  package var heads: Set<ObjectKey> = []
  package var names: Set<ObjectKey> = []
  /// Tenants of which all humans, teams and agents are named.
  package var allNamesOf: Set<String> = []
  /// "channel/key", whosever they are.
  package var routes: Set<String> = []
  /// Webhook slugs, whosever they are.
  package var accounts: Set<String> = []
  /// Bindings of which the routes and the stored compiled forms are wanted.
  package var compiled: Set<UUID> = []
  /// The tenants of those bindings.
  package var compiledOf: Set<UUID> = []

  package init() {}
}

/// What was read for a plan.
package struct WorldPart: Sendable {
  /// A tier without what it says.
  package struct Head: Sendable {
    package var key: ObjectKey
    package var id: UUID
    package var version: Int32
    package var updatedAt: Date
    /// Who owns it may be another one without a new version.
    package var source: String
  }

  package var revision = Revision.zero
  package var objects: [StoredObject] = []
  package var deleted: [StoredObject] = []
  package var heads: [Head] = []
  package var routes: [RouteResource] = []
  package var accountOwners: [String: TenantID] = [:]
  package var compiled: [BindingID: World.CompiledForm] = [:]
}

extension Store {
  /// Reads for a plan, as of one moment.
  package func reading<T: Sendable>(_ body: (WorldReader) async throws -> T) async throws -> T {
    try await distribution.withTransaction(isolation: .repeatableRead, readOnly: true) {
      try await body(WorldReader(connection: $0))
    }
  }
}

/// Reads parts of the configuration as of one moment.
package struct WorldReader: Sendable {
  let connection: PostgresConnection

  private enum Kind {
    case objects
    case heads
    case routes
    case accounts
    case compiled
  }

  package func read(_ request: WorldRequest) async throws -> WorldPart {
    var statements: [SQL] = ["select revision from revision_line"]
    var kinds: [Kind] = []
    func add(_ kind: Kind, _ sql: SQL) {
      kinds.append(kind)
      statements.append(sql)
    }
    for sql in objects(request) { add(.objects, sql) }
    for sql in heads(request) { add(.heads, sql) }
    if !request.routes.isEmpty {
      let names = request.routes.sorted().map { $0.split(separator: "/", maxSplits: 1) }
      let pairs = names.filter { $0.count == 2 }.map { (String($0[0]), String($0[1])) }
      add(
        .routes,
        """
        select r.channel, r.key, r.tenant_id, r.binding_id
        from unnest(\(pairs.map(\.0))::text[], \(pairs.map(\.1))::text[]) as k (channel, key)
        join binding_routes r on r.channel = k.channel and r.key = k.key
        """
      )
    }
    if !request.accounts.isEmpty {
      add(
        .accounts,
        """
        select slug, tenant_id from channel_accounts
        where slug = any (\(request.accounts.sorted())::text[])
        """
      )
    }
    if !request.compiled.isEmpty {
      let (ids, tenants) = (Array(request.compiled), Array(request.compiledOf))
      add(
        .routes,
        """
        select r.channel, r.key, r.tenant_id, r.binding_id from binding_routes r
        where r.tenant_id = any (\(tenants)::uuid[]) and r.binding_id = any (\(ids)::uuid[])
        """
      )
      add(
        .compiled,
        """
        select c.binding_id, c.digest, c.is_active, c.section_digests from compiled_bindings c
        where c.tenant_id = any (\(tenants)::uuid[]) and c.binding_id = any (\(ids)::uuid[])
        """
      )
    }
    let results = try await connection.pipeline(statements)
    guard let line = results.first?.first else { throw StoreError.corrupt(what: "revision_line") }
    var part = WorldPart()
    part.revision = Revision(try line.decode("revision"))
    for (kind, rows) in zip(kinds, results.dropFirst()) { try Self.add(rows, kind, to: &part) }
    return part
  }

  private static func add(_ rows: [PostgresRow], _ kind: Kind, to part: inout WorldPart) throws {
    switch kind {
    case .objects:
      for row in rows {
        let object = try Store.object(row)
        if try row.decode("deleted", as: Bool.self) {
          part.deleted.append(object)
        } else {
          part.objects.append(object)
        }
      }
    case .heads:
      for row in rows {
        let name = try row.decode("kind", as: String.self)
        guard let kind = ObjectKind(rawValue: name) else { throw StoreError.corrupt(what: name) }
        let key = ObjectKey(
          kind: kind,
          tenant: try row.decode("tenant"),
          slug: try row.decode("slug")
        )
        part.heads.append(
          WorldPart.Head(
            key: key,
            id: try row.decode("id"),
            version: try row.decode("version"),
            updatedAt: try row.decode("updated_at"),
            source: try row.decode("source")
          )
        )
      }
    case .routes: part.routes += try rows.map(Store.route)
    case .accounts:
      for row in rows {
        part.accountOwners[try row.decode("slug")] = TenantID(
          try row.decode("tenant_id", as: UUID.self)
        )
      }
    case .compiled:
      for row in rows {
        let id = BindingID(try row.decode("binding_id", as: UUID.self))
        let sections = try row.decode("section_digests", as: [String].self)
        let digests = sections.compactMap(Digest.init(hex:))
        guard let digest = Digest(hex: try row.decode("digest")), digests.count == sections.count
        else { throw StoreError.corrupt(what: "compiled binding \(id)") }
        part.compiled[id] = World.CompiledForm(
          digest: digest,
          isActive: try row.decode("is_active"),
          sections: Set(digests)
        )
      }
    }
  }

  private func objects(_ request: WorldRequest) -> [SQL] {
    var statements: [SQL] = []
    for kind in ObjectKind.allCases {
      let keys = request.objects.filter { $0.kind == kind }.sorted()
      if !keys.isEmpty {
        statements.append(
          """
          \(Store.objects(of: kind))
          join unnest(\(keys.map(\.tenant))::text[], \(keys.map(\.slug))::text[])
            as k (tenant, slug) on k.tenant = tenant.slug and k.slug = object.slug
          """
        )
      }
      if let owned = request.owned {
        statements.append(
          """
          \(Store.objects(of: kind))
          where tenant.slug = any (\(owned.tenants.sorted())::text[])
            and object.source = \(owned.source) and \(Store.isLive(kind))
          """
        )
      }
      guard let ids = request.usersOf[kind].map(Array.init), !ids.isEmpty,
        let column = kind.bindingColumn
      else { continue }
      statements.append(
        """
        \(Store.objects(of: .binding))
        join \(unsafeRaw: kind.table) tier
          on tier.tenant_id = object.tenant_id and tier.id = object.\(unsafeRaw: column)
        where tier.id = any (\(ids)::uuid[]) and object.removed_at is null
        """
      )
    }
    for (tenant, names) in request.teamsNaming.sorted(by: { $0.key < $1.key }) {
      statements.append(
        """
        \(Store.objects(of: .team))
        where tenant.slug = \(tenant) and object.removed_at is null
          and \(Store.names(names.sorted(), in: "object.spec"))
        """
      )
    }
    return statements
  }

  private func heads(_ request: WorldRequest) -> [SQL] {
    let wanted = request.heads.union(request.names)
    var statements: [SQL] = []
    for kind in [ObjectKind.human, .team, .agent] {
      let select: SQL = """
        select \(kind.rawValue)::text as kind, tenant.slug as tenant, object.slug as slug,
          object.id as id, object.version as version, object.updated_at as updated_at,
          object.source as source
        from \(unsafeRaw: kind.table) object join tenants tenant on tenant.id = object.tenant_id
        """
      let keys = wanted.filter { $0.kind == kind }.sorted()
      if !keys.isEmpty {
        statements.append(
          """
          \(select)
          join unnest(\(keys.map(\.tenant))::text[], \(keys.map(\.slug))::text[])
            as k (tenant, slug) on k.tenant = tenant.slug and k.slug = object.slug
          where object.removed_at is null
          """
        )
      }
      if !request.allNamesOf.isEmpty {
        statements.append(
          """
          \(select)
          where tenant.slug = any (\(request.allNamesOf.sorted())::text[])
            and object.removed_at is null
          """
        )
      }
    }
    return statements
  }
}

extension Store {
  /// Whether one of these texts stands anywhere in a spec.
  static func names(_ names: [String], in column: SQL) -> SQL {
    """
    exists (
      select from jsonb_path_query(\(column), '$.** ? (@.type() == "string" || @.type() == "number")') as t (text)
      where t.text #>> '{}' = any (\(names)::text[]))
    """
  }
}

extension ObjectKind {
  /// The column in which a binding refers to a tier of this kind.
  var bindingColumn: String? {
    switch self {
    case .human: "human_id"
    case .team: "team_id"
    case .agent: "agent_id"
    case .tenant, .binding: nil
    }
  }
}
