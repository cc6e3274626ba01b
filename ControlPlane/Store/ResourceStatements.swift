internal import Domain
internal import Foundation
internal import Postgres

/// Writes what nodes hold: sections, compiled bindings, routes and channel accounts of one tenant.
struct ResourceStatements: Sendable {
  let tenantID: TenantID
  /// Of the compiler; 0 when it is not told.
  let generation: Int32
  let commitID: UUID

  /// Compiled bindings of one statement, at most: each is timed for itself.
  private static let chunk = 5_000

  private struct SectionRow: Encodable {
    let tenant: UUID?
    let digest: String
    let kind: String
    let content: String
  }

  private struct RouteRow: Encodable {
    let channel: String
    let key: String
    let binding: UUID
  }

  private struct AccountRow: Encodable {
    let channel: String
    let slug: String
    let number_id: String
    let number: String
    let app_secret: String
    let verify_token: String
    let access_token: String
  }

  /// - Parameter bindings: ids of bindings written by the publication, whose routing_key is to
  ///   follow their routes.
  ///
  /// What the changelog says of compiled bindings is written along with them.
  func statements(
    for resources: [(ordinal: Int, resource: ConfigResource)],
    bindings: [UUID]
  ) throws -> [SQL] {
    var sections: [SectionRow] = []
    var compiled: [(ordinal: Int, binding: BindingResource)] = []
    var routes: [RouteRow] = []
    var accounts: [AccountRow] = []
    for (ordinal, resource) in resources {
      switch resource {
      case .tenant: break
      case .section(let it):
        sections.append(
          SectionRow(
            tenant: it.tenantID?.uuid,
            digest: it.digest.hex,
            kind: it.kind.rawValue,
            content: it.content
          )
        )
      case .binding(let it):
        compiled.append((ordinal, it))
      // Written with its rollout.
      case .candidate: break
      case .route(let it):
        routes.append(RouteRow(channel: it.channel, key: it.key, binding: it.bindingID.uuid))
      case .channelAccount(let it):
        accounts.append(
          AccountRow(
            channel: it.channel,
            slug: it.slug,
            number_id: it.phoneNumberID,
            number: it.displayNumber,
            app_secret: it.appSecretRef,
            verify_token: it.verifyTokenRef,
            access_token: it.accessTokenRef
          )
        )
      }
    }
    var statements: [SQL] = []
    if !sections.isEmpty { statements.append(try write(sections)) }
    for start in stride(from: 0, to: compiled.count, by: Self.chunk) {
      statements += write(Array(compiled[start...].prefix(Self.chunk)))
    }
    if !accounts.isEmpty { statements.append(try write(accounts)) }
    if !routes.isEmpty { statements.append(try write(routes)) }
    let touched = bindings + routes.map(\.binding)
    if !touched.isEmpty { statements += routingKeys(of: Array(Set(touched))) }
    return statements
  }

  /// Statements that write names which only one tenant can have.
  static let shared: Set<String> = ["channel_accounts", "binding_routes"]

  private func write(_ rows: [SectionRow]) throws -> SQL {
    SQL(
      """
      insert into compiled_sections (tenant_id, digest, kind, content)
      select r.tenant, r.digest, r.kind, r.content
      from jsonb_to_recordset(\(try JSONText.encode(rows))::jsonb)
        as r (tenant uuid, digest text, kind text, content text)
      on conflict do nothing
      """,
      name: "compiled_sections"
    )
  }

