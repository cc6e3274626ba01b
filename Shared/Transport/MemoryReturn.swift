internal import CMalloc
internal import Dispatch
internal import NIOCore

/// When a server gives memory back that connections have left behind.
///
/// The C library keeps what is freed and returns to the system only what lies at the end of its heaps,
/// where some small thing always stays; so a crowd that has gone weighs as much as one that is there,
/// until it is asked to look. That takes some milliseconds for each ten thousand connections, in which
/// others may wait for memory: it is asked when most connections of many have gone, and a moment later,
/// so that a crowd that goes costs it once.
package struct MemoryReturn {
  /// So many connections have to go for it to be worth the trouble.
  package static let crowd = 1_000
  static let delay = TimeAmount.seconds(2)

  /// Most connections since the last time.
  private var peak = 0
  private var isScheduled = false

  package init() {}

  package mutating func opened(now count: Int) { peak = max(peak, count) }

  /// Whether memory is to be returned in a moment; then `due` has to be called.
  package mutating func closed(now count: Int) -> Bool {
    guard !isScheduled, peak - count >= Self.crowd, count <= peak / 2 else { return false }
    isScheduled = true
    return true
  }

  package mutating func due(now count: Int) {
    isScheduled = false
    peak = count
  }

  /// Returns what is free. Not on an event loop's thread.
  static func perform() {
    DispatchQueue.global(qos: .utility).async { malloc_trim(0) }
  }
}
