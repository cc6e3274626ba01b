import Compiler
import Domain
import Foundation
import Postgres
import Store
import Testing

@Suite struct `The retention` {
  /// Adds, edits and takes out again; what each revision looked like.
  private func live(_ shop: AuthoredShop) async throws -> [Revision: Past] {
    var seen: [Revision: Past] = [:]
    func see() async throws {
      seen[try await shop.store.currentRevision()] = try await shop.state()
    }
    try await shop.apply(AuthoredShop.whole, source: "repo")
    try await see()
    for turn in 0 ..< 6 {
      let extra = AuthoredShop.binding("b", human: "asha", host: "h\(turn).example")
      let human = AuthoredShop.human("asha", "Asha \(turn)")
      let edited = AuthoredShop.whole.map { $0.key == human.key ? human : $0 }
      try await shop.apply(edited + [extra], source: "repo")
      try await see()
      try await shop.apply(edited, source: "repo", prune: .init(isConfirmed: true))
      try await see()
    }
    return seen
  }

  @Test func `removes batch by batch, and what is kept is whole between any two`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      let seen = try await live(shop)
      let newest = try await fixture.store.currentRevision()
      try await fixture.age(upTo: Revision(newest.value - 2))
      _ = try await fixture.store.setRetention(
        keepDays: 1,
        keepRevisions: 1,
        author: "tests",
        reason: ""
      )
      var batches = 0
      var isDone = false
      while !isDone {
        batches += 1
        let rows = try await fixture.store.app.query(
          "select oldest, done from prune_history_batch(3)"
        )
        isDone = try rows[0].decode("done")
        let oldest = Revision(try rows[0].decode("oldest"))
        #expect(oldest == Revision(newest.value - 2))
        for (revision, past) in seen where revision >= oldest {
          #expect(try await shop.state(at: revision) == past, "\(revision), batch \(batches)")
        }
        try #require(batches < 1_000)
      }
      #expect(batches > 3)
    }
  }

  @Test func `tells of a version that is gone, and compares those that are kept`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      _ = try await live(shop)
      let store = fixture.store
      let key = ObjectKey(kind: .human, tenant: "shop", slug: "asha")
      let newest = try #require(try await store.history(of: key, limit: 1).first).version
      try await fixture.age(upTo: try await store.currentRevision())
      _ = try await store.setRetention(keepDays: 1, keepRevisions: 1, author: "", reason: "")
      _ = try await store.pruneHistory(dryRun: false, batch: 2)
      await #expect(throws: StoreError.unknownVersion(key, 1, newest: newest)) {
        try await store.version(1, of: key)
      }
      #expect(try await store.version(newest, of: key).spec != nil)
      try await shop.apply([AuthoredShop.human("asha", "Anew")], source: "repo")
      #expect(try await store.version(newest + 1, of: key).spec?["display_name"] == "Anew")
    }
  }

  @Test func `keeps the audit log for ever unless it is told otherwise, and tells what it removes`()
    async throws
  {
    try await withStore { fixture in
      let (shop, store) = (AuthoredShop(fixture.store), fixture.store)
      try await shop.apply(AuthoredShop.whole)
      func log() async throws -> [AuditEntry] {
        try await store.auditLog(AuditFilter(), in: .everything)
      }
      let before = try await log().count
      try await fixture.owner.withTransaction {
        try await $0.execute("set local session_replication_role = replica")
        try await $0.execute("update audit_log set at = at - interval '40 days'")
      }
      #expect(try await store.pruneHistory(dryRun: false).auditEntries == 0)
      await #expect(throws: PostgresError.self) {
        try await store.setRetention(
          keepDays: 0,
          keepRevisions: 1_000,
          auditKeepDays: 29,
          author: "",
          reason: ""
        )
      }
      let set = try await store.setRetention(
        keepDays: 0,
        keepRevisions: 1_000,
        auditKeepDays: 30,
        author: "tests",
        reason: "policy"
      )
      #expect(set.auditKeepDays == 30)
      // What does not name it leaves it.
      let kept = try await store.setRetention(
        keepDays: 0,
        keepRevisions: 900,
        author: "tests",
        reason: "policy"
      )
      #expect(kept.auditKeepDays == 30)
      let removed = try await store.pruneHistory(dryRun: false, batch: 3)
      #expect(removed.auditEntries >= Int64(before) && removed.versions == 0)
      let left = try await log()
      #expect(left.allSatisfy { $0.objectKind == "Retention" })
      #expect(left.contains { $0.action == "update" && $0.object == "audit log" })
      let told = left.filter { $0.action == "prune" && $0.object == "audit log" }
      #expect(told.allSatisfy { $0.actor == "system" })
      let sum = told.compactMap { Int64($0.detail.prefix { $0.isNumber }) }.reduce(0, +)
      #expect(sum == removed.auditEntries)
    }
  }
}
