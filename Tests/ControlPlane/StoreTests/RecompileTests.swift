import Codecs
import Compiler
import Domain
import Foundation
import Postgres
import Publishing
import Store
import Testing

@Suite struct `Recompiling what is stored` {
  /// A replica of the control plane: a compiler, and what it knows of the one in force.
  private struct Replica {
    let status = CompilerStatus()
    let publisher: Publisher
    let recompiler: Recompiler

    init(
      _ store: Store,
      compiler version: Int = 2,
      models: String = "one",
      toolAllow: Set<String> = ["127.0.0.1:7480"],
      patience: Duration = .seconds(600)
    ) {
      var tables = PlatformTables.models
      tables.version = models
      let planner = Planner(toolAllow: toolAllow, tables: tables, compilerVersion: version)
      publisher = Publisher(store: store, planner: planner, compiler: status)
      recompiler = Recompiler(
        store: store,
        planner: planner,
        status: status,
        logger: StoreFixture.logger,
        patience: patience,
        chunk: 4
      )
    }

    /// As at its start.
    @discardableResult
    func start() async throws -> Bool {
      try await recompiler.claim()
      return try await recompiler.recompile()
    }

    @discardableResult
    func apply(_ documents: [AuthoredDocument]) async throws -> Publisher.Outcome {
      try await publisher.apply(
        documents,
        options: ApplyOptions(author: "tests", reason: ""),
        dryRun: false
      )
    }
  }

  private static let local = AuthoredShop.document(
    .agent,
    "local",
    [
      "model_routing": ["default": "simulated"],
      "tools": [
        [
          "name": "lookup", "description": "Looks up.", "schema": ["type": "object"],
          "endpoint": "http://127.0.0.1:7480/lookup",
        ]
      ],
    ]
  )

  /// Ten bindings, and one whose agent needs leave for its tool's host.
  private static var crowd: [AuthoredDocument] {
    AuthoredShop.whole + [local]
      + (0 ..< 9).map { AuthoredShop.binding("b\($0)", human: "asha", host: "b\($0).example") } + [
        AuthoredShop.document(
          .binding,
          "tooled",
          ["human": "asha", "team": "desk", "agent": "local"]
        )
      ]
  }

  /// The compiled bindings that nodes get, by slug.
  private func compiled(_ store: Store) async throws -> [String: CompiledBinding] {
    var found: [String: CompiledBinding] = [:]
    for case .binding(let resource) in try await store.fullSnapshot().commit.resources {
      let binding = try CanonicalJSON.decode(resource.content, as: CompiledBinding.self)
      found[binding.slug] = binding
    }
    return found
  }

  private func commits(_ fixture: StoreFixture) async throws -> [String] {
    try await fixture.owner.query(
      "select author || ': ' || reason as text from commits order by revision"
    )
    .map { try $0.decode("text") }
  }

