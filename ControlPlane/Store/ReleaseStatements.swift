internal import Domain
internal import Foundation
internal import Postgres

/// Lets go of what a publication removes, and of what it moves within the tenant.
struct ReleaseStatements {
  let statements: [SQL]

  init(_ group: TenantGroup) {
    let tenant = group.tenantID.uuid
    var routes: [(channel: String, key: String)] = []
    var bindings: [UUID] = []
    var accounts: [(channel: String, slug: String)] = []
    for (_, key) in group.removed {
      switch key {
      case .route(_, let channel, let key): routes.append((channel, key))
      case .binding(_, let id): bindings.append(id.uuid)
      case .channelAccount(_, let channel, let slug): accounts.append((channel, slug))
      case .tenant, .section, .candidate: break
      }
    }
    var moved: [(channel: String, key: String)] = []
    let written = (group.objects + group.deleted).filter { $0.key.kind == .binding }.map(\.id)
    for (_, resource) in group.resources {
      if case .route(let route) = resource { moved.append((route.channel, route.key)) }
    }
    // What retention waits for: from here to the end no section goes that this publication finds.
    var statements: [SQL] = ["lock table compiled_bindings in row exclusive mode"]
    if !written.isEmpty || !routes.isEmpty {
      statements.append(
        """
        update agent_bindings b set routing_key = null
        where b.tenant_id = \(tenant) and b.routing_key is not null and b.id in (
          select unnest(\(written)::uuid[])
          union
          select r.binding_id from binding_routes r
          join unnest(\(routes.map(\.channel))::text[], \(routes.map(\.key))::text[])
            as k (channel, key) on r.channel = k.channel and r.key = k.key
          where r.tenant_id = \(tenant))
        """
      )
    }
    if !routes.isEmpty {
      statements.append(
        """
        delete from binding_routes r
        using unnest(\(routes.map(\.channel))::text[], \(routes.map(\.key))::text[])
          as k (channel, key)
        where r.tenant_id = \(tenant) and r.channel = k.channel and r.key = k.key
        """
      )
    }
    // What another binding of the tenant had is taken from that one only if it is written, too.
    if !moved.isEmpty, !written.isEmpty {
      statements.append(
        """
        delete from binding_routes r
        using unnest(\(moved.map(\.channel))::text[], \(moved.map(\.key))::text[])
          as k (channel, key)
        where r.tenant_id = \(tenant) and r.channel = k.channel and r.key = k.key
          and r.binding_id = any (\(written)::uuid[])
        """
      )
    }
    if !bindings.isEmpty {
      statements.append(
        """
        delete from compiled_bindings where tenant_id = \(tenant)
          and binding_id = any (\(bindings)::uuid[])
        """
      )
    }
    if !accounts.isEmpty {
      statements.append(
        """
        delete from channel_accounts a
        using unnest(\(accounts.map(\.channel))::text[], \(accounts.map(\.slug))::text[])
          as k (channel, slug)
        where a.tenant_id = \(tenant) and a.channel = k.channel and a.slug = k.slug
        """
      )
    }
    self.statements = statements
  }
}
