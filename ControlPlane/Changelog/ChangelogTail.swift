package import Domain
package import Foundation
package import Logging

/// Follows the store's revision line and publishes what comes. The truth is the store: nothing that
/// wakes the tail is more than a hint.
package struct ChangelogTail: Sendable {
  /// Where commits are read from.
  package struct Source: Sendable {
    /// Everything as of one revision, and which store this is.
    package var snapshot: @Sendable () async throws -> (incarnation: UUID, commit: Commit)
    /// Returns when there is a revision after the one given, or after a while with the newest.
    package var wait: @Sendable (Revision) async throws -> Revision
    /// Commits after a revision, oldest first; some or all of them. Nil when they are no longer whole:
    /// the retention has removed a part.
    package var commits: @Sendable (Revision) async throws -> [Commit]?

    package init(
      snapshot: @escaping @Sendable () async throws -> (incarnation: UUID, commit: Commit),
      wait: @escaping @Sendable (Revision) async throws -> Revision,
      commits: @escaping @Sendable (Revision) async throws -> [Commit]?
    ) {
      self.snapshot = snapshot
      self.wait = wait
      self.commits = commits
    }
  }

  private let source: Source
  private let hub: ChangelogHub
  private let logger: Logger

  package init(source: Source, hub: ChangelogHub, logger: Logger) {
    self.source = source
    self.hub = hub
    self.logger = logger
  }

  /// Runs until cancelled. While the store is away, watchers keep what they have.
  package func run() async {
    var wait = Duration.milliseconds(100)
    while !Task.isCancelled {
      do {
        try await load()
        wait = .milliseconds(100)
        try await follow()
      } catch {
        if Task.isCancelled { return }
        logger.warning("changelog not read", metadata: ["error": "\(error)"])
      }
      do { try await Task.sleep(for: wait) } catch { return }
      wait = min(wait * 2, .seconds(5))
    }
  }

  /// Reads all, unless the hub can go on from where it stands in the same store.
  private func load() async throws {
    let (incarnation, commit) = try await source.snapshot()
    if let held = hub.configuration, held.incarnation == incarnation,
      held.revision <= commit.revision
    {
      return
    }
    reset(incarnation, commit)
  }

  private func reset(_ incarnation: UUID, _ commit: Commit) {
    hub.reset(
      ConfigState(
        incarnation: incarnation,
        revision: commit.revision,
        resources: commit.resources
      )
    )
  }

  /// Publishes commit after commit; throws when the store fails or does not go on from here.
  private func follow() async throws {
    guard var at = hub.revision else { throw ChangelogError.notReady }
    while true {
      try Task.checkCancellation()
      let newest = try await source.wait(at)
      guard newest >= at else {
        // Another database, or an older one: what is held is not its past.
        let (incarnation, commit) = try await source.snapshot()
        reset(incarnation, commit)
        at = commit.revision
        continue
      }
      while at < newest {
        guard let commits = try await source.commits(at) else {
          let (incarnation, commit) = try await source.snapshot()
          reset(incarnation, commit)
          at = commit.revision
          break
        }
        guard let last = commits.last else { throw ChangelogError.gap(after: at, found: newest) }
        for commit in commits {
          do throws(ChangelogError) {
            try hub.publish(commit)
          } catch {
            // Commits that were pruned: the state as a whole is still there.
            let (incarnation, commit) = try await source.snapshot()
            reset(incarnation, commit)
            throw error
          }
        }
        at = last.revision
      }
    }
  }
}
