import Compiler
import Domain
import Foundation
import Postgres
import Publishing
import Store
import Testing

@Suite struct `Rollouts in the database` {
  private static let half = RolloutStrategy(steps: [
    RolloutStep(
      basisPoints: 5_000,
      audience: Audience(regions: ["south"], labels: ["canary": "yes"]),
      holdMS: 60_000
    ),
    RolloutStep(basisPoints: 10_000, holdMS: 0),
  ])

  /// A shop with two bindings of asha.
  private func shop(_ fixture: StoreFixture) async throws -> AuthoredShop {
    let shop = AuthoredShop(fixture.store)
    try await shop.apply(
      AuthoredShop.whole + [AuthoredShop.binding("second", human: "asha", host: "two.example")]
    )
    return shop
  }

  @discardableResult
  private func create(
    _ shop: AuthoredShop,
    _ documents: [AuthoredDocument] = [AuthoredShop.human("asha", "Asha the new")],
    name: String = "",
    dryRun: Bool = false
  ) async throws -> RolloutOutcome {
    try await shop.publisher.createRollout(
      documents,
      strategy: Self.half,
      name: name,
      options: ApplyOptions(author: "tests", reason: "warmer"),
      dryRun: dryRun
    )
  }

  private func rollout(
    _ shop: AuthoredShop,
    _ name: String = "asha-v2"
  ) async throws
    -> RolloutRecord
  {
    try await shop.store.rollout(tenant: "shop", name: name)
  }

  private func bindings(_ shop: AuthoredShop) async throws -> [BindingResource] {
    try await shop.store.fullSnapshot().commit.resources.compactMap {
      if case .binding(let binding) = $0 { binding } else { nil }
    }
  }

  private func candidates(_ shop: AuthoredShop) async throws -> [CandidateResource] {
    try await shop.store.fullSnapshot().commit.resources.compactMap {
      if case .candidate(let candidate) = $0 { candidate } else { nil }
    }
  }

  private func code(_ body: () async throws -> Void) async -> String? {
    do {
      try await body()
      return nil
    } catch let error as StoreError {
      return error.code
    } catch let error as RolloutRefusal {
      return error.code
    } catch {
      return "\(error)"
    }
  }

  @Test func `stand beside the bindings, which stay what they were, and end with them`()
    async throws
  {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      let before = try await bindings(shop)
      let made = try await create(shop)
      #expect(made.name == "asha-v2" && made.bindings.map(\.slug) == ["main", "second"])
      #expect(try await bindings(shop) == before)
      let first = try await candidates(shop)
      #expect(first.count == 2 && first.allSatisfy { $0.basisPoints == 5_000 })
      #expect(first.allSatisfy { $0.audience == Self.half.steps[0].audience })
      // The tier's version is the newest; a node can be given both arms from one snapshot.
      #expect(try await shop.store.object(AuthoredShop.key(.human, "asha"))?.version == 2)
      let sections = Set(
        try await shop.store.fullSnapshot().commit.resources.compactMap {
          if case .section(let section) = $0 { section.digest } else { nil }
        }
      )
      #expect(
        sections.isSuperset(
          of: (before.flatMap(\.sectionDigests) + first.flatMap(\.sectionDigests))
        )
      )

