package import Domain
package import Foundation

/// A commit as this process made it, in the form in which `Store.commits` would tell of it.
package struct MadeCommit: Sendable {
  package let commit: Commit
  /// The store that it is of.
  package let incarnation: UUID

  package var revision: Revision { commit.revision }

  /// - Parameters:
  ///   - resources: as they are stored; a tenant that the commit switches has no switch revision yet.
  ///     Sections that no binding of the commit names are left out: nodes get what is named.
  init(
    revision: Revision,
    committedAt: Date,
    incarnation: UUID,
    putting resources: [ConfigResource],
    removing removed: [ResourceKey]
  ) {
    let named = Store.names(of: resources)
    let told = resources.compactMap { resource -> ConfigResource? in
      switch resource {
      case .tenant(var tenant) where tenant.switchRevision == .zero:
        tenant.switchRevision = revision
        return .tenant(tenant)
      case .section: return named.contains(resource.key) ? resource : nil
      default: return resource
      }
    }
    commit = Commit(
      revision: revision,
      committedAt: committedAt,
      resources: Store.sorted(told),
      removed: removed.filter { if case .section = $0 { false } else { true } }
    )
    self.incarnation = incarnation
  }
}
