internal import Domain

/// What changed between two revisions: made once for all watchers that stand alike.
final class ChangeSet: Sendable {
  let keys: Set<ResourceKey>
  /// The bindings among them. One is fetched along with its candidate, so it is another one when that
  /// is.
  let bindings: Set<ResourceKey>

  init(_ keys: Set<ResourceKey>) {
    self.keys = keys
    var bindings: Set<ResourceKey> = []
    for key in keys {
      switch key {
      case .binding: bindings.insert(key)
      case .candidate(let tenant, let id): bindings.insert(.binding(tenant, id))
      case .tenant, .channelAccount, .section, .route: break
      }
    }
    self.bindings = bindings
  }
}

/// The sets made since the newest commit. Most watchers stand at the revision before it, and those that
/// stand further back at one of a few; bounded all the same.
struct ChangeSets: Sendable {
  private static let limit = 64
  private static let keyLimit = 500_000

  private var sets: [Revision: ChangeSet] = [:]
  private var keyCount = 0

  /// - Parameter make: nil when the revision is too long ago.
  mutating func set(
    after cursor: Revision,
    _ make: () -> Set<ResourceKey>?
  ) -> ChangeSet? {
    if let made = sets[cursor] { return made }
    guard let keys = make() else { return nil }
    let made = ChangeSet(keys)
    if sets.count >= Self.limit || keyCount > Self.keyLimit { removeAll() }
    keyCount += keys.count
    sets[cursor] = made
    return made
  }

  mutating func removeAll() {
    sets = [:]
    keyCount = 0
  }
}
