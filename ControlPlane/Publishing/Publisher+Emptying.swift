internal import Compiler
internal import Domain
internal import Store

/// A change that would leave a tenant with less than half of its addresses is rather a mistake, of a
/// person or of a program: it needs to be said twice.
extension Publisher {
  /// Losing fewer addresses than this needs no confirmation, however few there are.
  private static let fewest = 2

  /// The plan, with an error in place of what it would store when that empties a tenant.
  func refusingEmptiness(_ plan: Plan, _ world: World, isConfirmed: Bool) async throws -> Plan {
    guard !isConfirmed, let publication = plan.publication, publication.rollout == nil else {
      return plan
    }
    var plan = plan
    for (tenant, change) in Self.changes(publication, world).sorted(by: { $0.key < $1.key })
    where change.lost.count >= Self.fewest {
      let total = try await store.activeRouteCount(of: tenant)
      let after = total - change.lost.count + change.gained.count
      guard after * 2 < total else { continue }
      let slug = world.objects.values.first { $0.key.kind == .tenant && $0.id == tenant.uuid }
      plan.publication = nil
      plan.diagnostics.append(
        Diagnostic(
          code: "CFG_EMPTYING",
          tier: .tenant,
          slug: slug?.key.slug ?? "",
          path: "",
          got: change.lost.sorted().prefix(3).joined(separator: ", "),
          message: "of the tenant's \(total) addresses \(max(0, after)) would be left",
          hint: "look at what goes; if it is meant, --confirm-emptying"
        )
      )
    }
    return plan
  }

  private struct Change {
    var lost: Set<String> = []
    var gained: Set<String> = []
  }

  /// The addresses that come and go, those of bindings that are switched off among them.
  private static func changes(_ publication: Publication, _ world: World) -> [TenantID: Change] {
    var changes: [TenantID: Change] = [:]
    for case .route(let tenant, let channel, let key) in publication.removed {
      changes[tenant, default: Change()].lost.insert("\(channel)/\(key)")
    }
    var off: Set<BindingID> = []
    for case .binding(let binding) in publication.resources
    where !binding.isActive && world.compiled[binding.bindingID]?.isActive == true {
      off.insert(binding.bindingID)
    }
    for route in world.routes where off.contains(route.bindingID) {
      changes[route.tenantID, default: Change()].lost.insert("\(route.channel)/\(route.key)")
    }
    for case .route(let route) in publication.resources where !off.contains(route.bindingID) {
      let name = "\(route.channel)/\(route.key)"
      // One that moves between bindings is not lost.
      if changes[route.tenantID]?.lost.remove(name) == nil {
        changes[route.tenantID, default: Change()].gained.insert(name)
      }
    }
    return changes
  }
}
