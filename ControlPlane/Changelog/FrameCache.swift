internal import DequeModule
internal import Domain
internal import Synchronization

/// Names what can be shared between watchers.
enum FrameKey: Hashable, Sendable {
  case delta(from: Revision, to: Revision, WatchScope, number: Int)
  case snapshotChunk(Revision, WatchScope, number: Int)
}

/// Something made at most once, by whoever needs it first; the others wait for that.
final class FrameSlot: Sendable {
  struct Content: Sendable {
    var frame: EncodedFrame
    var next: Next
  }

  /// Where it goes on.
  enum Next: Sendable {
    case snapshot(SnapshotPosition)
    case delta(DeltaPosition)
    case end
  }

  private let content = Mutex<Content?>(nil)

  func value(_ make: () throws -> Content) rethrows -> Content {
    try content.withLock { content in
      if let content { return content }
      let made = try make()
      content = made
      return made
    }
  }
}

/// The frames made lately, bounded by number. Frames are about as large as a chunk at most.
struct FrameCache {
  private var slots: [FrameKey: FrameSlot] = [:]
  private var order: Deque<FrameKey> = []
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  mutating func slot(_ key: FrameKey) -> FrameSlot {
    if let slot = slots[key] { return slot }
    let slot = FrameSlot()
    slots[key] = slot
    order.append(key)
    if order.count > limit, let oldest = order.popFirst() { slots[oldest] = nil }
    return slot
  }

  mutating func removeAll() {
    slots = [:]
    order = []
  }
}
