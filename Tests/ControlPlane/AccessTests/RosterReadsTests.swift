import Domain
import Foundation
import Logging
import Store
import Synchronization
import Testing

@testable import Access

@Suite struct `Reads of the roster of tokens` {
  private struct Away: Error {}

  /// A table whose reads end when the test says so.
  private final class SlowTable: Sendable {
    private struct State {
      var reads = 0
      var underWay = 0
      var mostUnderWay = 0
      var version: Int64 = 0
      var fails = false
      var tokens: [AccessToken] = []
      var waiting: [CheckedContinuation<Void, Never>] = []
      var isOpen = false
    }

    private let state = Mutex(State())

    var reads: Int { state.withLock { $0.reads } }
    var mostUnderWay: Int { state.withLock { $0.mostUnderWay } }
    var waiting: Int { state.withLock { $0.waiting.count } }

    func set(fails: Bool) { state.withLock { $0.fails = fails } }
    func set(tokens: [AccessToken]) { state.withLock { $0.tokens = tokens } }

    /// Lets those through that wait, and with `forAll` all who come.
    func open(forAll: Bool = false) {
      let waiting = state.withLock { state in
        state.isOpen = forAll
        defer { state.waiting = [] }
        return state.waiting
      }
      for continuation in waiting { continuation.resume() }
    }

    func content() async throws -> AccessRoster.Source.Content {
      state.withLock { state in
        state.reads += 1
        state.underWay += 1
        state.mostUnderWay = max(state.mostUnderWay, state.underWay)
      }
      defer { state.withLock { $0.underWay -= 1 } }
      await withCheckedContinuation { continuation in
        let isOpen = state.withLock { state in
          if !state.isOpen { state.waiting.append(continuation) }
          return state.isOpen
        }
        if isOpen { continuation.resume() }
      }
      return try state.withLock { state in
        if state.fails { throw Away() }
        state.version += 1
        return .init(version: state.version, tokens: state.tokens, slugs: [:])
      }
    }
  }

  private let table = SlowTable()

  private func roster(now: @escaping @Sendable () -> Date = { Date() }) -> AccessRoster {
    let table = table
    return AccessRoster(
      source: .init(version: { 0 }, content: table.content, noteUse: { _, _ in }),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      now: now
    )
  }

  private func until(_ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while !condition() {
      try #require(ContinuousClock.now < deadline)
      await Task.yield()
    }
  }

  @Test func `a hundred who ask at once cost two reads, one after the other`() async throws {
    let roster = roster()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await roster.refresh() }
      try await until { table.waiting == 1 }
      // What they ask for may have come after the first read began.
      for _ in 0 ..< 100 { group.addTask { try await roster.refresh() } }
      try await until { roster.askers == 101 }
      table.open()
      try await until { table.waiting == 1 }
      #expect(table.reads == 2)
      table.open()
      try await group.waitForAll()
    }
    #expect(table.reads == 2)
    #expect(table.mostUnderWay == 1)
  }

  @Test func `a read that fails fails for all who waited for it, and for nobody later`()
    async throws
  {
    let roster = roster()
    table.set(fails: true)
    let failures = try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0 ..< 10 {
        group.addTask {
          do {
            try await roster.refresh()
            return false
          } catch is Away {
            return true
          }
        }
      }
      try await until { table.waiting == 1 && roster.askers == 10 }
      table.open(forAll: true)
      return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
    }
    #expect(failures == 10)
    #expect(table.reads <= 10)
    table.set(fails: false)
    try await roster.refresh()
  }

  @Test func `who gives up takes nobody along`() async throws {
    let roster = roster()
    let first = Task { try await roster.refresh() }
    try await until { table.waiting == 1 }
    let second = Task { try await roster.refresh() }
    let third = Task { try await roster.refresh() }
    try await until { roster.askers == 3 }
    second.cancel()
    await #expect(throws: CancellationError.self) { try await second.value }
    table.open(forAll: true)
    try await first.value
    try await third.value
  }

  @Test func `tokens that ended more than a day ago are forgotten, although nothing changes`()
    async throws
  {
    let start = Date(timeIntervalSince1970: 1_800_000_000)
    let now = Mutex(start)
    let roster = roster { now.withLock { $0 } }
    func token(_ edit: (inout AccessToken) -> Void) -> (AccessToken, TokenText) {
      let text = TokenText.make()
      var token = AccessToken(id: text.id, hash: text.hash, role: .admin, createdAt: start)
      edit(&token)
      return (token, text)
    }
    let live = token { _ in }
    let expiring = token { $0.expiresAt = start + 10 }
    let revoked = token { $0.revokedAt = start }
    table.set(tokens: [live.0, expiring.0, revoked.0])
    table.open(forAll: true)
    try await roster.refresh()
    now.withLock { $0 = start + 100 }
    roster.forgetEnded()
    #expect(roster.tokens.count == 3)
    let told = #expect(throws: AccessRefusal.self) { try roster.principal(of: expiring.1.text) }
    #expect(told?.message.contains("has expired") == true)
    now.withLock { $0 = start + 86_500 }
    roster.forgetEnded()
    #expect(roster.tokens.map(\.id) == [live.0.id])
    let forgotten = #expect(throws: AccessRefusal.self) {
      try roster.principal(of: revoked.1.text)
    }
    #expect(forgotten?.message.contains("no such access token") == true)
    #expect(table.reads == 1)
  }

  @Test func `ids of nobody are remembered in a bounded table, until something changes`()
    async throws
  {
    let roster = roster()
    table.open(forAll: true)
    for number in 0 ..< 5_000 { roster.noteUnknown("id-\(number)") }
    let known = (0 ..< 5_000).count { roster.isKnownToBeNobodys("id-\($0)") }
    #expect((1 ... 1_024).contains(known))
    #expect(roster.isKnownToBeNobodys("id-4999"))
    try await roster.refresh()
    #expect(!roster.isKnownToBeNobodys("id-4999"))
  }
}
