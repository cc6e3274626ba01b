package import Domain
package import Foundation
internal import Synchronization

/// Publishes commits to watchers. What a watcher waits with is one wake-up, never a queue: however
/// slow it is, it costs neither the commit nor the others anything.
package final class ChangelogHub: Sendable {
  private struct State {
    var view: ChangelogView?
    var listeners: [Int: @Sendable () -> Void] = [:]
    var nextListener = 0
    /// When this replica last said in the store that it is there.
    var registeredAt: ContinuousClock.Instant?
    /// Whether a watcher waits for the store to be asked.
    var awaitsConfirmation = false
    /// Whether commits of this replica are taken in before they are read back.
    var takesOffers = true
    /// Commits of this replica that came before those ahead of them.
    var offered: [Revision: Commit] = [:]
    /// Who waits for the first snapshot.
    var readers: [AsyncStream<Void>.Continuation] = []
  }

  /// What bounds the hub's memory and its frames.
  package struct Limits: Sendable {
    /// How many changed keys are kept for those that resume.
    package var keys = 500_000
    /// Bytes of a frame, roughly.
    package var chunkBytes = 256 * 1024

    package init() {}
  }

  private let state = Mutex(State())
  let limits: Limits

  package init(limits: Limits = Limits()) { self.limits = limits }

  /// The newest revision; nil before the first snapshot.
  package var revision: Revision? { state.withLock { $0.view?.state.revision } }

  /// The newest state; nil before the first snapshot.
  package var configuration: ConfigState? { state.withLock { $0.view?.state } }

  /// The oldest revision that can be resumed from; nil before the first snapshot.
  package var oldestRevision: Revision? { state.withLock { $0.view?.log.oldest } }

  /// When a revision was committed; nil when that was too long ago, or is not known yet.
  package func committedAt(_ revision: Revision) -> Date? {
    state.withLock { $0.view?.log.committedAt(revision) }
  }

  package var watcherCount: Int { state.withLock { $0.listeners.count } }

  /// Starts, or starts over, from what the store holds. Watchers that stand elsewhere resync.
  ///
  /// - Parameter recent: The commits that follow; who stands at one of them can go on from there.
  /// - Throws: `ChangelogError.gap` when they don't; nothing is changed then.
  package func reset(
    _ configuration: ConfigState,
    recent: [Commit] = []
  ) throws(ChangelogError) {
    var view = ChangelogView(configuration, keyLimit: limits.keys)
    for commit in recent { _ = try view.fold(commit) }
    let readers = state.withLock { state in
      view.confirmedAt = state.view?.confirmedAt
      view.registeredAt = state.registeredAt
      state.view = view
      state.offered = [:]
      defer { state.readers = [] }
      return state.readers
    }
    for reader in readers { reader.finish() }
    wake(state.withLock { Array($0.listeners.values) })
  }

  /// Returns once the store has been read, or when the task is cancelled.
  package func whenRead() async {
    let wait: AsyncStream<Void>? = state.withLock { state in
      guard state.view == nil else { return nil }
      let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
      state.readers.append(continuation)
      return stream
    }
    if let wait { for await _ in wait {} }
  }

  /// The state as of a revision; nil when that is too long ago, or not there yet.
  package func configuration(at revision: Revision) -> ConfigState? {
    state.withLock { $0.view?.state(at: revision) }
  }

  /// The store held nothing newer than this hub does when it was asked, at `instant`. Leases are granted
  /// from then on, at the latest: a replica that can't reach the store may not know of a switch.
  package func confirm(at instant: ContinuousClock.Instant) {
    let waiting: [@Sendable () -> Void] = state.withLock { state in
      if let known = state.view?.confirmedAt, known > instant { return [] }
      state.view?.confirmedAt = instant
      guard state.awaitsConfirmation else { return [] }
      state.awaitsConfirmation = false
      return Array(state.listeners.values)
    }
    wake(waiting)
  }

  /// This replica said in the store, at `instant`, that it is there, with the nodes that it serves. Once it
  /// has, leases are granted from the last time on, at the latest: others who wait for its nodes count
  /// on their leases to be out when it says so no more.
  package func register(at instant: ContinuousClock.Instant) {
    state.withLock { state in
      if let known = state.registeredAt, known > instant { return }
      state.registeredAt = instant
      state.view?.registeredAt = instant
    }
  }

  /// Takes in a commit that this replica made itself, if it is of the store that is followed and the one
  /// that follows, or keeps it for a moment until that is so; tells whether it did take it. If not, it
  /// comes as the others' do.
  @discardableResult
  package func offer(_ commit: Commit, of incarnation: UUID) -> Bool {
    let rung: [@Sendable () -> Void]? = state.withLock { state in
      guard state.takesOffers, let held = state.view?.state, held.incarnation == incarnation,
        commit.revision > held.revision
      else { return nil }
      if state.offered.count >= Self.offeredLimit { state.offered = [:] }
      state.offered[commit.revision] = commit
      return Self.foldOffered(&state) ? Array(state.listeners.values) : nil
    }
    guard let rung else { return false }
    wake(rung)
    return true
  }

  /// Whether `offer` takes any. Not while the database may have become another one that nobody has looked
  /// at yet: its revisions go on from another past then.
  package func takeOffers(_ takes: Bool) {
    state.withLock { state in
      state.takesOffers = takes
      if !takes { state.offered = [:] }
    }
  }

  /// Takes in the commit that follows; one that was taken in before is passed over.
  ///
  /// - Throws: `ChangelogError.gap`, upon which the caller starts over with `reset`.
  package func publish(_ commit: Commit) throws(ChangelogError) {
    let result: Result<[@Sendable () -> Void], ChangelogError> = state.withLock { state in
      guard state.view != nil else { return .failure(.notReady) }
      do throws(ChangelogError) {
        guard try state.view?.fold(commit) == true else { return .success([]) }
      } catch {
        return .failure(error)
      }
      Self.foldOffered(&state)
      return .success(Array(state.listeners.values))
    }
    wake(try result.get())
  }

  private static let offeredLimit = 64

  /// Folds what was offered and follows; tells whether there was any.
  @discardableResult
  private static func foldOffered(_ state: inout State) -> Bool {
    var isFolded = false
    while let held = state.view?.state,
      let commit = state.offered.removeValue(forKey: held.revision.next),
      held.holdsSections(of: commit)
    {
      do {
        isFolded = try state.view?.fold(commit) == true || isFolded
      } catch {
        break
      }
    }
    // Kept for no longer than they may be of use.
    if let newest = state.view?.state.revision {
      state.offered = state.offered.filter { $0.key > newest }
    }
    return isFolded
  }

  /// A watcher; it is to be closed when its stream ends.
  ///
  /// - Parameters:
  ///   - isAdmitted: False: data waits for `Watcher.admit`, switches and leases do not.
  ///   - isRegistered: False: leases wait for `Watcher.register`.
  ///   - ring: Called from any thread, also within `publish`, whenever the watcher's `next` may
  ///     have something. It must only take note: the commit waits for it.
  package func watch(
    leaseMilliseconds: Int64,
    isAdmitted: Bool = true,
    isRegistered: Bool = true,
    ring: @escaping @Sendable () -> Void = {}
  ) -> Watcher {
    let number = state.withLock { state in
      state.nextListener += 1
      state.listeners[state.nextListener] = ring
      return state.nextListener
    }
    return Watcher(
      hub: self,
      number: number,
      ring: ring,
      machine: WatchMachine(
        leaseMilliseconds: leaseMilliseconds,
        isAdmitted: isAdmitted,
        isRegistered: isRegistered
      )
    )
  }

  func close(_ number: Int) {
    state.withLock { _ = $0.listeners.removeValue(forKey: number) }
  }

  func step(_ machine: inout WatchMachine) -> WatchMachine.Step? {
    state.withLock { state in
      guard var view = state.view else { return nil }
      // Taken out and put back, so that the view is not copied.
      state.view = nil
      defer {
        state.view = view
        if machine.awaitsConfirmation { state.awaitsConfirmation = true }
      }
      return machine.next(&view)
    }
  }

  private func wake(_ listeners: [@Sendable () -> Void]) {
    for ring in listeners { ring() }
  }
}
