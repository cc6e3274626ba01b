import Compiler
import Domain
import Foundation
import Postgres
import Publishing
import Store
import Testing

@Suite struct `Versions` {
  let asha = AuthoredShop.key(.human, "asha")

  @Test func `every edit is a row with author, reason, source and revision`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(AuthoredShop.whole, source: "repo", reason: "the beginning")
      try await shop.apply([AuthoredShop.human("asha", "Asha Two")], source: "repo", reason: "two")
      let history = try await fixture.store.history(of: asha)
      #expect(history.map(\.version) == [2, 1])
      #expect(history.map(\.reason) == ["two", "the beginning"])
      #expect(history.map(\.revision) == [Revision(2), Revision(1)])
      #expect(history.allSatisfy { $0.author == "tests" && $0.source == "repo" })
      #expect(history.map { $0.spec?["display_name"] } == ["Asha Two", "Asha"])
      for document in AuthoredShop.whole {
        #expect(try await fixture.store.version(1, of: document.key).spec == document.spec)
      }
      #expect(try await fixture.store.history(of: asha, before: 2).map(\.version) == [1])
      await #expect(throws: StoreError.unknownVersion(asha, 7, newest: 2)) {
        try await fixture.store.version(7, of: asha)
      }
    }
  }

  @Test func `the daemon's role can't change or delete a version, nobody can change one`()
    async throws
  {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(AuthoredShop.whole)
      let tenant = try #require(try await fixture.store.tenantID(slug: "shop"))
      let statements: [SQL] = [
        "update tier_config_versions set config = '{}'", "delete from tier_config_versions",
        "update object_versions set config = '{}'", "delete from object_versions",
        "update commits set author = 'x'", "delete from commits",
        "update changelog set op = 'put'", "delete from changelog",
        "delete from tenants", "delete from humans", "delete from agent_bindings",
        "truncate tier_config_versions", "update history_retention set oldest_revision = 9",
      ]
      for statement in statements {
        let error = await #expect(throws: PostgresError.self, "\(statement.text)") {
          try await fixture.store.app.withTransaction(settings: Store.settings(for: tenant)) {
            try await $0.execute(statement)
          }
        }
        #expect(error?.sqlState == PostgresError.State.insufficientPrivilege)
      }
      for table in ["tier_config_versions", "object_versions", "commits", "changelog"] {
        let error = await #expect(throws: PostgresError.self) {
          try await fixture.owner.execute(
            SQL(unsafeRaw: "update \(table) set commit_id = commit_id")
          )
        }
        #expect(error?.constraint == "\(table)_immutable")
      }
      #expect(try await fixture.store.history(of: asha).count == 1)
    }
  }

  @Test func `a write against an old version is refused with both, and changes nothing`()
    async throws
  {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(AuthoredShop.whole)
      try await shop.apply([AuthoredShop.human("asha", "First")], expected: [asha: 1])
      let before = try await shop.state()
      await #expect(throws: StoreError.stale(asha, expected: 1, found: 2)) {
        try await shop.apply([AuthoredShop.human("asha", "Second")], expected: [asha: 1])
      }
      // What is to be there and is not, and the other way round.
      let nobody = AuthoredShop.key(.human, "nobody")
      await #expect(throws: StoreError.stale(nobody, expected: 3, found: 0)) {
        try await shop.apply([AuthoredShop.human("nobody", "N")], expected: [nobody: 3])
      }
      await #expect(throws: StoreError.stale(asha, expected: 0, found: 2)) {
        try await shop.apply([AuthoredShop.human("asha", "Third")], expected: [asha: 0])
      }
      #expect(try await shop.state() == before)
      #expect(try await fixture.store.currentRevision() == Revision(2))
    }
  }

  @Test func `of many appliers that saw one version exactly one wins, the others learn of it`()
    async throws
  {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(AuthoredShop.whole)
      for round in Int32(1) ... 5 {
        let refused = try await withThrowingTaskGroup(of: StoreError?.self) { group in
          for applier in 0 ..< 6 {
            group.addTask {
              do {
                try await shop.apply(
                  [AuthoredShop.human("asha", "Round \(round) of \(applier)")],
                  expected: [asha: round]
                )
                return nil
              } catch let error as StoreError {
                return error
              }
            }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(refused.count { $0 == nil } == 1)
        #expect(
          refused.compactMap(\.self)
            == Array(repeating: .stale(asha, expected: round, found: round + 1), count: 5)
        )
      }
      #expect(try await fixture.store.history(of: asha).map(\.version) == [6, 5, 4, 3, 2, 1])
      #expect(try await fixture.store.currentRevision() == Revision(6))
    }
  }

  @Test func `a rollback is a new version with the old content, and comes back to what composes`()
    async throws
  {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(AuthoredShop.whole, source: "repo")
      try await shop.apply([AuthoredShop.human("asha", "Other")], source: "repo")
      func back(
        _ key: ObjectKey,
        to version: Int32,
        expected: Int32? = nil
      ) async throws
        -> Publisher.Outcome
      {
        try await shop.publisher.rollBack(
          key,
          to: version,
          expected: expected,
          author: "operator",
          reason: "",
          dryRun: false
        )
      }
      let outcome = try await back(asha, to: 1, expected: 2)
      #expect(outcome.stored && outcome.plan.recompiled.map(\.slug) == ["main"])
      let object = try #require(try await fixture.store.object(asha))
      #expect(object.version == 3 && object.source == "repo")
      #expect(object.spec == AuthoredShop.human("asha", "Asha").spec)
      let newest = try #require(try await fixture.store.history(of: asha, limit: 1).first)
      #expect(newest.author == "operator" && newest.reason == "rollback to version 1")
      // Twice is no change; against an old version it is refused.
      #expect(try await back(asha, to: 1).stored == false)
      await #expect(throws: StoreError.stale(asha, expected: 2, found: 3)) {
        try await back(asha, to: 2, expected: 2)
      }
      // The team's first version named one member; the binding's human is another by now.
      try await shop.apply(
        [
          AuthoredShop.human("ravi", "Ravi"),
          AuthoredShop.document(.team, "desk", ["members": ["asha", "ravi"]]),
          AuthoredShop.binding("main", human: "ravi", host: "shop.example"),
        ],
        source: "repo"
      )
      let before = try await shop.state()
      let refused = try await back(AuthoredShop.key(.team, "desk"), to: 1)
      #expect(!refused.stored)
      #expect(refused.plan.diagnostics.map(\.code) == ["BND_HUMAN_NOT_IN_TEAM"])
      #expect(try await shop.state() == before)
    }
  }

  @Test func `what was deleted comes back with its id, and its versions go on`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      let main = AuthoredShop.key(.binding, "main")
      try await shop.apply(AuthoredShop.whole, source: "repo")
      let id = try await fixture.store.object(main)?.id
      let without = AuthoredShop.whole.filter { $0.key != main }
      let gone = try await shop.apply(without, source: "repo", prune: .init())
      #expect(gone.plan.changes.first { $0.action == .delete }?.key == main)
      #expect(try await fixture.store.object(main) == nil)
      #expect(try await fixture.store.routes() == [])
      #expect(try await fixture.store.fullSnapshot().commit.resources.map(\.key).count == 1)
      let deleted = try #require(try await fixture.store.history(of: main).first)
      #expect(deleted.version == 2 && deleted.spec == nil)
      await #expect(throws: RollbackRefusal.self) {
        try await shop.publisher.rollBack(
          main,
          to: 2,
          expected: nil,
          author: "",
          reason: "",
          dryRun: false
        )
      }
      // Deleted it is at version 2, also for who has seen version 1 last.
      await #expect(throws: StoreError.stale(main, expected: 1, found: 2)) {
        try await shop.publisher.rollBack(
          main,
          to: 1,
          expected: 1,
          author: "",
          reason: "",
          dryRun: false
        )
      }
      _ = try await shop.publisher.rollBack(
        main,
        to: 1,
        expected: nil,
        author: "",
        reason: "",
        dryRun: false
      )
      let back = try #require(try await fixture.store.object(main))
      #expect(back.id == id && back.version == 3 && back.source == "repo")
      #expect(try await fixture.store.routes().map(\.key) == ["shop.example"])
      #expect(try await fixture.store.object(main, at: Revision(2)) == nil)
      #expect(try await fixture.store.object(main, at: Revision(1))?.version == 1)
    }
  }

  @Test func `what came after the plan is not deleted with it`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(AuthoredShop.whole, source: "repo")
      let seen = Dictionary(uniqueKeysWithValues: AuthoredShop.whole.map { ($0.key, Int32(1)) })
      let late = AuthoredShop.human("late", "Late")
      try await shop.apply([late], source: "repo")
      await #expect(throws: StoreError.stale(late.key, expected: 0, found: 1)) {
        try await shop.apply(
          AuthoredShop.whole,
          expected: seen,
          source: "repo",
          prune: .init(isConfirmed: true)
        )
      }
      #expect(try await fixture.store.object(late.key) != nil)
    }
  }

  @Test func `another tenant's source of the same label is not pruned`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(AuthoredShop.whole, source: "config")
      let theirs = [
        AuthoredDocument(
          key: ObjectKey(kind: .tenant, tenant: "other", slug: "other"),
          spec: ["display_name": "Other"],
          source: "other.yaml:1"
        ),
        AuthoredDocument(
          key: ObjectKey(kind: .human, tenant: "other", slug: "ravi"),
          spec: ["display_name": "Ravi", "languages": ["en"]],
          source: "other.yaml:5"
        ),
      ]
      try await shop.apply(theirs, source: "config")
      let more = AuthoredShop.human("late", "Late")
      try await shop.apply([more], source: "config")
      let pruned = try await shop.apply(
        AuthoredShop.whole,
        source: "config",
        prune: .init(isConfirmed: true)
      )
      #expect(pruned.plan.changes.filter { $0.action == .delete }.map(\.key) == [more.key])
      #expect(try await fixture.store.object(theirs[1].key) != nil)
      // Where no file names the tenant any more, it is named for the pruning.
      let named = try await shop.apply(
        AuthoredShop.whole,
        source: "config",
        prune: .init(isConfirmed: true, tenants: ["other"])
      )
      #expect(named.plan.changes.filter { $0.action == .delete }.map(\.key) == [theirs[1].key])
    }
  }

  @Test func `of sources that claim an object at once one gets it, the others are refused`()
    async throws
  {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(AuthoredShop.whole)
      let outcomes = try await withThrowingTaskGroup(of: (String, [String]).self) { group in
        for index in 0 ..< 5 {
          group.addTask {
            let source = "source-\(index)"
            let plan = try await shop.apply(AuthoredShop.whole, source: source).plan
            return (source, plan.diagnostics.map(\.code))
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      let winners = outcomes.filter { $0.1.isEmpty }.map(\.0)
      #expect(winners.count == 1)
      let refusal = Array(repeating: "CFG_OTHER_SOURCE", count: 5)
      #expect(outcomes.filter { !$0.1.isEmpty }.map(\.1) == Array(repeating: refusal, count: 4))
      let objects = try await shop.objects()
      #expect(objects.allSatisfy { $0.source == winners.first })
    }
  }

  @Test func `a change of owner alone makes no version and no revision`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(AuthoredShop.whole)
      let outcome = try await shop.apply(AuthoredShop.whole, source: "repo")
      #expect(outcome.stored && outcome.plan.changes.allSatisfy { $0.action == .adopt })
      #expect(try await fixture.store.currentRevision() == Revision(1))
      let objects = try await shop.objects()
      #expect(objects.allSatisfy { $0.source == "repo" && $0.version == 1 })
      let past = try await fixture.store.list(kind: .human, at: Revision(1))
      #expect(past.map(\.source) == ["repo"])
    }
  }
}
