internal import DequeModule
package import Domain

/// What all watchers are served from: the newest state and what changed lately.
package struct ChangelogView: Sendable {
  package private(set) var state: ConfigState
  package private(set) var log: CommitLog
  /// The states before the newest, for those that read as of an earlier revision; oldest first.
  private var history: Deque<ConfigState> = []
  /// Changed keys that the states of `history` keep alive.
  private var historyKeys = 0
  /// The newest switch of each tenant, rising by revision.
  private var switches: [TenantSwitch]
  var frames: FrameCache
  /// When the store was last seen to hold nothing newer, by this replica's clock; nil when nobody looks.
  var confirmedAt: ContinuousClock.Instant?
  /// When this replica last said in the store that it is there; nil when nobody asks for that.
  var registeredAt: ContinuousClock.Instant?
  private var changeSets = ChangeSets()

  private static let historyLimit = 256
  private static let historyKeyLimit = 50_000

  /// - Parameter keyLimit: how many changed keys are kept for those that resume.
  package init(_ state: ConfigState, keyLimit: Int = 500_000, frameLimit: Int = 256) {
    self.state = state
    log = CommitLog(at: state.revision, keyLimit: keyLimit)
    switches = state.switches(after: .zero, in: WatchScope(mode: .lazy))
      .sorted { $0.revision < $1.revision }
    frames = FrameCache(limit: frameLimit)
  }

  /// Revision of the newest switch of any tenant.
  package var newestSwitch: Revision { switches.last?.revision ?? .zero }

  /// The switches made after a revision that the scope admits, rising.
  package func switches(after revision: Revision, in scope: WatchScope) -> [TenantSwitch] {
    let count = switches.reversed().prefix { $0.revision > revision }.count
    return switches.suffix(count).filter { scope.admits($0.tenantID) }
  }

  /// The state as of a revision; nil when that is too long ago, or not there yet.
  package func state(at revision: Revision) -> ConfigState? {
    if revision == state.revision { return state }
    guard let oldest = history.first?.revision, revision >= oldest, revision < state.revision
    else { return nil }
    return history[Int(revision.value - oldest.value)]
  }

  /// From when leases count at the latest: not all switches are known, or not all waits know of this
  /// replica's nodes, later than that.
  var leasesFrom: ContinuousClock.Instant? {
    guard let confirmedAt, let registeredAt else { return confirmedAt ?? registeredAt }
    return min(confirmedAt, registeredAt)
  }

  /// What changed after `cursor`; nil when that was too long ago.
  mutating func changes(after cursor: Revision) -> ChangeSet? {
    let log = log
    return changeSets.set(after: cursor) { log.keys(after: cursor) }
  }

  /// Takes in the commit that follows; tells whether it did, which is so unless the commit is
  /// one that was taken in before.
  package mutating func fold(_ commit: Commit) throws(ChangelogError) -> Bool {
    if commit.revision <= state.revision { return false }
    guard commit.revision == state.revision.next else {
      throw .gap(after: state.revision, found: commit.revision)
    }
    let before = state
    let (keys, made) = state.fold(commit)
    changeSets.removeAll()
    log.append(
      CommitLog.Entry(
        revision: commit.revision,
        committedAt: commit.committedAt,
        keys: keys
      )
    )
    keep(before)
    if !made.isEmpty || keys.contains(where: { if case .tenant = $0 { true } else { false } }) {
      let tenants = Set(made.map(\.tenantID))
      switches.removeAll { tenants.contains($0.tenantID) || state[.tenant($0.tenantID)] == nil }
      switches += made.sorted { $0.revision < $1.revision }
    }
    return true
  }

  private mutating func keep(_ before: ConfigState) {
    history.append(before)
    historyKeys += log.changes(at: state.revision)
    while let oldest = history.first,
      history.count > Self.historyLimit || historyKeys > Self.historyKeyLimit
    {
      historyKeys -= log.changes(at: oldest.revision.next)
      history.removeFirst()
    }
    if history.isEmpty { historyKeys = 0 }
  }
}

/// What keeps a commit from being taken in.
package enum ChangelogError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Revisions are gap-free; the follower must start over from a snapshot.
  case gap(after: Revision, found: Revision)
  /// The commits are of another store than what is held.
  case otherStore
  /// Nothing has been read from the store yet.
  case notReady

  package var description: String {
    switch self {
    case .gap(let after, let found): "CHANGELOG_GAP: revision \(found) came after \(after)"
    case .otherStore: "CHANGELOG_OTHER_STORE: the database is another one; starting over"
    case .notReady: "CHANGELOG_NOT_READY: the store has not been read yet; try again shortly"
    }
  }
}
