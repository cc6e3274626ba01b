package import Domain
package import Foundation
package import Wire
internal import WireMapping

/// Why a Fetch can't be answered.
package enum FetchFault: Error, Hashable, Sendable {
  /// This replica has not reached the revision: another one may have, or this one shortly.
  case behind
  /// The revision is of another store than this replica follows.
  case otherStore
  /// The revision is too long ago; the watch brings a newer one.
  case tooOld
}

extension ChangelogHub {
  /// Bindings with the sections that they name, as of a revision that a node stands at; of the newest for
  /// one that holds nothing. What the scope does not admit is absent, whether it exists or not.
  package func fetch(
    _ keys: [ResourceKey],
    at revision: Revision,
    of store: UUID? = nil,
    scope: WatchScope,
    place: NodePlace = NodePlace()
  ) throws(FetchFault) -> Bindery_V1_FetchResponse {
    guard let newest = configuration else { throw .behind }
    guard store == nil || scope.incarnation(of: newest.incarnation) == store else {
      throw .otherStore
    }
    guard newest.revision >= revision else { throw .behind }
    let held = revision == .zero ? newest : configuration(at: revision)
    guard let state = held, state.incarnation == newest.incarnation else { throw .tooOld }
    var response = Bindery_V1_FetchResponse()
    response.revision = state.revision.value
    var sections: Set<ResourceKey> = []
    func add(_ digests: [Digest], of tenant: TenantID) {
      for digest in digests {
        let owned = ResourceKey.section(tenant, digest)
        sections.insert(state[owned] == nil ? .section(nil, digest) : owned)
      }
    }
    let seen = scope.among(state.audiences, at: place)
    for key in keys where scope.admits(key.tenantID) {
      guard case .binding(let binding) = state[key]?.resource else { continue }
      add(binding.sectionDigests, of: binding.tenantID)
      response.changes.put(.binding(binding))
      let other = ResourceKey.candidate(binding.tenantID, binding.bindingID)
      guard case .candidate(let candidate) = state[other]?.resource,
        seen.isAmong(candidate.audience)
      else { continue }
      add(candidate.sectionDigests, of: candidate.tenantID)
      response.changes.put(.candidate(candidate))
    }
    for key in sections {
      if let section = state[key] { response.changes.put(section.resource) }
    }
    return response
  }
}
