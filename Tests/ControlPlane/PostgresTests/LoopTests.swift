import NIOCore
import NIOPosix
import PostgresSupport
import Testing

@testable import Postgres

/// Runs tasks on an event loop, as calls of the transport may run.
private final class OnLoop: TaskExecutor {
  private let loop: any EventLoop

  init(_ loop: any EventLoop) { self.loop = loop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}

@Suite struct `PostgreSQL from an event loop` {
  @Test(.timeLimit(.minutes(1)), arguments: [false, true])
  func `a task that prefers the loop opens connections and goes on`(isImmediate: Bool) async throws
  {
    try await withPool(connections: 2) { pool in
      let loop = MultiThreadedEventLoopGroup.singleton.next()
      let executor = OnLoop(loop)
      let task: Task<Int, any Error> =
        if isImmediate {
          try await loop.submit {
            Task.immediate(executorPreference: executor) { @concurrent in
              try await Self.work(pool, loop)
            }
          }.get()
        } else {
          Task(executorPreference: executor) { @concurrent in try await Self.work(pool, loop) }
        }
      let sum = try await task.value
      #expect(sum == 6)
    }
  }

  private static func work(_ pool: PostgresPool, _ loop: any EventLoop) async throws -> Int {
    var sum = 0
    for number in 1 ... 3 {
      let rows = try await pool.query("SELECT \(number) AS n")
      sum += try rows[0].decode("n", as: Int.self)
      #expect(loop.inEventLoop)
    }
    return sum
  }
}
