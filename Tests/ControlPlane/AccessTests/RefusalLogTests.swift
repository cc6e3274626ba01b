import Access
import Logging
import Store
import Synchronization
import Testing

@Suite struct `The log of refusals` {
  private func refusal(of id: String, _ method: String = "Apply") -> RefusalLog.Refusal {
    RefusalLog.Refusal(
      origin: AuditOrigin(actorID: id),
      tenant: nil,
      method: method,
      why: "may not"
    )
  }

  private func log(
    perMinute: Int,
    limit: Int = 100,
    write: @escaping RefusalLog.Write
  ) -> RefusalLog {
    RefusalLog(
      perMinute: perMinute,
      limit: limit,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      write: write
    )
  }

  @Test func `writes so many of each caller, and counts the others`() async throws {
    let (written, continuation) = AsyncStream.makeStream(of: String.self)
    let log = log(perMinute: 3) { continuation.yield($0.origin.actorID) }
    for _ in 0 ..< 50 { log.note(refusal(of: "loud")) }
    log.note(refusal(of: "quiet"))
    #expect(log.counts == .init(refused: 51, unwritten: 47))
    let task = Task { await log.run() }
    var seen: [String] = []
    for await id in written {
      seen.append(id)
      if id == "quiet" { break }
    }
    #expect(seen == ["loud", "loud", "loud", "quiet"])
    task.cancel()
    await task.value
  }

  @Test func `lets only so many wait while the database is away`() {
    let log = log(perMinute: 1000, limit: 10) { _ in }
    for _ in 0 ..< 30 { log.note(refusal(of: "a")) }
    #expect(log.counts == .init(refused: 30, unwritten: 20))
  }

  @Test func `counts what the database did not take, and goes on`() async throws {
    struct Away: Error {}
    let (written, continuation) = AsyncStream.makeStream(of: String.self)
    let log = log(perMinute: 10) { refusal in
      if refusal.method == "Get" { throw Away() }
      continuation.yield(refusal.method)
    }
    log.note(refusal(of: "a", "Get"))
    log.note(refusal(of: "a", "List"))
    let task = Task { await log.run() }
    for await method in written {
      #expect(method == "List")
      break
    }
    #expect(log.counts == .init(refused: 2, unwritten: 1))
    task.cancel()
    await task.value
  }

  @Test func `writes what waits when everything ends, also what was called back`() async throws {
    let written = Mutex<[String]>([])
    let (began, beginning) = AsyncStream.makeStream(of: Void.self)
    let isStuck = Mutex(true)
    let log = log(perMinute: 10) { refusal in
      if isStuck.withLock({ $0 }) {
        beginning.yield()
        // Until its task is cancelled.
        try await Task.sleep(for: .seconds(1000))
      }
      written.withLock { $0.append(refusal.method) }
    }
    for method in ["Get", "List", "Apply"] { log.note(refusal(of: "a", method)) }
    let task = Task { await log.run() }
    for await _ in began { break }
    task.cancel()
    await task.value
    isStuck.withLock { $0 = false }
    // Calls still end meanwhile.
    log.note(refusal(of: "a", "Late"))
    await log.finish(within: .seconds(10))
    #expect(written.withLock { $0 } == ["Get", "List", "Apply", "Late"])
    #expect(log.counts == .init(refused: 4, unwritten: 0))
    log.note(refusal(of: "a", "Too late"))
    #expect(log.counts == .init(refused: 5, unwritten: 1))
  }

  @Test func `counts what can't be written in time at the end`() async throws {
    let log = log(perMinute: 10) { _ in try await Task.sleep(for: .seconds(1000)) }
    for _ in 0 ..< 5 { log.note(refusal(of: "a")) }
    await log.finish(within: .milliseconds(20))
    #expect(log.counts == .init(refused: 5, unwritten: 5))
  }
}
