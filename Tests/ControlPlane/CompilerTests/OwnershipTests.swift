import Compiler
import Domain
import Testing

@Suite struct OwnershipTests {
  private func options(
    _ source: String,
    takeOver: Bool = false,
    prune: ApplyOptions.Prune? = nil
  ) -> ApplyOptions {
    ApplyOptions(author: "author", reason: "", source: source, takeOver: takeOver, prune: prune)
  }

  private func owned(by source: String) -> PlanFixture {
    var fixture = PlanFixture()
    fixture.options = options(source)
    fixture.apply(Documents.complete())
    return fixture
  }

  private let changed = Documents.document(
    .human,
    "shop",
    "asha",
    ["display_name": "Asha", "languages": ["kn"]]
  )

  @Test("What a source applies is its own, and another one is refused with both named")
  func otherSource() throws {
    var fixture = owned(by: "one")
    #expect(fixture.world.objects.values.allSatisfy { $0.source == "one" })
    fixture.options = options("two")
    let plan = fixture.plan([changed])
    let diagnostic = try #require(plan.diagnostics.first)
    #expect(plan.diagnostics.map(\.code) == ["CFG_OTHER_SOURCE"])
    #expect(diagnostic.message.contains("'one'") && diagnostic.message.contains("'two'"))
    #expect(diagnostic.source == changed.source)
    #expect(plan.publication == nil)
    // A label claims what it names, also when it says the same.
    #expect(fixture.plan(Documents.complete()).diagnostics.count == 5)
  }

  @Test("Without a label owned objects can be named, but not changed")
  func unlabelled() {
    var fixture = owned(by: "one")
    fixture.options = options("")
    let same = fixture.plan(Documents.complete())
    #expect(same.diagnostics == [] && same.publication == nil)
    #expect(fixture.plan([changed]).diagnostics.map(\.code) == ["CFG_OTHER_SOURCE"])
    fixture.options = options("", takeOver: true)
    let taken = fixture.plan([changed])
    #expect(taken.changes.map(\.action) == [.update])
    #expect(taken.publication?.objects.map(\.source) == [""])
  }

  @Test("Taken over, an object is changed, and owned from then on")
  func takenOver() throws {
    var fixture = owned(by: "one")
    fixture.options = options("two", takeOver: true)
    let plan = fixture.apply(
      [changed] + Documents.complete().filter { $0.key != changed.key }
    )
    #expect(plan.diagnostics == [])
    #expect(plan.changes.map(\.action) == [.adopt, .update, .adopt, .adopt, .adopt])
    #expect(plan.changes.allSatisfy { $0.fromSource == "one" && $0.toSource == "two" })
    #expect(plan.publication?.adopted.count == 4)
    #expect(fixture.world.objects.values.allSatisfy { $0.source == "two" })
    fixture.options = options("one")
    #expect(fixture.plan([changed]).diagnostics.map(\.code) == ["CFG_OTHER_SOURCE"])
  }

  @Test("What nobody owns is owned by the first that names it, without a version")
  func adopted() throws {
    var fixture = owned(by: "")
    fixture.options = options("one")
    let plan = fixture.apply(Documents.complete())
    #expect(plan.changes.allSatisfy { $0.action == .adopt && $0.fromVersion == $0.toVersion })
    let publication = try #require(plan.publication)
    #expect(publication.objects == [] && publication.resources == [])
    #expect(fixture.plan(Documents.complete()).publication == nil)
  }

  @Test("A change by hand of what nobody owns leaves it so")
  func byHand() {
    var fixture = owned(by: "")
    #expect(fixture.apply([changed]).publication?.objects.map(\.source) == [""])
  }

  // MARK: - Pruning

  /// A tenant with `count` humans more than it needs.
  private func crowd(_ count: Int) -> [AuthoredDocument] {
    Documents.complete()
      + (0 ..< count).map {
        Documents.document(.human, "shop", "extra-\($0)", ["languages": ["en"]])
      }
  }

  @Test("Pruning deletes what the source owns and leaves out, nothing else")
  func prunes() throws {
    var fixture = PlanFixture()
    fixture.options = options("one")
    fixture.apply(crowd(3))
    fixture.options = options("two")
    fixture.apply([Documents.document(.human, "shop", "theirs", ["languages": ["en"]])])
    fixture.options = options("")
    fixture.apply([Documents.document(.human, "shop", "nobodys", ["languages": ["en"]])])
    fixture.options = options("one", prune: .init())
    let plan = fixture.apply(crowd(1))
    #expect(plan.diagnostics == [])
    let deleted = plan.changes.filter { $0.action == .delete }
    #expect(deleted.map(\.key.slug) == ["extra-1", "extra-2"])
    #expect(deleted.allSatisfy { $0.fromVersion == 1 && $0.toVersion == 2 })
    #expect(plan.publication?.deleted.map(\.version) == [2, 2])
    let slugs = Set(fixture.world.objects.keys.map(\.slug))
    #expect(slugs.isSuperset(of: ["theirs", "nobodys", "extra-0"]))
    #expect(slugs.isDisjoint(with: ["extra-1", "extra-2"]))
    // What comes back goes on where it ended.
    let back = fixture.plan(crowd(2))
    let change = try #require(back.changes.first { $0.action == .create })
    #expect((change.fromVersion, change.toVersion) == (0, 3))
    #expect(back.publication?.expected[change.key] == 2)
  }

