internal import Domain
internal import Foundation
internal import Postgres

/// Both arms of bindings under rollouts: whether a binding is active is changed live, and what its
/// people get stays the rollout's business.
struct RolloutBaselines: Sendable {
  private struct Arms {
    var candidate: Digest
    var baseline: BindingResource
  }

  private var arms: [BindingID: Arms] = [:]

  /// Reads those of some bindings.
  static func query(of bindings: [BindingID]) -> SQL {
    """
    select c.tenant_id, c.binding_id, k.digest as candidate, c.digest, c.content,
      c.section_digests, c.is_active
    from rollout_candidates k
    join compiled_bindings c on c.tenant_id = k.tenant_id and c.binding_id = k.binding_id
    where k.active and k.binding_id = any (\(bindings.map(\.uuid))::uuid[])
    """
  }

  /// - Parameter rows: of `query`.
  init(_ rows: [PostgresRow]) throws {
    for row in rows {
      let id = BindingID(try row.decode("binding_id", as: UUID.self))
      let names = try row.decode("section_digests", as: [String].self)
      let sections = names.compactMap { Digest(hex: $0) }
      guard let candidate = Digest(hex: try row.decode("candidate")),
        let digest = Digest(hex: try row.decode("digest")), sections.count == names.count
      else { throw StoreError.corrupt(what: "compiled binding \(id)") }
      arms[id] = Arms(
        candidate: candidate,
        baseline: BindingResource(
          tenantID: TenantID(try row.decode("tenant_id", as: UUID.self)),
          bindingID: id,
          digest: digest,
          content: try row.decode("content"),
          sectionDigests: sections,
          isActive: try row.decode("is_active")
        )
      )
    }
  }

  /// The bindings that a publication changes in nothing but whether they are active, in the form that
  /// they keep. Compiled with the newest versions of their tiers they are what the candidate is.
  func switched(
    by resources: [ConfigResource],
    removing removed: [ResourceKey]
  ) -> [BindingID: BindingResource] {
    let removesRoutes = removed.contains { if case .route = $0 { true } else { false } }
    if arms.isEmpty || removesRoutes { return [:] }
    var moved: Set<BindingID> = []
    for case .route(let route) in resources { moved.insert(route.bindingID) }
    var switched: [BindingID: BindingResource] = [:]
    for case .binding(let binding) in resources where !moved.contains(binding.bindingID) {
      guard let known = arms[binding.bindingID], known.candidate == binding.digest,
        known.baseline.isActive != binding.isActive
      else { continue }
      var kept = known.baseline
      kept.isActive = binding.isActive
      switched[binding.bindingID] = kept
    }
    return switched
  }

  /// What a publication puts, with the form that switched bindings keep in place of the candidate's,
  /// and without the sections that only that one names.
  func keeping(
    _ resources: [(ordinal: Int, resource: ConfigResource)],
    removing removed: [ResourceKey]
  ) -> [(ordinal: Int, resource: ConfigResource)] {
    let switched = switched(by: resources.map(\.resource), removing: removed)
    if switched.isEmpty { return resources }
    var named: Set<Digest> = []
    var left: Set<Digest> = []
    for case .binding(let binding) in resources.map(\.resource) {
      if switched[binding.bindingID] == nil {
        named.formUnion(binding.sectionDigests)
      } else {
        left.formUnion(binding.sectionDigests)
      }
    }
    left.subtract(named)
    return resources.compactMap { entry -> (ordinal: Int, resource: ConfigResource)? in
      switch entry.resource {
      case .binding(let binding):
        guard let kept = switched[binding.bindingID] else { return entry }
        return (ordinal: entry.ordinal, resource: .binding(kept))
      case .section(let section):
        return left.contains(section.digest) ? nil : entry
      default:
        return entry
      }
    }
  }
}
