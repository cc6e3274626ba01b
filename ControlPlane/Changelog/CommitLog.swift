internal import DequeModule
package import Domain
package import Foundation

/// Which keys changed at which revision, for as far back as a bound allows. Holds no resources:
/// what a key became is read from the newest state, so that changes coalesce by key.
package struct CommitLog: Sendable {
  package struct Entry: Sendable {
    package var revision: Revision
    package var committedAt: Date
    package var keys: [ResourceKey]

    package init(revision: Revision, committedAt: Date, keys: [ResourceKey]) {
      self.revision = revision
      self.committedAt = committedAt
      self.keys = keys
    }
  }

  private var entries: Deque<Entry> = []
  private var keyCount = 0
  private let keyLimit: Int
  /// The lowest revision that can be resumed from.
  package private(set) var oldest: Revision
  package private(set) var newest: Revision

  /// An empty log at `revision`, that drops its oldest entries beyond `keyLimit` keys.
  package init(at revision: Revision, keyLimit: Int) {
    self.keyLimit = keyLimit
    oldest = revision
    newest = revision
  }

  /// Takes in the entry that follows `newest`.
  package mutating func append(_ entry: Entry) {
    entries.append(entry)
    newest = entry.revision
    keyCount += entry.keys.count + 1
    while keyCount > keyLimit, let dropped = entries.popFirst() {
      keyCount -= dropped.keys.count + 1
      oldest = dropped.revision
    }
  }

  /// When a revision was committed; nil when that was too long ago.
  package func committedAt(_ revision: Revision) -> Date? {
    guard revision > oldest, revision <= newest else { return nil }
    return entries[entries.count - 1 - Int(newest.value - revision.value)].committedAt
  }

  /// How many keys changed at a revision; 0 when that was too long ago.
  func changes(at revision: Revision) -> Int {
    guard revision > oldest, revision <= newest else { return 0 }
    return entries[entries.count - 1 - Int(newest.value - revision.value)].keys.count
  }

  /// The keys that changed after `cursor`, each once; nil when that was too long ago.
  package func keys(after cursor: Revision) -> Set<ResourceKey>? {
    guard cursor >= oldest, cursor <= newest else { return nil }
    let behind = entries.suffix(Int(newest.value - cursor.value))
    var keys = Set(behind.first?.keys ?? [])
    for entry in behind.dropFirst() { keys.formUnion(entry.keys) }
    return keys
  }
}