  @Test("What is deleted takes its route along although it does not compile any more")
  func orphans() throws {
    var fixture = PlanFixture()
    fixture.options = options("one")
    let tool: JSONValue = [
      "name": "lookup", "description": "Looks up.", "schema": ["type": "object"],
      "endpoint": "http://127.0.0.1:7480/lookup",
    ]
    let stored = fixture.apply(Documents.complete("shop", [.agent: ["tools": [tool]]]))
    #expect(stored.diagnostics.allSatisfy { $0.level != .error }, "\(stored.diagnostics)")
    let route = try #require(fixture.world.routes.first)
    // The daemon came back without leave for the tool's host: agent and binding do not compile.
    fixture.planner = Planner()
    fixture.options = options("one", prune: .init(isConfirmed: true, tenants: ["shop"]))
    let left = Documents.complete().filter { ![.agent, .binding].contains($0.key.kind) }
    let removed = try #require(fixture.apply(left).publication?.removed)
    #expect(removed.contains(.route(route.tenantID, channel: route.channel, key: route.key)))
    #expect(removed.contains(.binding(route.tenantID, route.bindingID)))
    #expect(fixture.world.routes == [])
  }

  @Test("Pruning stays within the tenants that it is given")
  func withinTenants() {
    var fixture = owned(by: "one")
    fixture.apply(Documents.complete("other", [.binding: ["routes": nil]]))
    let left = [Documents.document(.tenant, "shop", "shop", ["display_name": "Shop"])]
    fixture.options = options("one", prune: .init(isConfirmed: true, tenants: ["shop"]))
    let deleted = fixture.plan(left).publication?.deleted ?? []
    #expect(deleted.count == 4 && deleted.allSatisfy { $0.key.tenant == "shop" })
    fixture.options = options("one", prune: .init(isConfirmed: true))
    #expect(fixture.plan(left).publication?.deleted.count == 8)
  }

  @Test("Without a source nothing is pruned")
  func needsSource() {
    var fixture = owned(by: "")
    fixture.options = options("", prune: .init(isConfirmed: true))
    #expect(fixture.plan([changed]).changes.allSatisfy { $0.action != .delete })
  }

  @Test(
    "More deletions than the limit, or than half, need a confirmation",
    arguments: [
      (left: 20, of: 30, limit: 10, isRefused: false),
      (left: 20, of: 31, limit: 10, isRefused: true),
      (left: 20, of: 31, limit: 11, isRefused: false),
      (left: 0, of: 5, limit: 10, isRefused: false), (left: 0, of: 6, limit: 10, isRefused: true),
    ]
  )
  func limit(left: Int, of all: Int, limit: Int, isRefused: Bool) {
    var fixture = PlanFixture()
    fixture.options = options("one")
    fixture.apply(crowd(all))
    fixture.options = options("one", prune: .init(limit: limit))
    let plan = fixture.plan(crowd(left))
    #expect(plan.diagnostics.map(\.code) == (isRefused ? ["CFG_PRUNE_LIMIT"] : []))
    #expect((plan.publication == nil) == isRefused)
    #expect(plan.changes.count { $0.action == .delete } == all - left)
    fixture.options = options("one", prune: .init(limit: limit, isConfirmed: true))
    #expect(fixture.plan(crowd(left)).publication?.deleted.count == all - left)
  }

  @Test("Pruning what others still need is refused with their diagnostics")
  func stillNeeded() {
    var fixture = owned(by: "one")
    fixture.options = options("one", prune: .init(isConfirmed: true))
    let plan = fixture.plan(Documents.complete().filter { $0.key.kind != .agent })
    #expect(plan.diagnostics.map(\.code) == ["BND_FOREIGN_TIER"])
    #expect(plan.publication == nil)
  }

  @Test("Tenants are never pruned, and a binding's routes and compiled form go with it")
  func tenantsStay() throws {
    var fixture = owned(by: "one")
    fixture.options = options("one", prune: .init(isConfirmed: true))
    let plan = fixture.plan(
      [Documents.document(.tenant, "other", "other", ["display_name": "Other"])]
    )
    #expect(plan.diagnostics.map(\.code) == ["CFG_TENANT_KEPT"])
    #expect(plan.diagnostics.map(\.level) == [.warning])
    let publication = try #require(plan.publication)
    #expect(publication.deleted.map(\.key.kind) == [.human, .team, .agent, .binding])
    let removed = publication.removed.map { key in
      switch key {
      case .binding: "binding"
      case .route(_, let channel, let name): "\(channel)/\(name)"
      default: "\(key)"
      }
    }
    #expect(removed.sorted() == ["binding", "web/shop.example"])
    #expect(plan.recompiled.map(\.slug) == ["main"])
  }
}
