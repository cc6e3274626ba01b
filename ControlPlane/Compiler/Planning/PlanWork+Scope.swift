internal import Domain
internal import Foundation

/// What of a tenant a plan compiles.
struct PlanScope {
  /// What documents name, and what depends on those that change.
  var affected: Set<ObjectKey> = []
  /// With the tiers of the affected bindings.
  var objects: [ObjectKey: StoredObject] = [:]
  /// Tiers that are compiled only for the bindings that use them.
  var settled: Set<ObjectKey> = []
}

extension PlanWork {
  /// - Parameter keys: of the tenant's objects as they would be.
  func scope(of tenant: String, keys: [ObjectKey]) -> PlanScope {
    var scope = PlanScope()
    scope.affected = Set(documents.map(\.key).filter { $0.tenant == tenant && after[$0] != nil })
    var edited = Set((changed + deleted).map(\.key).filter { $0.tenant == tenant })
    // Who names what comes or goes says something else now.
    let names = Set(
      edited.filter { key in
        (key.kind == .human || key.kind == .team)
          && (world.objects[key] == nil) != (after[key] == nil)
      }
      .map(\.slug)
    )
    if !names.isEmpty {
      for key in keys where key.kind == .team && !scope.affected.contains(key) {
        guard let team = after[key],
          !SpecReferences.names(of: team.spec).isDisjoint(with: names)
        else { continue }
        scope.affected.insert(key)
        edited.insert(key)
      }
    }
    let tiers = edited.filter { ![.tenant, .binding].contains($0.kind) }
    for key in keys where key.kind == .binding {
      guard let binding = after[key] else { continue }
      let used = SpecReferences.tiers(of: binding.spec, in: tenant)
      if !scope.affected.contains(key) {
        guard !tiers.isEmpty, used.contains(where: tiers.contains) else { continue }
        scope.affected.insert(key)
      }
      for tier in used { scope.objects[tier] = after[tier] }
    }
    scope.settled = Set(scope.objects.keys).subtracting(scope.affected).subtracting(edited)
    for key in scope.affected { scope.objects[key] = after[key] }
    let own = ObjectKey(kind: .tenant, tenant: tenant, slug: tenant)
    scope.objects[own] = after[own]
    return scope
  }
}
