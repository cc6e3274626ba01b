internal import Domain
internal import Foundation

/// A commit as this process made it. It is put together once its transaction is over: other commits wait
/// for that.
struct MadeCommit: Sendable {
  let revision: Revision
  let committedAt: Date
  /// The store that it is of.
  let incarnation: UUID
  /// As they are stored, with their place in the commit; a tenant that the commit switches has no switch
  /// revision yet.
  let resources: [(ordinal: Int, resource: ConfigResource)]
  let removed: [ResourceKey]

  /// In the form in which `Store.commits` would tell of it. Sections that no binding of the commit names
  /// are left out: nodes get what is named.
  var commit: Commit {
    let stored = resources.sorted { $0.ordinal < $1.ordinal }.map(\.resource)
    let named = Store.names(of: stored)
    let told = stored.compactMap { resource -> ConfigResource? in
      switch resource {
      case .tenant(var tenant) where tenant.switchRevision == .zero:
        tenant.switchRevision = revision
        return .tenant(tenant)
      case .section: return named.contains(resource.key) ? resource : nil
      default: return resource
      }
    }
    return Commit(
      revision: revision,
      committedAt: committedAt,
      resources: Store.sorted(told),
      removed: removed.filter { if case .section = $0 { false } else { true } }
    )
  }
}
