internal import NIOCore
internal import NIOPosix

/// The connections of one loop that have something to flush: one job of the loop flushes them all, so
/// that a message to a thousand streams costs one job and not a thousand.
final class FlushQueue: Sendable {
  private struct State {
    var dirty: [ConnectionHandler] = []
    var isScheduled = false
    /// Bytes since the loop was last made to look at its sockets.
    var flushedBytes = 0
  }

  /// A loop runs its jobs to exhaustion before it looks at its sockets again, and a writer whose reader
  /// keeps up makes jobs without end: after so many bytes the others get their turn.
  private static let turnBytes = 4 * 1024 * 1024
  /// Not due at once, or it were one more job of the same turn.
  private static let pause = TimeAmount.microseconds(20)

  private static let ofThread = ThreadSpecificVariable<FlushQueue>()

  private let loop: any EventLoop
  private let state: NIOLoopBoundBox<State>
  /// What is written at once is gathered here, for all of the loop's connections.
  private let scratch: NIOLoopBoundBox<ByteBuffer>

  private init(_ loop: any EventLoop) {
    self.loop = loop
    state = NIOLoopBoundBox(State(), eventLoop: loop)
    scratch = NIOLoopBoundBox(ByteBuffer(), eventLoop: loop)
  }

  /// Only on the loop. A use inside of another gets a buffer of its own.
  func withScratch<Result>(_ body: (inout ByteBuffer) throws -> Result) rethrows -> Result {
    var buffer = ByteBuffer()
    scratch.withValue { swap(&$0, &buffer) }
    defer { scratch.withValue { swap(&$0, &buffer) } }
    return try body(&buffer)
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
    let (mustSchedule, mustPause) = state.withValue { state in
      state.dirty.append(connection)
      guard !state.isScheduled else { return (false, false) }
      state.isScheduled = true
      guard state.flushedBytes > Self.turnBytes else { return (true, false) }
      state.flushedBytes = 0
      return (true, true)
    }
    guard mustSchedule else { return }
    if mustPause {
      loop.scheduleTask(in: Self.pause) { self.run() }
    } else {
      loop.execute { self.run() }
    }
  }

  private func run() {
    var connections = state.withValue { state in
      state.isScheduled = false
      defer { state.dirty = [] }
      return state.dirty
    }
    var bytes = 0
    for connection in connections { bytes += connection.flushScheduled() }
    state.withValue { $0.flushedBytes += bytes }
    // The room is kept for the next time.
    guard connections.count <= 4096 else { return }
    connections.removeAll(keepingCapacity: true)
    state.withValue { state in
      if state.dirty.isEmpty { swap(&state.dirty, &connections) }
    }
  }
}
