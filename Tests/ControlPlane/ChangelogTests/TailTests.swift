import Changelog
import Domain
import Foundation
import Logging
import Synchronization
import Testing

@Suite struct TailTests {
  /// A store in memory; it may be put back to an older one.
  private final class Store: Sendable {
    struct State {
      var incarnation = UUID()
      var commits: [Commit] = []
      var failures = 0
      var pruned = 0
      /// Commits up to this one may have lost a part.
      var folded = 0
    }

    struct Away: Error {}

    let state = Mutex(State())

    func add(_ count: Int) {
      state.withLock { state in
        for _ in 0 ..< count {
          state.commits.append(
            Commit(
              revision: Revision(Int64(state.commits.count + 1)),
              committedAt: Date(),
              resources: [],
              removed: []
            )
          )
        }
      }
    }

    var source: ChangelogTail.Source {
      ChangelogTail.Source(
        snapshot: {
          try self.fail()
          return self.state.withLock { state in
            let commit = Commit(
              revision: Revision(Int64(state.commits.count)),
              committedAt: Date(),
              resources: [],
              removed: []
            )
            return (state.incarnation, commit, [])
          }
        },
        wait: { after in
          try self.fail()
          while self.state.withLock({ $0.commits.count }) == Int(after.value) {
            try await Task.sleep(for: .milliseconds(1))
          }
          return self.state.withLock { state in
            StorePosition(
              incarnation: state.incarnation,
              revision: Revision(Int64(state.commits.count))
            )
          }
        },
        commits: { after in
          try self.fail()
          return self.state.withLock { state in
            if after.value < state.folded { return (state.incarnation, []) }
            return (
              state.incarnation,
              Array(state.commits.dropFirst(max(state.pruned, Int(after.value))).prefix(3))
            )
          }
        }
      )
    }

    private func fail() throws {
      let fails = state.withLock { state in
        state.failures -= 1
        return state.failures >= 0
      }
      if fails { throw Away() }
    }
  }

  private func follow(_ store: Store, _ body: (ChangelogHub) async throws -> Void) async throws {
    let hub = ChangelogHub()
    let tail = ChangelogTail(source: store.source, hub: hub, logger: Logger(label: "tail-tests"))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await tail.run() }
      try await body(hub)
      group.cancelAll()
    }
  }

  private func reach(_ hub: ChangelogHub, _ revision: Int64) async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while hub.revision != Revision(revision) {
      try #require(ContinuousClock.now < deadline, "at \(hub.revision ?? .zero)")
      try await Task.sleep(for: .milliseconds(1))
    }
  }

  @Test func `follows commit after commit, over failures of the store`() async throws {
    let store = Store()
    store.add(4)
    try await follow(store) { hub in
      try await reach(hub, 4)
      store.state.withLock { $0.failures = 2 }
      store.add(10)
      try await reach(hub, 14)
      #expect(hub.committedAt(Revision(14)) != nil)
    }
  }

  @Test func `starts over from a snapshot when commits were pruned`() async throws {
    let store = Store()
    store.add(2)
    try await follow(store) { hub in
      try await reach(hub, 2)
      store.state.withLock { $0.pruned = 8 }
      store.add(10)
      try await reach(hub, 12)
      #expect(hub.committedAt(Revision(5)) == nil)
    }
  }

  @Test func `starts over from a snapshot when the retention has folded what it lacks`()
    async throws
  {
    let store = Store()
    store.add(2)
    try await follow(store) { hub in
      try await reach(hub, 2)
      store.state.withLock { $0.folded = 9 }
      store.add(10)
      try await reach(hub, 12)
      // It came as a state, not as a commit that may have lost a part.
      #expect(hub.committedAt(Revision(12)) == nil)
      store.add(1)
      try await reach(hub, 13)
      #expect(hub.committedAt(Revision(13)) != nil)
    }
  }

  @Test func `starts over when the database is another one that has already gone further`()
    async throws
  {
    let store = Store()
    store.add(3)
    try await follow(store) { hub in
      try await reach(hub, 3)
      let other = UUID()
      store.state.withLock { $0.incarnation = other }
      store.add(2)
      try await reach(hub, 5)
      #expect(hub.configuration?.incarnation == other)
    }
  }

  @Test func `starts over when the database is another one`() async throws {
    let store = Store()
    store.add(9)
    try await follow(store) { hub in
      try await reach(hub, 9)
      let other = UUID()
      store.state.withLock { state in
        state.incarnation = other
        state.commits.removeLast(6)
      }
      try await reach(hub, 3)
      #expect(hub.configuration?.incarnation == other)
    }
  }
}