  /// In columns and not as JSON, and each content once: these are the many rows of a publication. What
  /// the changelog gets is `BindingResource` as `JSONEncoder` would write it. A form that stays is of
  /// the compiler that it was of.
  private func write(_ rows: [(ordinal: Int, binding: BindingResource)]) -> [SQL] {
    let ids = rows.map(\.binding.bindingID.uuid)
    let sections = rows.map { $0.binding.sectionDigests.map(\.hex).joined(separator: " ") }
    return [
      SQL(
        """
        with r as materialized (
          select id, digest, content, string_to_array(names, ' ') as sections, active, ordinal
          from unnest(\(ids)::uuid[], \(rows.map(\.binding.digest.hex))::text[],
            \(rows.map(\.binding.content))::text[], \(sections)::text[],
            \(rows.map(\.binding.isActive))::boolean[], \(rows.map(\.ordinal))::int[])
            as r (id, digest, content, names, active, ordinal)
        ),
        stored as (
          insert into compiled_bindings (tenant_id, binding_id, digest, content, section_digests,
            is_active, generation)
          select \(tenantID.uuid)::uuid, r.id, r.digest, r.content, r.sections, r.active,
            \(generation)::int
          from r
          on conflict (tenant_id, binding_id) do update set digest = excluded.digest,
            content = excluded.content, section_digests = excluded.section_digests,
            is_active = excluded.is_active,
            generation = case when compiled_bindings.digest = excluded.digest
              then least(compiled_bindings.generation, excluded.generation)
              else excluded.generation end
        )
        insert into changelog (commit_id, ordinal, tenant_id, op, kind, key, resource)
        select \(commitID)::uuid, r.ordinal, \(tenantID.uuid)::uuid, 'put', 'binding',
          array[r.id::text], jsonb_build_object('tenantID', \(tenantID.uuid)::uuid, 'bindingID',
            r.id, 'digest', r.digest, 'content', r.content, 'sectionDigests', r.sections,
            'isActive', r.active)
        from r
        """,
        name: "compiled_bindings"
      ),
      SQL(
        """
        delete from compile_failures where tenant_id = \(tenantID.uuid)
          and binding_id = any (\(ids)::uuid[])
        """,
        name: "compile_failures"
      ),
    ]
  }

  private func write(_ rows: [AccountRow]) throws -> SQL {
    SQL(
      """
      insert into channel_accounts (tenant_id, channel, slug, phone_number_id, display_number,
        app_secret_ref, verify_token_ref, access_token_ref)
      select \(tenantID.uuid)::uuid, r.channel, r.slug, r.number_id, r.number, r.app_secret,
        r.verify_token, r.access_token
      from jsonb_to_recordset(\(try JSONText.encode(rows))::jsonb)
        as r (channel text, slug text, number_id text, number text, app_secret text,
          verify_token text, access_token text)
      on conflict (tenant_id, channel, slug) do update set
        phone_number_id = excluded.phone_number_id, display_number = excluded.display_number,
        app_secret_ref = excluded.app_secret_ref, verify_token_ref = excluded.verify_token_ref,
        access_token_ref = excluded.access_token_ref, updated_at = now()
      """,
      name: "channel_accounts"
    )
  }

  private func write(_ rows: [RouteRow]) throws -> SQL {
    SQL(
      """
      insert into binding_routes (channel, key, tenant_id, binding_id)
      select r.channel, r.key, \(tenantID.uuid)::uuid, r.binding
      from jsonb_to_recordset(\(try JSONText.encode(rows))::jsonb)
        as r (channel text, key text, binding uuid)
      """,
      name: "binding_routes"
    )
  }

  /// agent_bindings.routing_key: the WhatsApp number, else the web host. In two steps, because keys
  /// may change hands between bindings.
  private func routingKeys(of bindings: [UUID]) -> [SQL] {
    // The audit's trigger joins what was and what is row by row: few at a time.
    let parts = stride(from: 0, to: bindings.count, by: 1_000).map {
      Array(bindings[$0...].prefix(1_000))
    }
    let releases: [SQL] = parts.map { ids in
      """
      update agent_bindings set routing_key = null
      where tenant_id = \(tenantID.uuid) and id = any (\(ids)::uuid[])
        and routing_key is not null
      """
    }
    let takes: [SQL] = parts.map { ids in
      """
      update agent_bindings b set routing_key = (
        select r.key from binding_routes r
        where r.tenant_id = b.tenant_id and r.binding_id = b.id
        order by r.channel = 'whatsapp' desc, r.key limit 1)
      where b.tenant_id = \(tenantID.uuid) and b.id = any (\(ids)::uuid[])
      """
    }
    return releases + takes
  }
}
