import Codecs
import Compiler
import Domain
import Testing

@Suite struct PlannerTests {
  private func kind(_ resource: ConfigResource) -> String {
    switch resource {
    case .tenant: "tenant"
    case .channelAccount: "account"
    case .section: "section"
    case .binding: "binding"
    case .route: "route"
    case .candidate: "candidate"
    }
  }

  @Test("The first plan creates every object, its sections and its binding")
  func first() throws {
    var fixture = PlanFixture()
    let plan = fixture.apply(Documents.complete())
    #expect(plan.diagnostics == [])
    #expect(plan.changes.map(\.action) == Array(repeating: .create, count: 5))
    #expect(plan.changes.allSatisfy { $0.fromVersion == 0 && $0.toVersion == 1 })
    #expect(plan.recompiled == [ObjectKey(kind: .binding, tenant: "shop", slug: "main")])
    let publication = try #require(plan.publication)
    #expect(publication.expected.values.allSatisfy { $0 == 0 })
    // Tenants first, sections before the binding that names them, routes last.
    let kinds = ["tenant", "section", "section", "section", "section", "binding", "route"]
    #expect(publication.resources.map(kind) == kinds)
  }

  @Test("Resources are named by the SHA-256 of their bytes, which are canonical")
  func contentAddressed() throws {
    var fixture = PlanFixture()
    let publication = try #require(fixture.apply(Documents.complete()).publication)
    var sections: Set<Digest> = []
    for resource in publication.resources {
      switch resource {
      case .section(let section):
        #expect(section.digest == CanonicalJSON.digest(of: section.content))
        #expect(try JSONText.parse(section.content).canonicalText == section.content)
        sections.insert(section.digest)
      case .binding(let binding):
        #expect(binding.digest == CanonicalJSON.digest(of: binding.content))
        #expect(Set(binding.sectionDigests) == sections)
        let read = try CanonicalJSON.decode(binding.content, as: CompiledBinding.self)
        #expect(read.sections.all == binding.sectionDigests)
      default: break
      }
    }
    #expect(sections.count == 4)
  }

  @Test("The same documents again change nothing, whatever their order and number forms")
  func unchanged() {
    var fixture = PlanFixture()
    fixture.apply(Documents.complete("shop", [.agent: ["max_tool_iterations": 3]]))
    let again = Documents.complete("shop", [.agent: ["max_tool_iterations": .double(3)]])
    let plan = fixture.plan(again.reversed())
    #expect(plan.changes.map(\.action) == Array(repeating: .unchanged, count: 5))
    #expect(plan.publication == nil)
    #expect(plan.recompiled == [])
  }

