import Domain
import Foundation
import Postgres
import Store
import Testing

@Suite struct `Publishing configuration` {
  let sahayak = SampleTenant("sahayak", number: "919800000001")
  let ranveer = SampleTenant("ranveer", number: "919800000002")

  @Test func `everything of a publication is there, in its columns and in the changelog`()
    async throws
  {
    try await withStore { fixture in
      let revision = try await fixture.store.publish(sahayak.publication())
      #expect(revision == Revision(1))
      #expect(try await fixture.store.currentRevision() == Revision(1))

      let row = try #require(
        try await fixture.owner.query(
          """
          select b.routing_key, b.channels, h.languages, h.voice->>'tone' as tone, t.department,
            t.allowed_handoffs = array[t.id] as hands_to_itself, a.max_tool_iterations, (
              select count(*) from team_members m where m.team_id = t.id and m.human_id = h.id
            ) as members
          from agent_bindings b join humans h on h.id = b.human_id join teams t on t.id = b.team_id
            join agents a on a.id = b.agent_id
          """
        ).first
      )
      #expect(try row.decode("routing_key", as: String.self) == "919800000001")
      #expect(try row.decode("channels", as: [String].self) == ["whatsapp", "web"])
      #expect(try row.decode("languages", as: [String].self) == ["hi", "en"])
      #expect(try row.decode("tone", as: String.self) == "warm")
      #expect(try row.decode("department", as: String.self) == "support")
      #expect(try row.decode("hands_to_itself", as: Bool.self))
      #expect(try row.decode("max_tool_iterations", as: Int.self) == 3)
      #expect(try row.decode("members", as: Int.self) == 1)
      let versions = try await fixture.value(
        "select array_agg(tier || ' ' || version || ' ' || author order by tier) from tier_config_versions",
        as: [String].self
      )
      #expect(versions == ["agent 1 tests", "human 1 tests", "team 1 tests"])

      let commit = try #require(try await fixture.store.commits(after: .zero).first)
      #expect(commit.revision == Revision(1))
      #expect(Set(commit.resources.map(\.key)) == Set(sahayak.publication().resources.map(\.key)))
      let snapshot = try await fixture.store.fullSnapshot()
      var tenant = sahayak.tenant()
      // It has been active since the commit that made it.
      tenant.switchRevision = Revision(1)
      let rest = sahayak.publication().resources.filter { $0.key != .tenant(sahayak.tenantID) }
      #expect(Set(snapshot.commit.resources) == Set(rest + [.tenant(tenant)]))
      #expect(Set(commit.resources) == Set(snapshot.commit.resources))
      #expect(snapshot.incarnation == (try await fixture.store.incarnation()))
    }
  }

  @Test func `what was published is read back by key, by list and as a world`() async throws {
    try await withStore { fixture in
      try await fixture.store.publish(sahayak.publication())
      try await fixture.store.publish(ranveer.publication())
      let guide = try #require(try await fixture.store.object(sahayak.key(.human, "guide")))
      #expect(guide.id == sahayak.humanID)
      #expect(guide.spec["cultural_register"] == "plain")
      #expect(try await fixture.store.object(sahayak.key(.human, "nobody")) == nil)

      let tenants = try await fixture.store.list(kind: .tenant)
      #expect(tenants.map(\.key.slug) == ["ranveer", "sahayak"])
      #expect(tenants.map(\.status) == [.active, .active])
      let guides = try await fixture.store.list(kind: .human)
      try #require(guides.map(\.key.tenant) == ["ranveer", "sahayak"])
      let first = try await fixture.store.list(kind: .human, limit: 1)
      #expect(first.map(\.key) == [guides[0].key])
      let rest = try await fixture.store.list(kind: .human, after: guides[0].key)
      #expect(rest.map(\.key) == [guides[1].key])
      let own = try await fixture.store.list(kind: .human, tenant: "sahayak")
      #expect(own.map(\.key) == [guides[1].key])

      var request = WorldRequest()
      request.objects = [sahayak.key(.human, "guide"), sahayak.key(.team, "none")]
      request.usersOf = [.human: [sahayak.humanID], .agent: [ranveer.agentID]]
      request.heads = [sahayak.key(.team, "help")]
      request.routes = ["whatsapp/\(ranveer.number)", "web/nobody.example"]
      request.accounts = ["ranveer"]
      request.compiled = [sahayak.bindingID.uuid]
      request.compiledOf = [sahayak.tenantID.uuid]
      let part = try await fixture.store.reading { [request] in try await $0.read(request) }
      #expect(part.revision == Revision(2))
      let found = Set(part.objects.map(\.key))
      #expect(
        found == [
          sahayak.key(.human, "guide"), sahayak.key(.binding, "main"),
          ranveer.key(.binding, "main"),
        ]
      )
      #expect(part.heads.map(\.id) == [sahayak.teamID])
      #expect(Set(part.routes.map(\.tenantID)) == [sahayak.tenantID, ranveer.tenantID])
      #expect(part.routes.count == 3)
      #expect(part.accountOwners == ["ranveer": ranveer.tenantID])
      #expect(part.compiled[sahayak.bindingID]?.digest == sahayak.binding.digest)
    }
  }

  @Test func `a plan that has not seen all that is there is refused and leaves nothing`()
    async throws
  {
    try await withStore { fixture in
      try await fixture.store.publish(sahayak.publication())
      let unseen = sahayak.key(.binding, "main")
      let seen: Set = [unseen]
      var change = sahayak.change(to: 2, expecting: 1, register: "warm")
      change.seen = seen.subtracting([unseen])
      let late = await #expect(throws: StoreError.self) {
        try await fixture.store.publish(change)
      }
      #expect(late == .stale(unseen, expected: 0, found: 1))
      #expect(try await fixture.store.currentRevision() == Revision(1))
      change.seen = seen
      try await fixture.store.publish(change)
      #expect(try await fixture.store.currentRevision() == Revision(2))
    }
  }

  @Test func `a plan against an old version is refused and leaves nothing`() async throws {
    try await withStore { fixture in
      try await fixture.store.publish(sahayak.publication())
      try await fixture.store.publish(sahayak.change(to: 2, expecting: 1, register: "warm"))
      let late = await #expect(throws: StoreError.self) {
        try await fixture.store.publish(sahayak.change(to: 2, expecting: 1, register: "cold"))
      }
      #expect(late == .stale(sahayak.key(.human, "guide"), expected: 1, found: 2))
      #expect(late?.isStale == true)
      #expect(try await fixture.store.currentRevision() == Revision(2))
      #expect(
        try await fixture.value(
          "select array_agg(version order by version) from tier_config_versions where tier = 'human'",
          as: [Int].self
        ) == [1, 2]
      )
    }
  }

  @Test func `an error halfway rolls everything back`() async throws {
    try await withStore { fixture in
      try await fixture.store.publish(sahayak.publication())
      var thief = ranveer.publication()
      thief.resources.append(
        .route(
          RouteResource(
            channel: "whatsapp",
            key: sahayak.number,
            tenantID: ranveer.tenantID,
            bindingID: ranveer.bindingID
          )
        )
      )
      let error = await #expect(throws: StoreError.self) {
        try await fixture.store.publish(thief)
      }
      #expect(error?.kind == .taken)
      #expect(try await fixture.store.currentRevision() == Revision(1))
      #expect(try await fixture.value("select count(*) from tenants", as: Int.self) == 1)
      #expect(try await fixture.value("select count(*) from changelog", as: Int.self) == 5)
      #expect(
        try await fixture.value("select count(*) from commits", as: Int.self) == 1
      )
      // The same without the theft goes through, with the next number.
      #expect(try await fixture.store.publish(ranveer.publication()) == Revision(2))
    }
  }

  @Test func `concurrent publishers make one line without gaps`() async throws {
    try await withStore { fixture in
      let tenants = (0 ..< 4).map { SampleTenant("tenant-\($0)", number: "91980000010\($0)") }
      for tenant in tenants { try await fixture.store.publish(tenant.publication()) }
      let revisions = try await withThrowingTaskGroup(of: Revision.self) { group in
        for tenant in tenants {
          group.addTask {
            var last = Revision.zero
            for version in 2 ... Int32(6) {
              last = try await fixture.store.publish(
                tenant.change(to: version, expecting: version - 1, register: "v\(version)")
              )
            }
            return last
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(revisions.max() == Revision(24))
      let line = try await fixture.store.commits(after: .zero, limit: 1000)
      #expect(line.map(\.revision.value) == Array(1 ... 24))
      #expect(line.map(\.committedAt) == line.map(\.committedAt).sorted())
    }
  }

  @Test func `of two plans against one version exactly one wins`() async throws {
    try await withStore { fixture in
      try await fixture.store.publish(sahayak.publication())
      let outcomes = await withTaskGroup(of: Bool.self) { group in
        for register in ["a", "b", "c", "d"] {
          group.addTask {
            do {
              try await fixture.store.publish(
                sahayak.change(to: 2, expecting: 1, register: register)
              )
              return true
            } catch {
              return false
            }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(outcomes.filter { $0 }.count == 1)
      #expect(try await fixture.store.currentRevision() == Revision(2))
    }
  }

  @Test func `a removed route is free for another tenant`() async throws {
    try await withStore { fixture in
      try await fixture.store.publish(sahayak.publication())
      try await fixture.store.publish(ranveer.publication())
      let route = ResourceKey.route(sahayak.tenantID, channel: "whatsapp", key: sahayak.number)
      let freed = Publication(
        objects: [],
        expected: [:],
        resources: [],
        removed: [route],
        author: "tests",
        reason: ""
      )
      #expect(try await fixture.store.publish(freed) == Revision(3))
      let commit = try #require(try await fixture.store.commits(after: Revision(2)).first)
      #expect(commit.removed == [route])
      let taken = Publication(
        objects: [],
        expected: [:],
        resources: [
          .route(
            RouteResource(
              channel: "whatsapp",
              key: sahayak.number,
              tenantID: ranveer.tenantID,
              bindingID: ranveer.bindingID
            )
          )
        ],
        removed: [],
        author: "tests",
        reason: ""
      )
      #expect(try await fixture.store.publish(taken) == Revision(4))
    }
  }
}

@Suite struct `Switching a tenant` {
  @Test func `makes one commit, and none when it is so already`() async throws {
    try await withStore { fixture in
      let tenant = SampleTenant("kichcha", number: "919800000003")
      let store = fixture.store
      try await store.publish(tenant.publication())
      let paused = try await store.setTenantStatus(
        slug: "kichcha",
        status: .paused,
        author: "tests",
        reason: "flood"
      )
      #expect(paused == (revision: Revision(2), changed: true))
      let again = try await store.setTenantStatus(
        slug: "kichcha",
        status: .paused,
        author: "tests",
        reason: "flood"
      )
      #expect(again == (revision: Revision(2), changed: false))
      let commit = try #require(try await store.commits(after: Revision(1)).first)
      var expected = tenant.tenant()
      expected.status = .paused
      expected.switchRevision = Revision(2)
      #expect(commit.resources == [.tenant(expected)])

      // A publication planned before the switch does not undo it.
      var later = tenant.change(to: 2, expecting: 1, register: "warm")
      later.resources.append(.tenant(tenant.tenant()))
      try await store.publish(later)
      #expect(try await store.object(tenant.key(.tenant, ""))?.status == .paused)
      #expect(try await store.object(tenant.key(.tenant, ""))?.switchRevision == Revision(2))
      let snapshot = try await store.fullSnapshot()
      #expect(snapshot.commit.resources.contains(.tenant(expected)))
    }
  }

  @Test func `is the platform's to undo where the platform did it, also after the tenant had`()
    async throws
  {
    try await withStore { fixture in
      let store = fixture.store
      try await store.publish(SampleTenant("kichcha", number: "919800000003").publication())
      func switched(to status: TenantStatus, by side: SwitchSide) async throws -> Bool {
        try await store.setTenantStatus(
          slug: "kichcha",
          status: status,
          by: side,
          author: "tests",
          reason: ""
        ).changed
      }
      #expect(try await switched(to: .paused, by: .tenant))
      #expect(try await switched(to: .archived, by: .tenant))
      #expect(try await switched(to: .active, by: .tenant))
      #expect(try await switched(to: .paused, by: .tenant))
      #expect(try await !switched(to: .paused, by: .platform))
      for status in [TenantStatus.active, .archived] {
        await #expect(throws: StoreError.heldByPlatform("kichcha")) {
          try await switched(to: status, by: .tenant)
        }
      }
      // Neither this nor what the tenant asks for in vain takes the platform's hold away.
      #expect(try await !switched(to: .paused, by: .tenant))
      await #expect(throws: StoreError.heldByPlatform("kichcha")) {
        try await switched(to: .active, by: .tenant)
      }
      #expect(try await switched(to: .archived, by: .platform))
      await #expect(throws: StoreError.heldByPlatform("kichcha")) {
        try await switched(to: .paused, by: .tenant)
      }
      #expect(try await switched(to: .active, by: .platform))
      #expect(try await switched(to: .paused, by: .tenant))
      #expect(try await switched(to: .active, by: .platform))
    }
  }

  @Test func `of an unknown tenant is refused`() async throws {
    try await withStore { fixture in
      await #expect(throws: StoreError.unknownTenant("nobody")) {
        try await fixture.store.setTenantStatus(
          slug: "nobody",
          status: .paused,
          author: "tests",
          reason: ""
        )
      }
    }
  }

  @Test func `wakes those who wait for the next revision`() async throws {
    try await withStore { fixture in
      let store = fixture.store
      try await store.publish(SampleTenant("vakil", number: "919800000005").publication())
      async let seen = store.waitForRevision(after: Revision(1), patience: .seconds(20))
      try await store.setTenantStatus(slug: "vakil", status: .archived, author: "t", reason: "")
      let found = try await seen
      #expect(found.revision == Revision(2))
    }
  }
}
