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

  private let state = Mutex(State())

  package init() {}

  /// The newest revision; nil before the first snapshot.
  package var revision: Revision? { state.withLock { $0.view?.state.revision } }

  /// The newest state; nil before the first snapshot.
  package var configuration: ConfigState? { state.withLock { $0.view?.state } }

  /// When a revision was committed; nil when that was too long ago, or is not known yet.
  package func committedAt(_ revision: Revision) -> Date? {
    state.withLock { $0.view?.log.committedAt(revision) }
  }

  package var watcherCount: Int { state.withLock { $0.listeners.count } }

  /// Starts, or starts over, from what the store holds. Watchers that stand elsewhere resync.
  package func reset(_ configuration: ConfigState) {
    wake(
      state.withLock { state in
        state.view = ChangelogView(configuration)
        return Array(state.listeners.values)
      }
    )
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
  /// - Parameter ring: Called from any thread, also within `publish`, whenever the watcher's `next` may
  ///   have something. It must only take note: the commit waits for it.
  package func watch(
    leaseMilliseconds: Int64,
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
      machine: WatchMachine(leaseMilliseconds: leaseMilliseconds)
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
