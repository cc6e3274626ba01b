internal import Synchronization

/// Counts turns: under way, and ended, by how they ended and by channel.
package final class TurnActivity: Sendable {
  /// What ended turns have in common.
  package struct Label: Hashable, Sendable {
    package var channel: String
    /// `TurnEnd.Kind.name`.
    package var end: String
    package var isDegraded: Bool
  }

  private let state = Mutex<(active: Int, ended: [Label: Int])>((0, [:]))

  package init() {}

  package var active: Int { state.withLock { $0.active } }
  package var ended: [Label: Int] { state.withLock { $0.ended } }

  func began() { state.withLock { $0.active += 1 } }

  func ended(_ end: TurnEnd, channel: String) {
    let label = Label(channel: channel, end: end.kind.name, isDegraded: end.isDegraded)
    state.withLock { state in
      state.active -= 1
      state.ended[label, default: 0] += 1
    }
  }
}
