internal import Domain
internal import Foundation
internal import Logging
internal import Store
internal import Synchronization

/// Following the database: one read at a time, for all who ask for one.
extension AccessRoster {
  /// Reads the tokens anew; what ended with them is told to those who wait for it.
  package func refresh() async throws {
    let number = state.withLock { state in
      state.reads.asked += 1
      return state.reads.asked
    }
    while true {
      switch state.withLock({ $0.reads.turn(of: number) }) {
      case .answered: return
      case .failed(let error): throw error
      case .read(let last): return try await read(upTo: last)
      case .wait(let ended):
        for await _ in ended {}
        try Task.checkCancellation()
      }
    }
  }

  /// Who ever asked for a read.
  var askers: Int { state.withLock { $0.reads.asked } }

  private func read(upTo last: Int) async throws {
    do {
      let content = try await source.content()
      take(content)
      end(of: last, with: nil)
    } catch {
      // Who gave up says nothing to the others; one of them reads.
      end(of: Task.isCancelled ? 0 : last, with: error)
      throw error
    }
    endLapsed()
  }

  private func end(of last: Int, with error: (any Error)?) {
    let waiting = state.withLock { state in
      state.reads.isUnderWay = false
      if let error {
        state.reads.failed = (max(last, state.reads.failed?.upTo ?? 0), error)
      } else {
        state.reads.answered = last
      }
      defer { state.reads.waiting = [] }
      return state.reads.waiting
    }
    for ring in waiting { ring.finish() }
  }

  private func take(_ content: Source.Content) {
    state.withLock { state in
      // It may be less than before: a database that was restored, or whose standby has taken over.
      state.version = content.version
      state.unknown = []
      state.byHash = Dictionary(
        content.tokens.map { ($0.hash, $0) },
        uniquingKeysWith: { first, _ in first }
      )
      state.byID = Dictionary(
        content.tokens.map { ($0.id, $0) },
        uniquingKeysWith: { first, _ in first }
      )
      state.slugs = content.slugs
    }
  }

  /// Like `refresh`, after a change that is stored already: without the database the change takes effect
  /// here a little later, when the tokens are read again.
  package func refreshSoon() async {
    do {
      try await refresh()
    } catch {
      state.withLock { $0.version = -1 }
      logger.warning("access tokens can't be read anew yet", error)
    }
  }

  /// Follows changes until cancelled. While the database is away what was known stays in force, and
  /// tokens still expire.
  package func run() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        while true {
          try await Task.sleep(for: self.interval)
          self.endLapsed()
        }
      }
      group.addTask { try await self.noteUses() }
      group.addTask {
        while true {
          try await Task.sleep(for: self.interval)
          await self.follow()
        }
      }
      try await group.next()
    }
  }

  private func follow() async {
    do {
      let version = try await source.version()
      if version != state.withLock({ $0.version }) { try await refresh() }
    } catch {
      if Task.isCancelled { return }
      logger.warning("access tokens can't be read; the last known ones hold", error)
    }
  }

  private func noteUses() async throws {
    while true {
      try await Task.sleep(for: Self.useInterval)
      forgetEnded()
      let used = state.withLock { state in
        defer { state.used = [] }
        return Dictionary(grouping: state.used.compactMap { state.byID[$0] }, by: \.tenant)
      }
      for (tenant, tokens) in used {
        do {
          try await source.noteUse(tokens.map(\.id), tenant)
        } catch {
          if Task.isCancelled { throw error }
          logger.warning("the use of access tokens could not be noted", error)
        }
      }
    }
  }

  /// Where nothing changes nothing is read anew, and tokens expire all the same.
  func forgetEnded() {
    let limit = now() - Self.memory
    state.withLock { state in
      let gone = state.byID.values.filter { min($0.revokedAt, $0.expiresAt) < limit }
      for token in gone {
        state.byID[token.id] = nil
        state.byHash[token.hash] = nil
      }
    }
  }

  private func min(_ a: Date?, _ b: Date?) -> Date {
    Swift.min(a ?? .distantFuture, b ?? .distantFuture)
  }
}

extension AccessRoster.Reads {
  fileprivate mutating func turn(of number: Int) -> AccessRoster.Turn {
    if answered >= number { return .answered }
    if let failed, failed.upTo >= number { return .failed(failed.error) }
    guard isUnderWay else {
      isUnderWay = true
      return .read(asked)
    }
    let (ended, ring) = AsyncStream.makeStream(of: Void.self)
    waiting.append(ring)
    return .wait(ended)
  }
}

extension Logger {
  fileprivate func warning(_ message: Message, _ error: any Error) {
    warning(message, metadata: ["error": "\(error)"])
  }
}
