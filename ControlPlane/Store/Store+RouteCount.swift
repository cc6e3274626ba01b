package import Domain
internal import Postgres

extension Store {
  /// How many addresses lead to a tenant's bindings that are switched on.
  package func activeRouteCount(of tenant: TenantID) async throws -> Int {
    let rows = try await distribution.query(
      """
      select count(*) as routes from binding_routes r
      join compiled_bindings c on c.tenant_id = r.tenant_id and c.binding_id = r.binding_id
      where r.tenant_id = \(tenant.uuid) and c.is_active
      """
    )
    return Int(try rows.first?.decode("routes", as: Int64.self) ?? 0)
  }
}
