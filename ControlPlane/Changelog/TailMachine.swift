package import Domain
package import Foundation

/// Which store a revision belongs to, and which is its newest.
package struct StorePosition: Hashable, Sendable {
  package var incarnation: UUID
  package var revision: Revision

  package init(incarnation: UUID, revision: Revision) {
    self.incarnation = incarnation
    self.revision = revision
  }
}

/// How a replica follows the store, without I/O: says what to read next, and takes in what was read.
package struct TailMachine: Sendable {
  package enum Step: Hashable, Sendable {
    /// Everything as of one revision.
    case snapshot
    /// The store of this incarnation was put back: it needs another one.
    case renewal(UUID)
    /// Until there is a revision after this one, or for a while.
    case wait(Revision)
    /// The commits after this one.
    case commits(Revision)
  }

  private let hub: ChangelogHub
  package private(set) var step = Step.snapshot
  /// The newest revision told, and when it was asked for.
  private var goal: (revision: Revision, asked: ContinuousClock.Instant)?
  /// The snapshot takes the place of what is held, which is not its past.
  private var mustReset = false

  package init(hub: ChangelogHub) { self.hub = hub }

  /// The store could not be read: it is asked again whether it goes on from what is held.
  package mutating func failed() {
    goal = nil
    hub.takeOffers(false)
    if case .renewal = step { return }
    if let held = hub.revision, !mustReset { step = .wait(held) } else { step = .snapshot }
  }

  /// Everything as of a revision, and the commits since.
  ///
  /// - Parameter asked: when it was asked for, by this replica's clock.
  /// - Throws: `ChangelogError.gap` when the commits don't follow.
  package mutating func read(
    _ incarnation: UUID,
    _ base: Commit,
    recent: [Commit] = [],
    asked: ContinuousClock.Instant
  ) throws(ChangelogError) {
    let newest = recent.last?.revision ?? base.revision
    if let held = hub.configuration, !mustReset, held.incarnation == incarnation,
      held.revision <= newest
    {
      hub.takeOffers(true)
      step = .wait(held.revision)
      return
    }
    try hub.reset(
      ConfigState(
        incarnation: incarnation,
        revision: base.revision,
        resources: base.resources
      ),
      recent: recent
    )
    mustReset = false
    hub.takeOffers(true)
    hub.confirm(at: asked)
    step = .wait(newest)
  }

  package mutating func waited(_ newest: StorePosition, asked: ContinuousClock.Instant) {
    guard case .wait(let at) = step else { return }
    guard let held = hub.configuration, held.incarnation == newest.incarnation else {
      // Another database.
      hub.takeOffers(false)
      mustReset = true
      step = .snapshot
      return
    }
    // What this replica committed itself since it asked is held already.
    guard newest.revision >= at else {
      // An older one. What it goes on with is not what nodes have got: they must not take one for the other.
      hub.takeOffers(false)
      mustReset = true
      step = .renewal(newest.incarnation)
      return
    }
    goal = (newest.revision, asked)
    go(on: max(at, held.revision))
  }

  /// The store has another incarnation by now.
  package mutating func renewed() {
    if case .renewal = step { step = .snapshot }
  }

  /// - Throws: `ChangelogError` when they don't follow, as after a pruning or when the database has become
  ///   another one since it was asked: the step is a snapshot then.
  package mutating func read(
    _ incarnation: UUID,
    _ commits: [Commit]
  ) throws(ChangelogError) {
    guard case .commits(var at) = step else { return }
    do throws(ChangelogError) {
      guard hub.configuration?.incarnation == incarnation else { throw .otherStore }
      guard let last = commits.last else {
        throw .gap(after: at, found: goal?.revision ?? at)
      }
      for commit in commits { try hub.publish(commit) }
      at = max(last.revision, hub.revision ?? .zero)
    } catch {
      mustReset = true
      step = .snapshot
      throw error
    }
    go(on: at)
  }

  private mutating func go(on at: Revision) {
    guard let goal else { return }
    hub.takeOffers(true)
    if at < goal.revision {
      step = .commits(at)
    } else {
      hub.confirm(at: goal.asked)
      self.goal = nil
      step = .wait(at)
    }
  }
}
