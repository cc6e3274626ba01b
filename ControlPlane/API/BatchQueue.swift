internal import Synchronization

/// Hands elements from one task to another in batches: what came while the last batch was worked on
/// is the next one. Bounded: who puts waits while it is full.
final class BatchQueue<Element: Sendable>: Sendable {
  private struct State {
    var elements: [Element] = []
    var isFinished = false
  }

  private let state = Mutex(State())
  private let limit: Int
  private let filled: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)
  private let emptied: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)

  init(limit: Int) {
    self.limit = limit
    filled = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    emptied = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Adds an element, once there is room. To be called from one task.
  ///
  /// - Throws: `CancellationError`.
  func put(_ element: Element) async throws {
    while true {
      let isPut = state.withLock { state in
        guard state.elements.count < limit else { return false }
        state.elements.append(element)
        return true
      }
      if isPut { break }
      var room = emptied.stream.makeAsyncIterator()
      _ = await room.next()
      try Task.checkCancellation()
    }
    filled.continuation.yield()
  }

  /// No more will come.
  func finish() {
    state.withLock { $0.isFinished = true }
    filled.continuation.yield()
  }

  /// All that has come, at least one; nil at the end. To be called from one task.
  ///
  /// - Throws: `CancellationError`.
  func next() async throws -> [Element]? {
    while true {
      let (batch, isFinished) = state.withLock { state in
        defer { state.elements = [] }
        return (state.elements, state.isFinished)
      }
      if !batch.isEmpty {
        emptied.continuation.yield()
        return batch
      }
      if isFinished { return nil }
      var news = filled.stream.makeAsyncIterator()
      _ = await news.next()
      try Task.checkCancellation()
    }
  }
}