  @Test("A changed human makes one new section and new records of all its bindings, no more")
  func changedHuman() throws {
    var fixture = PlanFixture()
    func binding(_ slug: String, _ human: JSONValue, _ team: JSONValue) -> AuthoredDocument {
      Documents.document(
        .binding,
        "shop",
        slug,
        ["human": human, "team": team, "agent": "runtime"]
      )
    }
    let first = fixture.apply(
      Documents.complete() + [
        binding("second", "asha", "desk"), binding("night", "ravi", "night"),
        Documents.document(.human, "shop", "ravi", ["languages": ["en"]]),
        Documents.document(.team, "shop", "night", ["members": ["ravi"]]),
      ]
    )
    let plan = fixture.plan([
      Documents.document(.human, "shop", "asha", ["display_name": "Asha", "languages": ["kn"]])
    ])
    #expect(plan.diagnostics == [])
    #expect(plan.recompiled.map(\.slug) == ["main", "second"])
    let change = try #require(plan.changes.first)
    #expect(change.action == .update)
    #expect((change.fromVersion, change.toVersion) == (1, 2))
    #expect(change.fields.map(\.path) == ["/languages"])
    #expect(change.fields.first?.before == ["hi", "en"])
    #expect(change.fields.first?.after == ["kn"])
    let publication = try #require(plan.publication)
    #expect(publication.objects.map(\.key.slug) == ["asha"])
    // The sections that stay are stored: the bindings' forms of before name them.
    #expect(publication.resources.map(kind) == ["section", "binding", "binding"])
    let before = Set(try #require(first.publication).resources)
    #expect(publication.resources.allSatisfy { !before.contains($0) })
    // The versions of all that the plan was made against are checked again under the lock.
    #expect(publication.expected.count == 9)
  }

  @Test("A route that is taken out is removed, and may be taken by another tenant at once")
  func movedRoute() throws {
    var fixture = PlanFixture()
    fixture.apply(Documents.complete())
    let other = Documents.complete("other")
    let taken = fixture.plan(other)
    #expect(taken.diagnostics.map(\.code) == ["BND_ROUTE_TAKEN"])
    #expect(taken.publication == nil)
    let without = Documents.complete("shop", [.binding: ["routes": nil]])
    let plan = fixture.plan(without + other)
    #expect(plan.diagnostics == [])
    let publication = try #require(plan.publication)
    let removed = publication.removed.compactMap { key in
      if case .route(_, let channel, let name) = key { "\(channel)/\(name)" } else { nil }
    }
    #expect(removed == ["web/shop.example"])
    #expect(publication.removed.count == 1)
  }

  @Test("Two tenants that take one route or account in one plan are told, and nothing is stored")
  func takenTogether() {
    var fixture = PlanFixture()
    let account: JSONValue = [["slug": "shop", "phone_number_id": "1"]]
    let plan = fixture.plan(
      Documents.complete("shop", [.tenant: ["channel_accounts": account]])
        + Documents.complete("other", [.tenant: ["channel_accounts": account]])
    )
    #expect(plan.diagnostics.map(\.code) == ["BND_ROUTE_TAKEN", "TEN_ACCOUNT_TAKEN"])
    #expect(plan.diagnostics.map(\.path) == ["/routes/web/0", "/channel_accounts/0/slug"])
    #expect(plan.publication == nil)
  }

  @Test("Tiers of another tenant are no tiers")
  func foreign() {
    var fixture = PlanFixture()
    fixture.apply(Documents.complete())
    let plan = fixture.plan([
      Documents.document(.tenant, "other", "other", [:]),
      Documents.document(.binding, "other", "main", Documents.binding),
    ])
    let foreign = plan.diagnostics.filter { $0.code == "BND_FOREIGN_TIER" }
    #expect(foreign.map(\.path) == ["/human", "/team", "/agent"])
    #expect(plan.publication == nil)
  }

  @Test("A warning of a stored object isn't repeated when its neighbour changes")
  func warnings() {
    var fixture = PlanFixture()
    let first = fixture.apply(Documents.complete("shop", [.team: ["motto": "quick"]]))
    #expect(first.diagnostics.map(\.code) == ["CFG_UNKNOWN_KEY"])
    #expect(first.publication != nil)
    let second = fixture.apply([Documents.document(.human, "shop", "asha", ["languages": ["en"]])])
    #expect(second.diagnostics == [])
    #expect(second.publication != nil)
  }

  @Test("A change that breaks a stored neighbour is refused")
  func breaksNeighbour() {
    var fixture = PlanFixture()
    fixture.apply(Documents.complete())
    let plan = fixture.plan([Documents.document(.team, "shop", "desk", [:])])
    #expect(plan.diagnostics.map(\.code) == ["BND_HUMAN_NOT_IN_TEAM"])
    #expect(plan.diagnostics.first?.slug == "shop/main")
    #expect(plan.publication == nil)
  }

  @Test("Equal input gives equal bytes, in whatever order it comes", arguments: [0, 1, 7, 12])
  func deterministic(rotation: Int) throws {
    let documents = ConfigFiles.load(PlanFixture.folder("sample")).documents
    var first = PlanFixture()
    var second = PlanFixture()
    let plan = first.plan(documents)
    let other = second.plan(Array(documents[rotation...] + documents[..<rotation]))
    #expect(plan.changes == other.changes)
    #expect(plan.recompiled == other.recompiled)
    let one = try #require(plan.publication)
    let two = try #require(other.publication)
    #expect(one.resources == two.resources)
    #expect(one.objects == two.objects)
  }
}
