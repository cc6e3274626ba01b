internal import NIOCore
internal import NIOPosix

/// The connections of one loop that have something to flush: one job of the loop flushes them all, so
/// that a message to a thousand streams costs one job and not a thousand.
final class FlushQueue: Sendable {
  private struct State {
    var dirty: [ConnectionHandler] = []
    var isScheduled = false
  }

  private static let ofThread = ThreadSpecificVariable<FlushQueue>()

  private let loop: any EventLoop
  private let state: NIOLoopBoundBox<State>

  private init(_ loop: any EventLoop) {
    self.loop = loop
    state = NIOLoopBoundBox(State(), eventLoop: loop)
  }

  /// The loop's own. Only on the loop.
  static func of(_ loop: any EventLoop) -> FlushQueue {
    // A thread is one loop's, but for the loops that tests drive by hand.
    if let queue = ofThread.currentValue, queue.loop === loop { return queue }
    let queue = FlushQueue(loop)
    ofThread.currentValue = queue
    return queue
  }

  /// Has `connection` flushed once what the loop is at is done. Only on the loop.
  func add(_ connection: ConnectionHandler) {
    let mustSchedule = state.withValue { state in
      state.dirty.append(connection)
      defer { state.isScheduled = true }
      return !state.isScheduled
    }
    if mustSchedule { loop.execute { self.run() } }
  }

  private func run() {
    var connections = state.withValue { state in
      defer { state = State() }
      return state.dirty
    }
    for connection in connections { connection.flushScheduled() }
    // The room is kept for the next time.
    guard connections.count <= 4096 else { return }
    connections.removeAll(keepingCapacity: true)
    state.withValue { state in
      if state.dirty.isEmpty { swap(&state.dirty, &connections) }
    }
  }
}