  @Test func `other tables make revisions by system with a reason, once`() async throws {
    try await withStore { fixture in
      let first = Replica(fixture.store)
      #expect(try await first.start())
      try await first.apply(Self.crowd)
      let second = Replica(fixture.store, models: "two")
      #expect(try await second.start())
      let bindings = try await compiled(fixture.store)
      #expect(bindings.count == 11)
      #expect(bindings.values.allSatisfy { $0.pins.aliasTable == "two" })
      let reason = "system: compiler 2, models two, prices two"
      let prices = PlatformTables.models.priceVersion ?? "two"
      let made = try await commits(fixture)
      #expect(made.count == 4)
      #expect(
        made.dropFirst()
          == Array(repeating: reason.replacing("prices two", with: "prices \(prices)"), count: 3)[
            ...
          ]
      )
      // Every binding once, and its versions are what they were.
      let logged = try await fixture.value(
        "select count(*) from changelog where kind = 'binding'",
        as: Int.self
      )
      #expect(logged == 22)
      #expect(try await fixture.store.history(of: AuthoredShop.key(.binding, "b1")).count == 1)
      #expect(second.status.counts.recompiled == 11)
      // Again, and after another start, there is nothing to do.
      #expect(try await second.start())
      #expect(try await Replica(fixture.store, models: "two").start())
      #expect(try await commits(fixture).count == 4)
    }
  }

  @Test func `replicas that start at once do it once`() async throws {
    try await withStore { fixture in
      let first = Replica(fixture.store)
      try await first.start()
      try await first.apply(Self.crowd)
      let replicas = (0 ..< 4).map { _ in Replica(fixture.store, compiler: 3) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for replica in replicas {
          group.addTask {
            // One that finds another at it looks again, as the daemon does.
            while try await !replica.start() { await Task.yield() }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await compiled(fixture.store).values.allSatisfy { $0.pins.compilerVersion == 3 })
      let logged = try await fixture.value(
        "select count(*) from changelog where kind = 'binding'",
        as: Int.self
      )
      #expect(logged == 22)
      #expect(replicas.map(\.status.counts.recompiled).reduce(0, +) == 11)
      #expect(
        try await fixture.value("select count(*) from compiler_generations", as: Int.self) == 2
      )
    }
  }

  @Test func `what does not compile any more keeps its last form and is reported until it does`()
    async throws
  {
    try await withStore { fixture in
      let first = Replica(fixture.store)
      try await first.start()
      try await first.apply(Self.crowd)
      let before = try await compiled(fixture.store)
      let strict = Replica(fixture.store, compiler: 3, toolAllow: [])
      #expect(try await strict.start())
      let after = try await compiled(fixture.store)
      #expect(after["tooled"] == before["tooled"])
      #expect(after.values.count { $0.pins.compilerVersion == 3 } == 10)
      let names = Self.crowd.map(\.key).filter { $0.kind == .binding }
      let failures = try await fixture.store.compileFailures(of: names)
      #expect(failures.keys.map(\.slug) == ["tooled"])
      let codes = Set(failures.values.joined().map(\.code))
      #expect(codes.isSuperset(of: ["TOOL_PRIVATE_HOST"]))
      #expect(strict.status.counts.failures == 1)
      // It hinders nobody else, and an edit of its own is told.
      #expect(
        try await strict.apply([AuthoredShop.binding("b1", human: "asha", host: "n.example")])
          .stored
      )
      let refused = try await strict.apply([AuthoredShop.human("asha", "Other")])
      #expect(!refused.stored && refused.plan.diagnostics.map(\.code).contains("TOOL_PRIVATE_HOST"))
      try await strict.apply([
        AuthoredShop.document(.agent, "local", ["model_routing": ["default": "simulated"]])
      ])
      #expect(try await fixture.store.compileFailures(of: names) == [:])
      #expect(try await compiled(fixture.store)["tooled"]?.pins.compilerVersion == 3)
    }
  }

  @Test func `an older compiler neither takes over nor stores anything`() async throws {
    try await withStore { fixture in
      let older = Replica(fixture.store)
      try await older.start()
      try await older.apply(Self.crowd)
      let newer = Replica(fixture.store, compiler: 3)
      try await newer.start()
      let before = try await fixture.store.currentRevision()
      // It has not heard of it yet; the store has.
      await #expect(throws: StoreError.compilerSuperseded(by: 2)) {
        try await older.apply([AuthoredShop.human("asha", "Old")])
      }
      #expect(try await !older.start())
      #expect(older.status.claim == .superseded(by: 2))
      await #expect(throws: StoreError.compilerSuperseded(by: 2)) {
        try await older.apply([AuthoredShop.human("asha", "Old")])
      }
      // Also when it starts anew, and however long the newer one has been silent.
      let again = Replica(fixture.store, patience: .zero)
      #expect(try await !again.start())
      #expect(try await fixture.store.currentRevision() == before)
      #expect(try await newer.apply([AuthoredShop.human("asha", "New")]).stored)
      #expect(try await compiled(fixture.store).values.allSatisfy { $0.pins.compilerVersion == 3 })
    }
  }

  @Test func `tables that were taken over from come back only when nobody holds the newer ones`()
    async throws
  {
    try await withStore { fixture in
      let first = Replica(fixture.store)
      try await first.start()
      try await first.apply(Self.crowd)
      let second = Replica(fixture.store, models: "two")
      try await second.start()
      // In turns, as replicas that are restarted: nothing flaps.
      for _ in 0 ..< 3 {
        #expect(try await !Replica(fixture.store).start())
        #expect(try await second.start())
      }
      #expect(try await compiled(fixture.store).values.allSatisfy { $0.pins.aliasTable == "two" })
      let alone = Replica(fixture.store, patience: .zero)
      #expect(try await alone.start())
      #expect(alone.status.claim == .inForce(generation: 3, isFinished: true))
      #expect(try await compiled(fixture.store).values.allSatisfy { $0.pins.aliasTable == "one" })
    }
  }

  @Test func `edits that come meanwhile are neither lost nor undone`() async throws {
    try await withStore { fixture in
      let first = Replica(fixture.store)
      try await first.start()
      try await first.apply(Self.crowd)
      let newer = Replica(fixture.store, compiler: 3)
      try await newer.recompiler.claim()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { while try await !newer.recompiler.recompile() {} }
        group.addTask {
          for round in 0 ..< 8 {
            try await newer.apply([
              AuthoredShop.binding("b\(round)", human: "asha", host: "m\(round).example")
            ])
            try await newer.apply([AuthoredShop.human("asha", "Asha \(round)")])
          }
        }
        try await group.waitForAll()
      }
      let bindings = try await compiled(fixture.store)
      #expect(bindings.values.allSatisfy { $0.pins.compilerVersion == 3 })
      #expect(bindings.values.allSatisfy { $0.pins.humanVersion == 9 })
      #expect(try await fixture.store.routes().map(\.key).contains("m7.example"))
    }
  }
  @Test func `what is being published while another compiler takes over does not get in after it`()
    async throws
  {
    try await withStore { fixture in
      let first = Replica(fixture.store)
      try await first.start()
      try await first.apply(AuthoredShop.whole)
      let newer = Replica(fixture.store, compiler: 3)
      func waitForWaiting(_ count: Int64) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await fixture.value(
          """
          select count(*) from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'
          """,
          as: Int64.self
        ) < count {
          try #require(ContinuousClock.now < deadline, "\(count) wait")
          try await Task.sleep(for: .milliseconds(2))
        }
      }
      let line = StoreFixture.pool(
        fixture.login.replacing("user=\(LoginRole().name)", with: "user=postgres"),
        connections: 1
      )
      let published = try await line.withTransaction { connection in
        try await connection.query("select 1 from revision_line for update")
        let claim = Task { try await newer.recompiler.claim() }
        try await waitForWaiting(1)
        // It has looked at the compiler in force, and is about to take its revision.
        let publishing = Task {
          try await first.apply([
            AuthoredShop.binding("late", human: "asha", host: "late.example")
          ])
        }
        try await waitForWaiting(2)
        return (claim, publishing)
      }
      await line.shutdown()
      try await published.0.value
      let error = await #expect(throws: StoreError.self) { try await published.1.value }
      #expect(error?.code == "COMPILER_SUPERSEDED")
      #expect(try await newer.recompiler.recompile())
      let bindings = try await compiled(fixture.store)
      #expect(bindings.count == 1)
      #expect(bindings.values.allSatisfy { $0.pins.compilerVersion == 3 })
    }
  }
}