      let running = try await rollout(shop)
      #expect(running.state == .running && running.step == 0 && running.bindingCount == 2)
      let second = try #require(
        try await shop.store.change(running, .advance(1), author: "t", reason: "")
      )
      #expect(
        try await candidates(shop).allSatisfy { $0.basisPoints == 10_000 && $0.audience.isEveryone }
      )
      let advanced = try await rollout(shop)
      #expect(advanced.step == 1 && advanced.revision == second)
      try await shop.store.change(advanced, .promote, author: "t", reason: "")
      #expect(try await candidates(shop).isEmpty)
      let after = try await bindings(shop)
      #expect(Set(after.map(\.digest)) == Set(first.map(\.digest)))
      #expect(try await rollout(shop).state == .promoted)
      // What is stored is what would be compiled: nothing is left to do.
      let again = try await shop.apply([AuthoredShop.human("asha", "Asha the new")])
      #expect(!again.stored)
      try await shop.apply([AuthoredShop.human("asha", "Asha the newest")])
    }
  }

  @Test func `taken back leave the compiled form untouched, and bring the old words back`()
    async throws
  {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      let before = try await bindings(shop)
      for (change, state) in [
        (RolloutChange.abort, RolloutState.aborted),
        (.rollBack(code: "NODE_REJECTED", message: "node n1 refused it"), .rolledBack),
      ] {
        let name = try #require(try await create(shop).name)
        let running = try await rollout(shop, name)
        try await shop.store.change(running, change, author: "t", reason: "why")
        #expect(try await bindings(shop) == before)
        #expect(try await candidates(shop).isEmpty)
        let ended = try await rollout(shop, name)
        #expect(ended.state == state && ended.endedAt != nil)
        let object = try await shop.store.object(AuthoredShop.key(.human, "asha"))
        #expect(object?.spec["display_name"] == "Asha")
        let history = try await shop.store.history(of: AuthoredShop.key(.human, "asha"))
        #expect(history.first?.reason == "why" && history.first?.spec?["display_name"] == "Asha")
      }
      // The next change of something else does not bring the candidate back.
      try await shop.apply([
        AuthoredShop.document(.team, "desk", ["members": ["asha"], "sops": ["Greet."]])
      ])
      let names = try await shop.store.fullSnapshot().commit.resources.compactMap {
        if case .section(let section) = $0, section.kind == .human { section.content } else { nil }
      }
      #expect(names.count == 1 && !names[0].contains("the new"))
    }
  }

  @Test func `are one of each binding at a time, and nothing else gives it another form`()
    async throws
  {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop, name: "first")
      let before = try await bindings(shop)
      func tells(_ body: () async throws -> Void) async -> Bool {
        do {
          try await body()
        } catch let error as StoreError {
          return error.code == "UNDER_ROLLOUT" && error.description.contains("shop/first")
        } catch {}
        return false
      }
      // A second rollout of a binding, by whichever tier; an apply of tier or binding; a new binding
      // with the tier; a deletion; a rollback.
      let desk = AuthoredShop.document(.team, "desk", ["members": ["asha"], "sops": ["Greet."]])
      #expect(await tells { try await create(shop, [desk]) })
      #expect(await tells { try await create(shop, [desk], dryRun: true) })
      #expect(await tells { try await create(shop, [AuthoredShop.human("asha", "Third")]) })
      #expect(await tells { try await shop.apply([desk]) })
      #expect(await tells { try await shop.apply([AuthoredShop.human("asha", "Third")]) })
      #expect(
        await tells {
          try await shop.apply([AuthoredShop.binding("third", human: "asha", host: "3.example")])
        }
      )
      #expect(
        await tells {
          try await shop.apply([AuthoredShop.binding("main", human: "asha", host: "moved.example")])
        }
      )
      #expect(
        await tells {
          _ = try await shop.publisher.rollBack(
            AuthoredShop.key(.human, "asha"),
            to: 1,
            expected: nil,
            author: "t",
            reason: "",
            dryRun: false
          )
        }
      )
      #expect(try await bindings(shop) == before)
      // Whatever else there is goes on: switches, other tiers.
      try await shop.store.setTenantStatus(slug: "shop", status: .paused, author: "t", reason: "")
      try await shop.apply([AuthoredShop.human("ravi", "Ravi")])
      try await shop.store.setTenantStatus(slug: "shop", status: .active, author: "t", reason: "")
      #expect(
        await code { try await create(shop, [AuthoredShop.human("ravi", "R.")], name: "first") }
          == "ROLLOUT_UNUSED"
      )
    }
  }

  @Test func `leave their bindings to be switched on and off, and nothing else of them`()
    async throws
  {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop)
      let before = try await bindings(shop)
      let shown = try await candidates(shop)
      func second(active: Bool, host: String) -> AuthoredDocument {
        AuthoredShop.document(
          .binding,
          "second",
          [
            "human": "asha", "team": "desk", "agent": "runtime", "is_active": .bool(active),
            "routes": ["web": [.string(host)]],
          ]
        )
      }
      #expect(
        await code { try await shop.apply([second(active: false, host: "moved.example")]) }
          == "UNDER_ROLLOUT"
      )
      for active in [false, true, false] {
        let document = second(active: active, host: "two.example")
        let options = ApplyOptions(author: "tests", reason: "")
        _ = try await shop.publisher.apply([document], options: options, dryRun: true)
        #expect(try await shop.apply([document]).stored)
        let now = try await bindings(shop)
        #expect(now.count { !$0.isActive } == (active ? 0 : 1))
        #expect(Set(now.map(\.digest)) == Set(before.map(\.digest)))
        #expect(try await candidates(shop) == shown)
      }
      try await shop.store.change(try await rollout(shop), .promote, author: "t", reason: "")
      let after = try await bindings(shop)
      #expect(Set(after.map(\.digest)) == Set(shown.map(\.digest)))
      #expect(after.count { !$0.isActive } == 1)
    }
  }

  @Test func `refuse what they can't carry, and store nothing of it`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      let revision = try await shop.store.currentRevision()
      let asha = AuthoredShop.human("asha", "Asha the new")
      let foreign = AuthoredDocument(
        key: ObjectKey(kind: .human, tenant: "other", slug: "x"),
        spec: ["display_name": "X"],
        source: ""
      )
      for (documents, wanted) in [
        ([AuthoredShop.human("asha", "Asha")], "ROLLOUT_NO_CHANGE"),
        ([asha, AuthoredShop.human("new", "New")], "ROLLOUT_NEW_TIER"),
        (
          [asha, AuthoredShop.binding("main", human: "asha", host: "x.example")],
          "ROLLOUT_TIERS_ONLY"
        ),
        ([asha, foreign], "ROLLOUT_TENANTS"),
      ] {
        #expect(await code { try await create(shop, documents) } == wanted)
      }
      #expect(await code { try await create(shop, name: "No Name") } == "ROLLOUT_NAME")
      // One that does not compile lists what is wrong, binding by binding.
      let broken = try await create(
        shop,
        [AuthoredShop.document(.team, "desk", ["members": ["nobody"]])]
      )
      #expect(broken.name == nil)
      let codes = Set(broken.plan.diagnostics.filter { $0.level == .error }.map(\.code))
      #expect(codes.contains("BND_FOREIGN_TIER") || codes.contains("BND_HUMAN_NOT_IN_TEAM"))
      #expect(try await create(shop, dryRun: true).name == nil)
      #expect(try await shop.store.currentRevision() == revision)
      #expect(try await shop.store.rollouts(of: "shop").isEmpty)
    }
  }

  @Test func `of two who decide at once, one is refused`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop)
      let seen = try await rollout(shop)
      let revision = try await shop.store.currentRevision()
      let outcomes = await withTaskGroup(of: String?.self) { group in
        for change in [RolloutChange.advance(1), .advance(1), .abort, .promote, .pause] {
          group.addTask {
            await code { try await shop.store.change(seen, change, author: "t", reason: "") }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(outcomes.count { $0 == nil } == 1)
      #expect(outcomes.count { $0 == "ROLLOUT_STANDS" } == 4)
      #expect(try await rollout(shop).transitions == seen.transitions + 1)
      let now = try await shop.store.currentRevision()
      #expect(now.value <= revision.value + 1)
    }
  }

  @Test func `a pause stops the clock of the hold`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop)
      // By the database's clock: as if it had begun ten minutes ago, and been paused for nine.
      try await fixture.owner.execute(
        "update rollouts set step_started_at = clock_timestamp() - interval '10 minutes'"
      )
      let begun = try await rollout(shop)
      #expect((600_000 ..< 660_000).contains(begun.heldMS))
      let none = try await shop.store.change(begun, .pause, author: "t", reason: "")
      #expect(none == nil)
      try await fixture.owner.execute(
        "update rollouts set paused_at = clock_timestamp() - interval '9 minutes'"
      )
      let paused = try await rollout(shop)
      #expect(paused.state == .paused && (60_000 ..< 120_000).contains(paused.heldMS))
      #expect(
        await code { try await shop.store.change(paused, .pause, author: "t", reason: "") }
          == "ROLLOUT_STANDS"
      )
      try await shop.store.change(paused, .resume, author: "t", reason: "")
      let resumed = try await rollout(shop)
      #expect(resumed.state == .running && (60_000 ..< 120_000).contains(resumed.heldMS))
    }
  }

  @Test func `what follows the log holds what a snapshot shows`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      let start = try await shop.store.fullSnapshot().commit
      var held = Dictionary(start.resources.map { ($0.key, $0) }) { $1 }
      func follow(from revision: Revision) async throws -> Revision {
        let (_, commits) = try await shop.store.follow(after: revision)
        for commit in commits {
          for key in commit.removed { held[key] = nil }
          for resource in commit.resources { held[resource.key] = resource }
        }
        let whole = try await shop.store.fullSnapshot().commit
        for resource in whole.resources { #expect(held[resource.key] == resource) }
        let candidates = held.keys.filter { if case .candidate = $0 { true } else { false } }
        let shown = try await self.candidates(shop)
        #expect(candidates.count == shown.count)
        return whole.revision
      }
      try await create(shop, name: "a")
      var at = try await follow(from: start.revision)
      try await shop.store.change(
        try await rollout(shop, "a"),
        .advance(1),
        author: "t",
        reason: ""
      )
      at = try await follow(from: at)
      // A replica that starts now serves those who have been away, too.
      let (_, base, recent) = try await shop.store.recentSnapshot()
      #expect(base.revision < at && !recent.isEmpty)
      try await shop.store.change(try await rollout(shop, "a"), .abort, author: "t", reason: "")
      at = try await follow(from: at)
      try await create(shop, name: "b")
      at = try await follow(from: at)
      try await shop.store.change(try await rollout(shop, "b"), .promote, author: "t", reason: "")
      _ = try await follow(from: at)
    }
  }

  @Test func `another compiler leaves what is under a rollout alone until its end`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop)
      let before = try await bindings(shop)
      let status = CompilerStatus()
      let recompiler = Recompiler(
        store: fixture.store,
        planner: Planner(compilerVersion: PlatformTables.compilerVersion + 1),
        status: status,
        logger: StoreFixture.logger
      )
      try await recompiler.claim()
      #expect(try await recompiler.recompile())
      #expect(try await bindings(shop) == before)
      try await shop.store.change(try await rollout(shop), .promote, author: "t", reason: "")
      try await recompiler.claim()
      #expect(try await recompiler.recompile())
      let after = try await bindings(shop)
      #expect(
        after.allSatisfy {
          $0.content.contains("\"compiler_version\":\(PlatformTables.compilerVersion + 1)")
        }
      )
    }
  }

  @Test func `retention keeps what candidates name`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop)
      try await fixture.owner.execute("delete from changelog where kind = 'candidate'")
      _ = try await shop.store.pruneHistory(dryRun: false)
      let named = try await candidates(shop).flatMap(\.sectionDigests)
      let count: Int64 = try await fixture.value(
        "select count(*) from compiled_sections where digest = any (\(named.map(\.hex))::text[])"
      )
      #expect(count == Int64(Set(named).count))
    }
  }

  @Test func `the audit log tells of each change, and by whom`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop)
      for change in [RolloutChange.pause, .resume, .advance(1), .abort] {
        try await shop.store.change(try await rollout(shop), change, author: "meera", reason: "r")
      }
      var filter = AuditFilter()
      filter.objectKind = "Rollout"
      let log = try await shop.store.auditLog(filter, in: .everything)
      #expect(log.map(\.action) == ["abort", "advance", "resume", "pause", "create"])
      #expect(log.prefix(4).allSatisfy { $0.actor == "meera" && $0.object == "asha-v2" })
      #expect(log.last?.actor == "tests")
    }
  }

  @Test func `nodes are noted by whichever replica heard last, and a refusal stays`() async throws {
    try await withStore { fixture in
      let shop = try await shop(fixture)
      try await create(shop)
      let seen = try await rollout(shop)
      func note(_ revision: Int64, silentMS: Int64, _ code: String? = nil) async throws {
        try await shop.store.note(
          [
            RolloutRecord.Node(
              nodeID: "n1",
              region: "south",
              revision: Revision(revision),
              silentMS: silentMS,
              rejection: code.map { .init(code: $0, message: "m") }
            )
          ],
          of: seen
        )
      }
      func node() async throws -> RolloutRecord.Node {
        try #require(try await shop.store.nodes(of: seen).first)
      }
      try await note(seen.revision.value - 1, silentMS: 0)
      #expect(try await node().unconfirmedMS != nil)
      try await note(seen.revision.value, silentMS: 0)
      #expect(try await node().unconfirmedMS == nil)
      // Another replica that heard of it an hour ago.
      try await note(seen.revision.value - 1, silentMS: 3_600_000)
      let kept = try await node()
      #expect(kept.unconfirmedMS == nil && kept.revision == seen.revision)
      try await note(seen.revision.value, silentMS: 0, "UNDECODABLE")
      try await note(seen.revision.value, silentMS: 0)
      #expect(try await node().rejection?.code == "UNDECODABLE")
    }
  }
}
