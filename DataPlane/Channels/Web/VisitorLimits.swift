internal import Foundation
internal import OrderedCollections
internal import Synchronization

/// Messages that a visitor may send in a minute, counted in fixed minutes. Bounded: the visitors
/// heard of longest ago are forgotten.
final class VisitorLimits: Sendable {
  private struct Window {
    var minute: Int64
    var count: Int
  }

  private let windows = Mutex<OrderedDictionary<UUID, Window>>([:])
  private let perMinute: Int
  private let capacity: Int

  init(perMinute: Int, capacity: Int = 20_000) {
    self.perMinute = perMinute
    self.capacity = capacity
  }

  func allows(_ visitor: UUID, atMS now: Int64) -> Bool {
    let minute = now / 60_000
    return windows.withLock { windows in
      if let window = windows[visitor], window.minute == minute {
        windows[visitor]?.count += 1
        return window.count < perMinute
      }
      windows[visitor] = nil
      windows[visitor] = Window(minute: minute, count: 1)
      if windows.count > capacity { windows.removeFirst(windows.count - capacity * 9 / 10) }
      return true
    }
  }
}
