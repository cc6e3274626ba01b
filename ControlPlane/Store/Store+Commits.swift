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
    try await distribution.withTransaction(isolation: .repeatableRead, readOnly: true) {
      connection in
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
        ) c join changelog l on l.commit_id = c.commit_id
        order by c.revision, l.ordinal
        """,
      ])
      if let oldest = try rows[0].first?.decode("oldest_revision", as: Int64.self),
        revision.value < oldest
      {
        throw StoreError.revisionGone(revision, oldest: Revision(oldest))
      }
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
      return commits
    }
  }

  /// Everything that nodes hold, as of one revision, and which store this is.
  package func fullSnapshot() async throws -> (incarnation: UUID, commit: Commit) {
    try await distribution.withTransaction(isolation: .repeatableRead, readOnly: true) {
      connection in
      let rows = try await connection.pipeline([
        """
        select l.revision, l.incarnation, coalesce(
          (select committed_at from commits c where c.revision = l.revision), now()
        ) as committed_at
        from revision_line l
        """,
        """
        select t.*, coalesce(c.revision, 0) as switch_revision
        from tenants t left join commits c on c.commit_id = t.switch_commit_id order by t.slug
        """,
        "select * from channel_accounts order by channel, slug",
        "select * from compiled_bindings order by tenant_id, binding_id",
        "select * from binding_routes order by channel, key",
      ])
      guard let line = rows[0].first else { throw StoreError.corrupt(what: "revision_line") }
      var resources: [ConfigResource] = []
      for row in rows[1] {
        let tenant = try PublicationWriter.tenant(
          row,
          switchRevision: Revision(try row.decode("switch_revision"))
        )
        resources.append(.tenant(tenant))
      }
      for row in rows[2] { resources.append(.channelAccount(try Self.account(row))) }
      for row in rows[3] { resources.append(.binding(try Self.binding(row))) }
      for row in rows[4] { resources.append(.route(try Self.route(row))) }
      let sections = try await Self.sections(of: resources, on: connection)
      return (
        incarnation: try line.decode("incarnation"),
        commit: Commit(
          revision: Revision(try line.decode("revision")),
          committedAt: try line.decode("committed_at"),
          resources: Self.sorted(resources + Self.named(by: resources, in: sections)),
          removed: []
        )
      )
    }
  }

  private static func account(_ row: PostgresRow) throws -> ChannelAccountResource {
    ChannelAccountResource(
      tenantID: TenantID(try row.decode("tenant_id", as: UUID.self)),
      channel: try row.decode("channel"),
      slug: try row.decode("slug"),
      phoneNumberID: try row.decode("phone_number_id"),
      displayNumber: try row.decode("display_number"),
      appSecretRef: try row.decode("app_secret_ref"),
      verifyTokenRef: try row.decode("verify_token_ref"),
      accessTokenRef: try row.decode("access_token_ref")
    )
  }

  private static func binding(_ row: PostgresRow) throws -> BindingResource {
    let id = BindingID(try row.decode("binding_id", as: UUID.self))
    let sections = try row.decode("section_digests", as: [String].self)
    let digests = sections.compactMap(Digest.init(hex:))
    guard let digest = Digest(hex: try row.decode("digest")), digests.count == sections.count
    else { throw StoreError.corrupt(what: "compiled binding \(id)") }
    return BindingResource(
      tenantID: TenantID(try row.decode("tenant_id", as: UUID.self)),
      bindingID: id,
      digest: digest,
      content: try row.decode("content"),
      sectionDigests: digests,
      isActive: try row.decode("is_active")
    )
  }

  // MARK: - Sections

  private struct SectionName: Hashable {
    let tenantID: TenantID?
    let digest: Digest
  }

  private static func sections(
    of resources: [ConfigResource],
    on connection: PostgresConnection
  ) async throws -> [SectionName: SectionResource] {
    var digests: Set<Digest> = []
    for case .binding(let binding) in resources { digests.formUnion(binding.sectionDigests) }
    if digests.isEmpty { return [:] }
    let rows = try await connection.query(
      """
      select tenant_id, digest, kind, content from compiled_sections
      where digest = any (\(digests.sorted().map(\.hex))::text[])
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
  private static func named(
    by resources: [ConfigResource],
    in sections: [SectionName: SectionResource]
  ) -> [ConfigResource] {
    var names: Set<SectionName> = []
    for case .binding(let binding) in resources {
      for digest in binding.sectionDigests {
        names.insert(SectionName(tenantID: binding.tenantID, digest: digest))
        names.insert(SectionName(tenantID: nil, digest: digest))
      }
    }
    return names.compactMap { sections[$0] }
      .sorted {
        ($0.tenantID?.description ?? "", $0.digest) < ($1.tenantID?.description ?? "", $1.digest)
      }
      .map { .section($0) }
  }

  /// Tenants first, bindings after their sections, routes last; otherwise as they were.
  private static func sorted(_ resources: [ConfigResource]) -> [ConfigResource] {
    func rank(_ resource: ConfigResource) -> Int {
      switch resource {
      case .tenant: 0
      case .channelAccount: 1
      case .section: 2
      case .binding: 3
      case .route: 4
      }
    }
    return (0 ... 4).flatMap { wanted in resources.filter { rank($0) == wanted } }
  }
}
