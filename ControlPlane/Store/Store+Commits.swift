package import Domain
package import Foundation
internal import Postgres

extension Store {
  /// The commits after `revision`, oldest first, at most `limit`. The sections that a put binding
  /// names are among its commit's resources, before the bindings.
  ///
  /// - Throws: `StoreError.revisionGone` when commits between may have lost a part to the retention:
  ///   only the state as a whole is still there.
  package func commits(after revision: Revision, limit: Int = 100) async throws -> [Commit] {
    let found = try await history(after: revision, limit: limit)
    if let oldest = found.oldest, revision < oldest {
      throw StoreError.revisionGone(revision, oldest: oldest)
    }
    return found.commits
  }

  /// Likewise, and which store they are of; none at all when the retention may have removed a part.
  package func follow(
    after revision: Revision,
    limit: Int = 100
  ) async throws -> (incarnation: UUID, commits: [Commit]) {
    let found = try await history(after: revision, limit: limit)
    if let oldest = found.oldest, revision < oldest { return (found.incarnation, []) }
    return (found.incarnation, found.commits)
  }

  private func history(
    after revision: Revision,
    limit: Int
  ) async throws -> (incarnation: UUID, commits: [Commit], oldest: Revision?) {
    try await distribution.withTransaction(isolation: .repeatableRead, readOnly: true) {
      try await Self.history(after: revision, limit: limit, on: $0)
    }
  }

  static func history(
    after revision: Revision,
    limit: Int,
    on connection: PostgresConnection
  ) async throws -> (incarnation: UUID, commits: [Commit], oldest: Revision?) {
    let rows = try await connection.pipeline([
      "select oldest_revision from history_retention",
      """
      select revision, commit_id, committed_at from commits
      where revision > \(revision.value) order by revision limit \(max(0, limit))
      """,
      """
      select c.revision, l.tenant_id, l.kind, l.key, l.resource
      from (
        select revision, commit_id from commits
        where revision > \(revision.value) order by revision limit \(max(0, limit))
      ) c cross join lateral (
        -- Commit by commit: the planner counts on as many as the limit and would read it all.
        select * from changelog l where l.commit_id = c.commit_id offset 0
      ) l
      order by c.revision, l.ordinal
      """,
      "select incarnation from revision_line",
    ])
    guard let line = rows[3].first else { throw StoreError.corrupt(what: "revision_line") }
    var commits: [Commit] = []
    var places: [Int64: Int] = [:]
    for row in rows[1] {
      let revision = try row.decode("revision", as: Int64.self)
      places[revision] = commits.count
      commits.append(
        Commit(
          revision: Revision(revision),
          committedAt: try row.decode("committed_at"),
          resources: [],
          removed: []
        )
      )
    }
    for row in rows[2] {
      let revision = try row.decode("revision", as: Int64.self)
      guard let place = places[revision] else { continue }
      switch try ChangelogEntry(row, revision: Revision(revision)) {
      case .put(let resource): commits[place].resources.append(resource)
      case .removed(let key): commits[place].removed.append(key)
      }
    }
    let sections = try await Self.sections(
      of: commits.flatMap(\.resources),
      on: connection
    )
    for place in commits.indices {
      commits[place].resources = Self.sorted(
        commits[place].resources + Self.named(by: commits[place].resources, in: sections)
      )
    }
    let oldest = try rows[0].first?.decode("oldest_revision", as: Int64.self)
    return (try line.decode("incarnation"), commits, oldest.map { Revision($0) })
  }

  // MARK: - Sections

  struct SectionName: Hashable {
    let tenantID: TenantID?
    let digest: Digest
  }

  /// The sections that a binding or a candidate names.
  static func sectionNames(_ resource: ConfigResource) -> ([Digest], TenantID)? {
    switch resource {
    case .binding(let it): (it.sectionDigests, it.tenantID)
    case .candidate(let it): (it.sectionDigests, it.tenantID)
    case .tenant, .channelAccount, .section, .route: nil
    }
  }

  static func sections(
    of resources: [ConfigResource],
    on connection: PostgresConnection
  ) async throws -> [SectionName: SectionResource] {
    var digests: Set<Digest> = []
    var tenants: Set<TenantID> = []
    for (named, tenant) in resources.compactMap(sectionNames) {
      digests.formUnion(named)
      tenants.insert(tenant)
    }
    if digests.isEmpty { return [:] }
    let rows = try await connection.query(
      """
      select tenant_id, digest, kind, content from compiled_sections
      where digest = any (\(digests.sorted().map(\.hex))::text[])
        and (tenant_id is null or tenant_id = any (\(tenants.sorted().map(\.uuid))::uuid[]))
      """
    )
    var found: [SectionName: SectionResource] = [:]
    for row in rows {
      guard let digest = Digest(hex: try row.decode("digest")),
        let kind = SectionKind(rawValue: try row.decode("kind"))
      else { throw StoreError.corrupt(what: "a compiled section") }
      let tenant = try row.decode("tenant_id", as: UUID?.self).map { TenantID($0) }
      found[SectionName(tenantID: tenant, digest: digest)] = SectionResource(
        tenantID: tenant,
        digest: digest,
        kind: kind,
        content: try row.decode("content")
      )
    }
    return found
  }

  /// The sections that these bindings name, each once: their tenant's own, or the platform's.
  static func named(
    by resources: [ConfigResource],
    in sections: [SectionName: SectionResource]
  ) -> [ConfigResource] {
    var names: Set<SectionName> = []
    for (named, tenant) in resources.compactMap(sectionNames) {
      for digest in named {
        names.insert(SectionName(tenantID: tenant, digest: digest))
        names.insert(SectionName(tenantID: nil, digest: digest))
      }
    }
    return names.compactMap { sections[$0] }
      .sorted {
        ($0.tenantID?.description ?? "", $0.digest) < ($1.tenantID?.description ?? "", $1.digest)
      }
      .map { .section($0) }
  }

  /// Tenants first, bindings after their sections, candidates last; otherwise as they were.
  static func sorted(_ resources: [ConfigResource]) -> [ConfigResource] {
    func rank(_ resource: ConfigResource) -> Int {
      switch resource {
      case .tenant: 0
      case .channelAccount: 1
      case .section: 2
      case .binding: 3
      case .route: 4
      case .candidate: 5
      }
    }
    return (0 ... 5).flatMap { wanted in resources.filter { rank($0) == wanted } }
  }
}
