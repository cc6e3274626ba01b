internal import DequeModule
internal import Synchronization

/// Lets so many run at once; the others wait in line. Cancellation leaves the line.
package final class Limiter: Sendable {
  private struct State {
    var free: Int
    var nextTicket: UInt64 = 0
    var line: Deque<(ticket: UInt64, continuation: CheckedContinuation<Bool, Never>)> = []
    /// Tickets cancelled before they stood in line.
    var cancelled: Set<UInt64> = []
  }

  private let state: Mutex<State>

  package init(_ limit: Int) { state = Mutex(State(free: limit)) }

  /// How many are running or waiting more than could.
  package var waiting: Int { state.withLock { $0.line.count } }

  /// Whether one more could run at once; no promise that it can a moment later.
  package var hasFree: Bool { state.withLock { $0.free > 0 } }

  /// Waits for a place; each is to be given back by `release`.
  package func acquire() async throws {
    let ticket = state.withLock { state in
      state.nextTicket += 1
      return state.nextTicket
    }
    let got = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer: Bool? = state.withLock { state in
          if state.cancelled.remove(ticket) != nil { return false }
          if state.free > 0 {
            state.free -= 1
            return true
          }
          state.line.append((ticket, continuation))
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      let waiter = state.withLock { state -> CheckedContinuation<Bool, Never>? in
        guard let place = state.line.firstIndex(where: { $0.ticket == ticket }) else {
          state.cancelled.insert(ticket)
          return nil
        }
        return state.line.remove(at: place).continuation
      }
      waiter?.resume(returning: false)
    }
    state.withLock { _ = $0.cancelled.remove(ticket) }
    guard got else { throw CancellationError() }
  }

  package func release() {
    let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      if let first = state.line.popFirst() { return first.continuation }
      state.free += 1
      return nil
    }
    next?.resume(returning: true)
  }
}
