internal import Domain
internal import HashTreeCollections

/// How far a snapshot has been written. It keeps the state that it shows alive.
struct SnapshotPosition: Sendable {
  let state: ConfigState
  let owners: [TenantID?]
  private(set) var number = 0
  private var owner = 0
  private var index: ConfigState.Shelf.Index?

  init(_ state: ConfigState, scope: WatchScope) {
    self.state = state
    owners = state.owners(in: scope)
  }

  /// Takes resources until `accept` has had enough; nil when none is left.
  func taking(_ accept: (ConfigState.Entry) -> Bool) -> SnapshotPosition? {
    var next = self
    next.number += 1
    while next.owner < owners.count {
      let shelf = state.shelves[owners[next.owner]] ?? [:]
      var index = next.index ?? shelf.startIndex
      while index != shelf.endIndex {
        let entry = shelf[index].value
        shelf.formIndex(after: &index)
        if !accept(entry) {
          next.index = index
          return next
        }
      }
      next.owner += 1
      next.index = nil
    }
    return nil
  }
}
