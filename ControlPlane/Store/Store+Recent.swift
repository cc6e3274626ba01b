package import Domain
package import Foundation
internal import Logging
internal import Postgres

extension Store {
  /// Everything as of a revision that is a while ago, and the commits since: who starts from that can serve
  /// those that have been away for no longer. Read in one transaction, so that no pruning between its parts
  /// takes away what tells of a deletion.
  ///
  /// - Parameters:
  ///   - revisions: how many revisions to go back at most.
  ///   - changes: how many changed resources to go back at most.
  package func recentSnapshot(
    revisions: Int64 = 2000,
    changes: Int64 = 50_000
  ) async throws -> (incarnation: UUID, base: Commit, recent: [Commit]) {
    try await distribution.withTransaction(isolation: .repeatableRead, readOnly: true) {
      try await self.recentSnapshot(revisions, changes, on: $0)
    }
  }

  private func recentSnapshot(
    _ revisions: Int64,
    _ changes: Int64,
    on connection: PostgresConnection
  ) async throws -> (incarnation: UUID, base: Commit, recent: [Commit]) {
    let (incarnation, whole) = try await Self.fullSnapshot(on: connection)
    let base = try await Self.start(whole.revision, revisions, changes, on: connection)
    guard base < whole.revision else { return (incarnation, whole, []) }
    let limit = Int(whole.revision.value - base.value)
    let recent = try await Self.history(after: base, limit: limit, on: connection).commits
    var touched: Set<ResourceKey> = []
    for commit in recent {
      touched.formUnion(commit.removed)
      touched.formUnion(commit.resources.map(\.key))
    }
    let before = try await Self.resources(
      changedAfter: base,
      through: whole.revision,
      on: connection
    )
    // What is not in the history as it should be is better not gone back to. What no commit touches is the
    // same before and after.
    guard recent.last?.revision == whole.revision,
      Self.replay(recent, on: Self.objects(before))
        == Self.objects(whole.resources.filter { touched.contains($0.key) })
    else {
      logger.warning("the recent history does not lead to the newest revision; it is left out")
      return (incarnation, whole, [])
    }
    // The sections that these name, besides those that the others name.
    let sections = try await Self.sections(of: before, on: connection)
    var resources = whole.resources.filter { resource in
      if case .section = resource { return true }
      return !touched.contains(resource.key)
    }
    let held = Set(resources.map(\.key))
    resources += Self.named(by: before, in: sections).filter { !held.contains($0.key) }
    resources += before
    let named = Self.names(of: resources)
    resources.removeAll { resource in
      if case .section = resource { !named.contains(resource.key) } else { false }
    }
    return (
      incarnation,
      Commit(
        revision: base,
        committedAt: whole.committedAt,
        resources: Self.sorted(resources),
        removed: []
      ),
      recent
    )
  }

  /// The revision to start from.
  private static func start(
    _ newest: Revision,
    _ revisions: Int64,
    _ changes: Int64,
    on connection: PostgresConnection
  ) async throws -> Revision {
    let rows = try await connection.query(
      """
      select c.revision, h.oldest_revision,
        (select count(*) from changelog g where g.commit_id = c.commit_id) as changes
      from commits c, history_retention h
      where c.revision <= \(newest.value) and c.revision > \(newest.value - revisions)
      order by c.revision desc
      """
    )
    var left = changes
    var start = newest
    for row in rows {
      let revision = Revision(try row.decode("revision"))
      left -= try row.decode("changes", as: Int64.self)
      guard revision == start, left >= 0,
        revision.value - 1 >= (try row.decode("oldest_revision", as: Int64.self))
      else { break }
      start = Revision(revision.value - 1)
    }
    return start
  }

  /// What changed between two revisions, in the form that it had before.
  private static func resources(
    changedAfter base: Revision,
    through newest: Revision,
    on connection: PostgresConnection
  ) async throws -> [ConfigResource] {
    let rows = try await connection.query(
      """
      select distinct on (l.tenant_id, l.kind, l.key)
        c.revision, l.tenant_id, l.kind, l.key, l.resource
      from (
        select distinct r.tenant_id, r.kind, r.key
        from changelog r join commits rc on rc.commit_id = r.commit_id
        where rc.revision > \(base.value) and rc.revision <= \(newest.value)
      ) k
      join changelog l on l.tenant_id = k.tenant_id and l.kind = k.kind and l.key = k.key
      join commits c on c.commit_id = l.commit_id
      where c.revision <= \(base.value)
      order by l.tenant_id, l.kind, l.key, c.revision desc, l.ordinal desc
      """
    )
    return try rows.compactMap { row in
      let revision = Revision(try row.decode("revision"))
      guard case .put(let resource) = try ChangelogEntry(row, revision: revision) else {
        return nil
      }
      return resource
    }
  }

  /// The keys that the sections of these bindings and candidates may have.
  static func names(of resources: [ConfigResource]) -> Set<ResourceKey> {
    var named: Set<ResourceKey> = []
    for (digests, tenant) in resources.compactMap(sectionNames) {
      for digest in digests {
        named.insert(.section(tenant, digest))
        named.insert(.section(nil, digest))
      }
    }
    return named
  }

  /// By key, sections left out.
  private static func objects(_ resources: [ConfigResource]) -> [ResourceKey: ConfigResource] {
    var objects: [ResourceKey: ConfigResource] = [:]
    for resource in resources {
      if case .section = resource { continue }
      objects[resource.key] = resource
    }
    return objects
  }

  private static func replay(
    _ commits: [Commit],
    on base: [ResourceKey: ConfigResource]
  ) -> [ResourceKey: ConfigResource] {
    var objects = base
    for commit in commits {
      for key in commit.removed { objects[key] = nil }
      for resource in commit.resources {
        if case .section = resource { continue }
        objects[resource.key] = resource
      }
    }
    return objects
  }
}
