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
    wake(
      state.withLock { state in
        view.confirmedAt = state.view?.confirmedAt
        state.view = view
        return Array(state.listeners.values)
      }
    )
  }

  /// The state as of a revision; nil when that is too long ago, or not there yet.
  package func configuration(at revision: Revision) -> ConfigState? {
    state.withLock { $0.view?.state(at: revision) }
  }

  /// The store held nothing newer than this hub does when it was asked, at `instant`. Leases are granted
  /// from then on, at the latest: a replica that can't reach the store may not know of a switch.
  package func confirm(at instant: ContinuousClock.Instant) {
    state.withLock { state in
      guard let known = state.view?.confirmedAt, known > instant else {
        state.view?.confirmedAt = instant
        return
      }
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
      return .success(Array(state.listeners.values))
    }
    wake(try result.get())
  }

  /// A watcher; it is to be closed when its stream ends.
  ///
  /// - Parameters:
  ///   - isAdmitted: False: data waits for `Watcher.admit`, switches and leases do not.
  ///   - ring: Called from any thread, also within `publish`, whenever the watcher's `next` may
  ///     have something. It must only take note: the commit waits for it.
  package func watch(
    leaseMilliseconds: Int64,
    isAdmitted: Bool = true,
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
      machine: WatchMachine(leaseMilliseconds: leaseMilliseconds, isAdmitted: isAdmitted)
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
      defer { state.view = view }
      return machine.next(&view)
    }
  }

  private func wake(_ listeners: [@Sendable () -> Void]) {
    for ring in listeners { ring() }
  }
}
