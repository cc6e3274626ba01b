internal import Domain
internal import Foundation
internal import Postgres

/// Whether what a part of a publication was planned against still holds, read under the tenant's lock.
struct PublicationCheck: Sendable {
  private let group: TenantGroup
  private let generation: Int32?
  private let kinds: [ObjectKind]
  /// To be run after the tenant's lock.
  let statements: [SQL]

  /// - Parameter generation: of the compiler, which must be in force; nil goes without.
  init(_ group: TenantGroup, generation: Int32?) {
    self.group = group
    self.generation = generation
    let wanted = Set(group.expected.keys).union(group.named.keys).union(group.owners.keys)
    let slugs = Dictionary(grouping: wanted, by: \.kind).mapValues { $0.map(\.slug).sorted() }
    kinds = ObjectKind.allCases.filter { slugs[$0] != nil }
    // Whoever takes over compiles the tenant again under this lock.
    let newest: [SQL] =
      generation == nil
      ? [] : ["select coalesce(max(generation), 0) as newest from compiler_generations"]
    statements =
      newest + kinds.map { Self.versions(of: $0, slugs[$0] ?? [], in: group.tenantID) }
      + Self.dependents(of: group)
  }

  /// - Parameter results: of the statements.
  /// - Throws: `StoreError.stale`, `.otherOwner`, `.compilerSuperseded`.
  func verify(_ results: ArraySlice<[PostgresRow]>) throws {
    var results = results
    if let generation {
      let newest = try results.popFirst()?.first?.decode("newest", as: Int32.self) ?? 0
      guard newest == generation else { throw StoreError.compilerSuperseded(by: newest) }
    }
    var found: [ObjectKey: Int32] = [:]
    var live: Set<ObjectKey> = []
    var owners: [ObjectKey: String] = [:]
    for kind in kinds {
      for row in results.popFirst() ?? [] {
        let key = ObjectKey(kind: kind, tenant: group.slug, slug: try row.decode("slug"))
        found[key] = try row.decode("version")
        owners[key] = try row.decode("source")
        if try row.decode("live", as: Bool.self) { live.insert(key) }
      }
    }
    // The first of several, whichever the dictionary gives first.
    let stale = group.expected.filter { found[$0.key, default: 0] != $0.value }
    if let (key, expected) = stale.min(by: { $0.key < $1.key }) {
      throw StoreError.stale(key, expected: expected, found: found[key, default: 0])
    }
    let gone = group.named.filter { !live.contains($0.key) }
    if let (key, expected) = gone.min(by: { $0.key < $1.key }) {
      throw StoreError.stale(key, expected: expected, found: found[key, default: 0])
    }
    for row in results.joined() {
      guard let kind = ObjectKind(rawValue: try row.decode("kind")) else { continue }
      let key = ObjectKey(kind: kind, tenant: group.slug, slug: try row.decode("slug"))
      guard group.seen?.contains(key) != false else {
        throw StoreError.stale(key, expected: 0, found: try row.decode("version"))
      }
    }
    let taken = group.owners.filter { owners[$0.key, default: ""] != $0.value }
    if let (key, expected) = taken.min(by: { $0.key < $1.key }) {
      throw StoreError.otherOwner(key, expected: expected, found: owners[key, default: ""])
    }
  }

  private static func versions(
    of kind: ObjectKind,
    _ slugs: [String],
    in tenant: TenantID
  ) -> SQL {
    """
    select object.slug, object.version, object.source, \(Store.isLive(kind)) as live
    from \(unsafeRaw: kind.table) object
    join unnest(\(slugs)::text[]) as k (slug) on k.slug = object.slug
    where object.\(unsafeRaw: kind == .tenant ? "id" : "tenant_id") = \(tenant.uuid)
    """
  }

  /// What depends on the tiers that are written. What came since the plan was made has no version that
  /// could have changed: it shows among these.
  private static func dependents(of group: TenantGroup) -> [SQL] {
    guard group.seen != nil else { return [] }
    var statements: [SQL] = []
    for kind in [ObjectKind.human, .team, .agent] {
      guard let column = kind.bindingColumn else { continue }
      let ids = (group.objects + group.deleted).filter { $0.key.kind == kind }.map(\.id)
      if ids.isEmpty { continue }
      statements.append(
        """
        select 'Binding' as kind, slug, version from agent_bindings
        where tenant_id = \(group.tenantID.uuid) and \(unsafeRaw: column) = any (\(ids)::uuid[])
          and removed_at is null
        """
      )
    }
    let gone = group.deleted.filter { $0.key.kind == .human || $0.key.kind == .team }.map(
      \.key.slug
    )
    if !gone.isEmpty {
      statements.append(
        """
        select 'Team' as kind, slug, version from teams
        where tenant_id = \(group.tenantID.uuid) and removed_at is null
          and \(Store.names(gone.sorted(), in: "spec"))
        """
      )
    }
    return statements
  }
}
