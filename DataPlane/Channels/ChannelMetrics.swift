internal import OrderedCollections
internal import Synchronization

/// Counts of what came in and went out, by a name that Prometheus can show. No tenant is in them.
package final class ChannelMetrics: Sendable {
  private let counts = Mutex<OrderedDictionary<String, Int>>([:])

  package init() {}

  /// - Parameter name: `metric{label="value"}`, from the program's own words only.
  package func count(_ name: String, by amount: Int = 1) {
    counts.withLock { $0[name, default: 0] += amount }
  }

  package subscript(name: String) -> Int { counts.withLock { $0[name] ?? 0 } }

  /// By name.
  package var all: [(name: String, count: Int)] {
    counts.withLock { counts in counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
  }
}
