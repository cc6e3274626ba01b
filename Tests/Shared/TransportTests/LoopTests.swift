import NIOCore
import NIOPosix
import Synchronization
import Testing
import Transport

/// What ran, in order.
private final class Log: Sendable {
  private let entries = Mutex<[Int]>([])

  func add(_ entry: Int) { entries.withLock { $0.append(entry) } }
  var all: [Int] { entries.withLock { $0 } }
}

@Suite struct `Calls on a connection's loop` {
  private let loop = MultiThreadedEventLoopGroup.singleton.next()

  @Test func `a task that prefers the executor runs on the loop, also after it waited`() async {
    let (loop, executor) = (loop, LoopExecutor(loop))
    let other = MultiThreadedEventLoopGroup.singleton.next()
    let places = await Task(executorPreference: executor) { @concurrent in
      var places = [loop.inEventLoop]
      await Task.yield()
      places.append(loop.inEventLoop)
      let answer = try? await other.submit { true }.get()
      places.append(answer == true && loop.inEventLoop)
      return places
    }.value
    #expect(places == [true, true, true])
  }

  @Test func `jobs run in the order in which they came`() async throws {
    let (loop, executor) = (loop, LoopExecutor(loop))
    let log = Log()
    // Enqueued within one turn of the loop, so that none begins before all are there.
    let tasks = try await loop.submit {
      (0 ..< 100).map { number in
        Task(executorPreference: executor) { @concurrent in log.add(number) }
      }
    }.get()
    for task in tasks { await task.value }
    #expect(log.all == Array(0 ..< 100))
  }

  @Test func `a task that begins at once needs no turn of the loop`() async throws {
    let (loop, executor) = (loop, LoopExecutor(loop))
    let task = try await loop.submit {
      let log = Log()
      let task = Task.immediate(executorPreference: executor) { @concurrent in
        log.add(1)
        return loop.inEventLoop
      }
      #expect(log.all == [1])
      return task
    }.get()
    let isOnLoop = await task.value
    #expect(isOnLoop)
  }

  @Test func `calls are taken in batches, in order, to the last`() {
    let queue = CallQueue<Int>()
    #expect(queue.takeNow() == nil)
    queue.add(1)
    queue.add(2)
    #expect(queue.takeNow() == [1, 2])
    #expect(queue.takeNow() == nil)
    queue.add(3)
    queue.finish()
    #expect(queue.takeNow() == [3])
    #expect(queue.takeNow() == [])
    #expect(queue.takeNow() == [])
  }

  /// What wakes one who waits: a call, the end, or what is there already.
  @Test(arguments: [true, false], [true, false])
  func `who waits is woken once`(isCall: Bool, isBefore: Bool) async throws {
    let (loop, executor) = (loop, LoopExecutor(loop))
    let taken = await Task(executorPreference: executor) { @concurrent in
      let queue = CallQueue<Int>()
      let come = { if isCall { queue.add(7) } else { queue.finish() } }
      if isBefore { come() }
      await withCheckedContinuation { continuation in
        queue.wait(continuation)
        if !isBefore {
          come()
          // One waiter is woken once: a second wake-up of its continuation would trap.
          queue.add(8)
        }
      }
      #expect(loop.inEventLoop)
      return queue.takeNow()
    }.value
    #expect(taken == (isCall ? [7] : []) + (isBefore ? [] : [8]))
  }
}
