import Compiler
import Domain
import Foundation
import Postgres
import Publishing
import Store
import Testing

@Suite struct `The past` {
  /// Random edits, deletions, returns and switches; what was seen after each revision, by revision.
  private func live(
    _ shop: AuthoredShop,
    steps: Int,
    _ random: inout SeededGenerator
  ) async throws -> [Revision: Past] {
    var documents = AuthoredShop.whole
    try await shop.apply(documents, source: "repo")
    var seen: [Revision: Past] = [Revision(1): try await shop.state()]
    for step in 0 ..< steps {
      switch Int.random(in: 0 ..< 6, using: &random) {
      case 0:
        let statuses: [TenantStatus] = [.active, .paused, .archived]
        try await shop.store.setTenantStatus(
          slug: "shop",
          status: statuses[Int.random(in: 0 ..< 3, using: &random)],
          author: "tests",
          reason: ""
        )
      case 1 where documents.count > AuthoredShop.whole.count:
        documents.removeLast()
        try await shop.apply(documents, source: "repo", prune: .init(isConfirmed: true))
      case 2, 3:
        let slug = "b-\(Int.random(in: 0 ..< 3, using: &random))"
        documents.removeAll { $0.key.slug == slug }
        let host = "h\(Int.random(in: 0 ..< 50, using: &random)).\(slug).example"
        documents.append(AuthoredShop.binding(slug, human: "asha", host: host))
        try await shop.apply(documents, source: "repo")
      default:
        documents[1] = AuthoredShop.human("asha", "Asha \(step)")
        try await shop.apply([documents[1]], source: "repo")
      }
      seen[try await shop.store.currentRevision()] = try await shop.state()
    }
    return seen
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func `of every revision is read back as it was seen`(seed: UInt64) async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      var random = SeededGenerator(seed: seed)
      let seen = try await live(shop, steps: 24, &random)
      #expect(seen.count > 10)
      for (revision, past) in seen {
        #expect(try await shop.state(at: revision) == past, "revision \(revision)")
        for key in seen.values.reduce(into: Set<ObjectKey>(), { $0.formUnion($1.objects.keys) }) {
          let object = try await shop.store.object(key, at: revision)
          #expect(object?.version == past.objects[key]?.version, "\(key) at \(revision)")
        }
      }
      let newest = try await shop.store.currentRevision()
      await #expect(throws: StoreError.unknownRevision(newest.next, newest: newest)) {
        try await shop.store.list(kind: .human, at: newest.next)
      }
      let pages = try await shop.store.list(kind: .binding, at: newest, limit: 1)
      let rest = try await shop.store.list(kind: .binding, at: newest, after: pages.last?.key)
      #expect((pages + rest).map(\.key) == (try await shop.store.list(kind: .binding)).map(\.key))
    }
  }

  @Test(arguments: [4, 5] as [UInt64])
  func `is kept as the retention says: kept revisions whole, older ones told to be gone`(
    seed: UInt64
  ) async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      let store = fixture.store
      var random = SeededGenerator(seed: seed)
      let seen = try await live(shop, steps: 30, &random)
      let newest = try await store.currentRevision()
      // As delivered nothing goes but sections that nothing has ever named.
      let none = try await store.pruneHistory(dryRun: false)
      #expect(none.versions == 0 && none.changes == 0 && none.oldest == .zero)
      try await fixture.age(upTo: Revision(newest.value - 4))
      let retention = try await store.setRetention(
        keepDays: 1,
        keepRevisions: 2,
        author: "tests",
        reason: "policy"
      )
      #expect(retention.changedBy == "tests" && retention.oldest == .zero)
      let snapshot = try await store.fullSnapshot().commit.resources
      let counted = try await store.pruneHistory(dryRun: true)
      #expect(try await store.retention().oldest == .zero)
      #expect(try await shop.state(at: Revision(1)) == seen[Revision(1)])
      // In batches of a few rows, between any two of which what is kept is whole.
      let removed = try await store.pruneHistory(dryRun: false, batch: 3)
      #expect(removed == counted && removed.versions > 0 && removed.changes > 0)
      // The one that was in force a day ago is the oldest that is kept.
      #expect(removed.oldest == Revision(newest.value - 4))
      for (revision, past) in seen {
        if revision >= removed.oldest {
          #expect(try await shop.state(at: revision) == past, "revision \(revision)")
        } else {
          await #expect(throws: StoreError.revisionGone(revision, oldest: removed.oldest)) {
            try await shop.state(at: revision)
          }
        }
      }
      #expect(try await store.fullSnapshot().commit.resources == snapshot)
      // Who was away for longer must not fold what has lost a part.
      await #expect(throws: StoreError.revisionGone(.zero, oldest: removed.oldest)) {
        try await store.commits(after: .zero)
      }
      #expect(try await store.commits(after: removed.oldest).count == 4)
      let again = try await store.pruneHistory(dryRun: false)
      #expect(again.versions == 0 && again.changes == 0 && again.sections == 0)
      // Life goes on, with what the pruning left.
      let applied = try await shop.apply([AuthoredShop.human("asha", "After")], source: "repo")
      #expect(applied.revision == newest.next)
      #expect(try await shop.state(at: newest.next) == (try await shop.state()))
    }
  }

  @Test func `sections that a concurrent publication needs survive the pruning`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(AuthoredShop.whole)
      _ = try await fixture.store.setRetention(
        keepDays: 1,
        keepRevisions: 1,
        author: "",
        reason: ""
      )
      // Two contents in turn: each publication needs a section that the one before left unnamed.
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for turn in 0 ..< 30 {
            try await shop.apply([AuthoredShop.human("asha", turn % 2 == 0 ? "A" : "B")])
          }
        }
        group.addTask {
          for _ in 0 ..< 30 {
            try await fixture.age(upTo: try await fixture.store.currentRevision())
            _ = try await fixture.store.pruneHistory(dryRun: false)
          }
        }
        try await group.waitForAll()
      }
      let commit = try await fixture.store.fullSnapshot().commit
      let sections = Set(
        commit.resources.compactMap { resource -> Digest? in
          if case .section(let section) = resource { section.digest } else { nil }
        }
      )
      for case .binding(let binding) in commit.resources {
        #expect(sections.isSuperset(of: binding.sectionDigests))
      }
    }
  }
}

extension StoreFixture {
  /// Makes commits two days old, as only the superuser can.
  func age(upTo revision: Revision) async throws {
    try await owner.withTransaction { connection in
      try await connection.execute("set local session_replication_role = replica")
      try await connection.execute(
        """
        update commits set committed_at = now() - interval '2 days'
        where revision <= \(revision.value) and committed_at > now() - interval '1 day'
        """
      )
    }
  }
}
