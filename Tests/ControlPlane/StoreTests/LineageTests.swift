import Changelog
import Compiler
import Domain
import Foundation
import Postgres
import PostgresSupport
import Store
import Synchronization
import Testing

/// What those that run beside each other share.
private final class Race: Sendable {
  let isOver = Mutex(false)
  let starts = Mutex<[(base: Commit, recent: [Commit])]>([])
}

@Suite struct `The line of one past` {
  @Test func `keeps its incarnation over restarts, and gets another one in a copy`() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let first = try await store.incarnation()
      #expect(try await !store.attach())
      #expect(try await !store.attach())
      #expect(try await store.incarnation() == first)
      // As after a dump was restored, or a recovery to an earlier time: another table, another timeline.
      _ = try await fixture.owner.query(
        "update revision_line set lineage = replace(lineage, '/0000', '/0001')"
      )
      #expect(try await store.attach())
      let second = try await store.incarnation()
      #expect(second != first)
      #expect(try await !store.attach())
      #expect(try await store.incarnation() == second)
    }
  }

  @Test func `is named anew once, whoever notices that it was put back`() async throws {
    try await withStore { fixture in
      let first = try await fixture.store.incarnation()
      try await fixture.store.renew(first)
      let second = try await fixture.store.incarnation()
      #expect(second != first)
      try await fixture.store.renew(first)
      #expect(try await fixture.store.incarnation() == second)
    }
  }

  @Test func `tells of a commit here as it does to those who read it`() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let made = Mutex<[Commit]>([])
      store.whenCommitted { commit, _ in made.withLock { $0.append(commit) } }
      let shop = AuthoredShop(store)
      var documents = AuthoredShop.whole
      try await shop.apply(documents, source: "repo")
      for step in 0 ..< 8 {
        switch step % 4 {
        case 0:
          documents.append(
            AuthoredShop.binding("b-\(step)", human: "asha", host: "h\(step).example")
          )
        case 1: documents[1] = AuthoredShop.human("asha", "Asha \(step)")
        case 2:
          try await store.setTenantStatus(
            slug: "shop",
            status: step == 2 ? .paused : .active,
            author: "tests",
            reason: ""
          )
        default: documents.removeLast()
        }
        if step % 4 != 2 {
          try await shop.apply(documents, source: "repo", prune: .init(isConfirmed: true))
        }
      }
      let read = try await store.commits(after: .zero, limit: 1000)
      let told = made.withLock { $0 }
      #expect(told.map(\.revision) == read.map(\.revision))
      #expect(told.count > 7)
      let incarnation = try await store.incarnation()
      var one = ConfigState(incarnation: incarnation, revision: .zero, resources: [])
      var other = one
      for (mine, stored) in zip(told, read) {
        #expect(mine.committedAt == stored.committedAt)
        #expect(one.holdsSections(of: mine))
        let (myKeys, mySwitches) = one.fold(mine)
        let (keys, switches) = other.fold(stored)
        #expect(Set(myKeys) == Set(keys), "revision \(stored.revision)")
        #expect(mySwitches == switches, "revision \(stored.revision)")
      }
      #expect(one.count == other.count)
      for key in read.flatMap(\.resources).map(\.key) {
        #expect(one[key]?.resource == other[key]?.resource)
      }
    }
  }

  @Test func `a start beside commits and prunings loses no deletion`() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let shop = AuthoredShop(store)
      try await shop.apply(AuthoredShop.whole, source: "repo")
      _ = try await store.setRetention(keepDays: 1, keepRevisions: 3, author: "tests", reason: "")
      let gone = AuthoredShop.binding("gone", human: "asha", host: "gone.example")
      let race = Race()
      var seen: [Revision: Set<ResourceKey>] = [:]
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          while !race.isOver.withLock({ $0 }) {
            // Commits are never changed, but by who may put the trigger aside.
            try await fixture.owner.withTransaction(
              settings: ["session_replication_role": "replica"]
            ) {
              _ = try await $0.execute(
                """
                update commits set committed_at = now() - interval '9 days'
                where committed_at > now() - interval '2 days'
                """
              )
            }
            _ = try await store.pruneHistory(dryRun: false)
          }
        }
        group.addTask {
          while !race.isOver.withLock({ $0 }) {
            let (_, base, recent) = try await store.recentSnapshot()
            race.starts.withLock { $0.append((base, recent)) }
          }
        }
        for step in 0 ..< 30 {
          let documents = step.isMultiple(of: 2) ? [gone] : []
          try await shop.apply(
            AuthoredShop.whole + documents,
            source: "repo",
            prune: .init(isConfirmed: true)
          )
          let commit = try await store.fullSnapshot().commit
          seen[commit.revision] = Set(commit.resources.map(\.key))
        }
        race.isOver.withLock { $0 = true }
        try await group.waitForAll()
      }
      let made = race.starts.withLock { $0 }
      #expect(made.contains { !$0.recent.isEmpty })
      for (base, recent) in made {
        if let keys = seen[base.revision] { #expect(Set(base.resources.map(\.key)) == keys) }
        #expect(recent.first.map(\.revision) ?? base.revision.next == base.revision.next)
      }
    }
  }
}
