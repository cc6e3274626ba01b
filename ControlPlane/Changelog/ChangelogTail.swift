package import Domain
package import Foundation
package import Logging

/// Follows the store's revision line and publishes what comes. The truth is the store: nothing that
/// wakes the tail is more than a hint.
package struct ChangelogTail: Sendable {
  /// Where commits are read from.
  package struct Source: Sendable {
    /// Everything as of a revision that may be a while ago, the commits since, and which store this is:
    /// who has been away for no longer than that can go on from where it was.
    package var snapshot:
      @Sendable () async throws -> (incarnation: UUID, base: Commit, recent: [Commit])
    /// Returns when there is a revision after the one given, or after a while with the newest: the
    /// shorter the while, the fresher are the leases granted.
    package var wait: @Sendable (Revision) async throws -> StorePosition
    /// Commits after a revision, oldest first; some or all of them, and whose they are. None when
    /// they are no longer whole: the retention has removed a part.
    package var commits: @Sendable (Revision) async throws -> (incarnation: UUID, commits: [Commit])
    /// Looks whether the database was put back, or is a copy, while nobody was looking: it is given a new
    /// incarnation then.
    package var attach: @Sendable () async throws -> Void
    /// The database of this incarnation was put back to an earlier revision: gives it a new one, unless it
    /// has one by now.
    package var renew: @Sendable (UUID) async throws -> Void

    package init(
      snapshot:
        @escaping @Sendable () async throws -> (incarnation: UUID, base: Commit, recent: [Commit]),
      wait: @escaping @Sendable (Revision) async throws -> StorePosition,
      commits:
        @escaping @Sendable (Revision) async throws -> (incarnation: UUID, commits: [Commit]),
      attach: @escaping @Sendable () async throws -> Void = {},
      renew: @escaping @Sendable (UUID) async throws -> Void = { _ in }
    ) {
      self.snapshot = snapshot
      self.wait = wait
      self.commits = commits
      self.attach = attach
      self.renew = renew
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
    var machine = TailMachine(hub: hub)
    var wait = Duration.milliseconds(100)
    var isAttached = false
    while !Task.isCancelled {
      do {
        if !isAttached { try await source.attach() }
        isAttached = true
        try await take(machine.step, &machine)
        wait = .milliseconds(100)
        continue
      } catch {
        if Task.isCancelled { return }
        isAttached = false
        machine.failed()
        logger.warning("changelog not read", metadata: ["error": "\(error)"])
      }
      do { try await Task.sleep(for: wait) } catch { return }
      wait = min(wait * 2, .seconds(5))
    }
  }

  private func take(_ step: TailMachine.Step, _ machine: inout TailMachine) async throws {
    let asked = ContinuousClock.now
    switch step {
    case .snapshot:
      let (incarnation, base, recent) = try await source.snapshot()
      try machine.read(incarnation, base, recent: recent, asked: asked)
    case .renewal(let incarnation):
      logger.warning(
        "the database was put back to an earlier revision; nodes take everything anew",
        metadata: ["held": "\(hub.revision ?? .zero)"]
      )
      try await source.renew(incarnation)
      machine.renewed()
    case .wait(let revision):
      machine.waited(try await source.wait(revision), asked: asked)
    case .commits(let revision):
      let (incarnation, commits) = try await source.commits(revision)
      try machine.read(incarnation, commits)
    }
  }
}
