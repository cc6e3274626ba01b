package import Domain

/// What all watchers are served from: the newest state and what changed lately.
package struct ChangelogView: Sendable {
  package private(set) var state: ConfigState
  package private(set) var log: CommitLog
  /// Revision of the newest switch of any tenant.
  package private(set) var newestSwitch: Revision
  var frames: FrameCache

  /// - Parameter keyLimit: how many changed keys are kept for those that resume.
  package init(_ state: ConfigState, keyLimit: Int = 500_000, frameLimit: Int = 256) {
    self.state = state
    log = CommitLog(at: state.revision, keyLimit: keyLimit)
    let switches = state.switches(after: .zero, in: WatchScope(mode: .lazy))
    newestSwitch = switches.map(\.revision).max() ?? .zero
    frames = FrameCache(limit: frameLimit)
  }

  /// Takes in the commit that follows; tells whether it did, which is so unless the commit is
  /// one that was taken in before.
  package mutating func fold(_ commit: Commit) throws(ChangelogError) -> Bool {
    if commit.revision <= state.revision { return false }
    guard commit.revision == state.revision.next else {
      throw .gap(after: state.revision, found: commit.revision)
    }
    let (keys, switches) = state.fold(commit)
    log.append(
      CommitLog.Entry(
        revision: commit.revision,
        committedAt: commit.committedAt,
        keys: keys
      )
    )
    newestSwitch = switches.reduce(newestSwitch) { max($0, $1.revision) }
    return true
  }
}

/// What keeps a commit from being taken in.
package enum ChangelogError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Revisions are gap-free; the follower must start over from a snapshot.
  case gap(after: Revision, found: Revision)
  /// Nothing has been read from the store yet.
  case notReady

  package var description: String {
    switch self {
    case .gap(let after, let found): "CHANGELOG_GAP: revision \(found) came after \(after)"
    case .notReady: "CHANGELOG_NOT_READY: the store has not been read yet; try again shortly"
    }
  }
}
