package import Domain
package import Foundation
internal import Postgres

extension Store {
  /// Rows that are read at once: the rows of one page are let go of before the next one comes.
  private static let page = 5_000

  /// Everything that nodes hold, as of one revision, and which store this is.
  package func fullSnapshot() async throws -> (incarnation: UUID, commit: Commit) {
    try await distribution.withTransaction(isolation: .repeatableRead, readOnly: true) {
      try await Self.fullSnapshot(on: $0)
    }
  }

  static func fullSnapshot(
    on connection: PostgresConnection
  ) async throws -> (incarnation: UUID, commit: Commit) {
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
    let bindings = try await Self.bindings(on: connection)
    let candidates = try await Self.candidates(on: connection)
    let sections = try await Self.sections(of: bindings + candidates, on: connection)
    resources += Self.named(by: bindings + candidates, in: sections)
    resources += bindings
    try await Self.addRoutes(to: &resources, on: connection)
    resources += candidates
    return (
      incarnation: try line.decode("incarnation"),
      commit: Commit(
        revision: Revision(try line.decode("revision")),
        committedAt: try line.decode("committed_at"),
        resources: resources,
        removed: []
      )
    )
  }

  private static func bindings(on connection: PostgresConnection) async throws -> [ConfigResource] {
    var found: [ConfigResource] = []
    // Tens of thousands of bindings name some thousand sections: each name is kept once.
    var names: [String: Digest] = [:]
    var last = (tenant: UUID.zero, binding: UUID.zero)
    while true {
      let rows = try await connection.query(
        """
        select tenant_id, binding_id, digest, content, section_digests, is_active
        from compiled_bindings
        where (tenant_id, binding_id) > (\(last.tenant), \(last.binding))
        order by tenant_id, binding_id limit \(page)
        """
      )
      for row in rows {
        let binding = try binding(row, &names)
        last = (binding.tenantID.uuid, binding.bindingID.uuid)
        found.append(.binding(binding))
      }
      if rows.count < page { return found }
    }
  }

  private static func addRoutes(
    to resources: inout [ConfigResource],
    on connection: PostgresConnection
  ) async throws {
    var last = (channel: "", key: "")
    while true {
      let rows = try await connection.query(
        """
        select channel, key, tenant_id, binding_id from binding_routes
        where (channel, key) > (\(last.channel), \(last.key))
        order by channel, key limit \(page)
        """
      )
      for row in rows {
        let route = RouteResource(
          channel: try row.decode(0),
          key: try row.decode(1),
          tenantID: TenantID(try row.decode(2, as: UUID.self)),
          bindingID: BindingID(try row.decode(3, as: UUID.self))
        )
        last = (route.channel, route.key)
        resources.append(.route(route))
      }
      if rows.count < page { return }
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

  /// - Parameter names: digests of sections that were read before, by their text.
  private static func binding(
    _ row: PostgresRow,
    _ names: inout [String: Digest]
  ) throws -> BindingResource {
    let id = BindingID(try row.decode(1, as: UUID.self))
    let digests = try row.decode(4, as: [String].self).map { text in
      if let known = names[text] { return known }
      guard let digest = Digest(hex: text) else {
        throw StoreError.corrupt(what: "compiled binding \(id)")
      }
      names[text] = digest
      return digest
    }
    guard let digest = Digest(hex: try row.decode(2)) else {
      throw StoreError.corrupt(what: "compiled binding \(id)")
    }
    return BindingResource(
      tenantID: TenantID(try row.decode(0, as: UUID.self)),
      bindingID: id,
      digest: digest,
      content: try row.decode(3),
      sectionDigests: digests,
      isActive: try row.decode(5)
    )
  }
}

extension UUID {
  /// Before all others.
  fileprivate static var zero: UUID {
    UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
  }
}
