package import Domain
package import Foundation
internal import Logging
internal import Postgres

extension Store {
  /// Everything as of a revision that is a while ago, and the commits since: who starts from that can serve
  /// those that have been away for no longer.
  ///
  /// - Parameters:
  ///   - revisions: how many revisions to go back at most.
  ///   - changes: how many changed resources to go back at most.
  package func recentSnapshot(
    revisions: Int64 = 2000,
    changes: Int64 = 50_000
  ) async throws -> (incarnation: UUID, base: Commit, recent: [Commit]) {
    let (incarnation, whole) = try await fullSnapshot()
    let base = try await start(whole.revision, incarnation, revisions, changes)
    guard base < whole.revision else { return (incarnation, whole, []) }
    var recent: [Commit] = []
    var at = base
    while at < whole.revision {
      let next = try await follow(after: at, limit: 200)
      guard next.incarnation == incarnation, let last = next.commits.last else { break }
      recent += next.commits.filter { $0.revision <= whole.revision }
      at = last.revision
    }
    let before = try await resources(changedAfter: base, through: whole.revision)
    var objects = Self.objects(whole.resources)
    for commit in recent {
      for key in commit.removed + commit.resources.map(\.key) { objects[key] = nil }
    }
    for resource in before { objects[resource.key] = resource }
    // What is not in the history as it should be is better not gone back to.
    guard Self.replay(recent, on: objects) == Self.objects(whole.resources) else {
      logger.warning("the recent history does not lead to the newest revision; it is left out")
      return (incarnation, whole, [])
    }
    let sections = try await distribution.withTransaction(
      isolation: .repeatableRead,
      readOnly: true
    ) { connection in
      try await Self.sections(of: Array(objects.values), on: connection)
    }
    let resources = Array(objects.values)
    return (
      incarnation,
      Commit(
        revision: base,
        committedAt: whole.committedAt,
        resources: Self.sorted(resources + Self.named(by: resources, in: sections)),
        removed: []
      ),
      recent
    )
  }

  /// The revision to start from.
  private func start(
    _ newest: Revision,
    _ incarnation: UUID,
    _ revisions: Int64,
    _ changes: Int64
  ) async throws -> Revision {
    let rows = try await distribution.query(
      """
      select c.revision, h.oldest_revision, l.incarnation,
        (select count(*) from changelog g where g.commit_id = c.commit_id) as changes
      from commits c, history_retention h, revision_line l
      where c.revision <= \(newest.value) and c.revision > \(newest.value - revisions)
      order by c.revision desc
      """
    )
    var left = changes
    var start = newest
    for row in rows {
      let revision = Revision(try row.decode("revision"))
      left -= try row.decode("changes", as: Int64.self)
      guard try row.decode("incarnation", as: UUID.self) == incarnation, revision == start,
        left >= 0, revision.value - 1 >= (try row.decode("oldest_revision", as: Int64.self))
      else { break }
      start = Revision(revision.value - 1)
    }
    return start
  }

  /// What changed between two revisions, in the form that it had before.
  private func resources(
    changedAfter base: Revision,
    through newest: Revision
  ) async throws -> [ConfigResource] {
    let rows = try await distribution.query(
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
      objects.merge(Self.objects(commit.resources)) { $1 }
    }
    return objects
  }
}
