import Compiler
import Domain
import Foundation
import Publishing
import Store
import Testing

/// A publish reads and compiles what depends on its edit; what is stored is the whole all the same.
@Suite struct `Publishing what changed` {
  private static let humans = ["asha", "ravi", "mina"]
  private static let teams = ["desk", "night", "care"]
  private static let agents = ["runtime", "voice"]

  /// A tenant with every human in every team, and a binding for each pair of human and team.
  private static var crowd: [AuthoredDocument] {
    var documents = [AuthoredShop.document(.tenant, "shop", ["display_name": "Shop"])]
    documents += humans.map { AuthoredShop.human($0, $0.capitalized) }
    documents += teams.map { team($0, handoffs: $0 == "desk" ? ["night"] : []) }
    documents += agents.map { AuthoredShop.document(.agent, $0, agent) }
    for (number, human) in humans.enumerated() {
      for team in teams {
        documents.append(
          binding("\(human)-\(team)", human, team, agents[number % 2], "\(human).\(team).example")
        )
      }
    }
    return documents
  }

  private static let agent: JSONValue = ["model_routing": ["default": "simulated"]]

  private static func team(
    _ slug: String,
    handoffs: [String],
    sop: String = "Be kind."
  ) -> AuthoredDocument {
    AuthoredShop.document(
      .team,
      slug,
      [
        "members": .array(humans.map { .string($0) }), "sops": [.string(sop)],
        "allowed_handoffs": .array(handoffs.map { .string($0) }),
      ]
    )
  }

  private static func binding(
    _ slug: String,
    _ human: String,
    _ team: String,
    _ agent: String,
    _ host: String
  ) -> AuthoredDocument {
    AuthoredShop.document(
      .binding,
      slug,
      [
        "human": .string(human), "team": .string(team), "agent": .string(agent),
        "routes": ["web": [.string(host)]],
      ]
    )
  }

  /// What is stored for nodes is what all objects compile to at once.
  private func expectWhole(_ shop: AuthoredShop) async throws {
    let objects = try await shop.objects()
    let whole = try TenantCompilation(
      tenant: "shop",
      objects: Dictionary(uniqueKeysWithValues: objects.map { ($0.key, $0) })
    )
    #expect(try whole.diagnostics().allSatisfy { $0.level != .error })
    var wanted = try whole.resources()
    var found: [ResourceKey: ConfigResource] = [:]
    for resource in try await shop.store.fullSnapshot().commit.resources {
      found[resource.key] = resource
    }
    // A section that no binding names is not told to nodes.
    let named = Set(
      wanted.values.flatMap { resource -> [Digest] in
        if case .binding(let binding) = resource { binding.sectionDigests } else { [] }
      }
    )
    wanted = wanted.filter { key, _ in
      if case .section(_, let digest) = key { named.contains(digest) } else { true }
    }
    #expect(Set(found.keys) == Set(wanted.keys))
    for (key, resource) in wanted {
      if case .tenant = resource { continue }
      #expect(found[key] == resource)
    }
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func `after any edits what is stored is what all objects compile to`(seed: UInt64) async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(Self.crowd, source: "repo")
      try await expectWhole(shop)
      var random = SeededGenerator(seed: seed)
      for round in 0 ..< 25 {
        func pick(_ values: [String]) -> String { values.randomElement(using: &random) ?? "" }
        let document =
          switch Int.random(in: 0 ..< 5, using: &random) {
          case 0: AuthoredShop.human(pick(Self.humans), "Name \(round)")
          case 1: Self.team(pick(["night", "care"]), handoffs: [], sop: "Line \(round).")
          case 2:
            AuthoredShop.document(
              .agent,
              pick(Self.agents),
              [
                "model_routing": ["default": "simulated"],
                "max_tool_iterations": .int(Int64(round % 9)),
              ]
            )
          case 3:
            Self.binding(
              "\(pick(Self.humans))-\(pick(Self.teams))",
              pick(Self.humans),
              pick(Self.teams),
              pick(Self.agents),
              "r\(round).example"
            )
          default:
            AuthoredShop.document(
              .tenant,
              "shop",
              [
                "display_name": .string("Shop \(round)"),
                "channel_accounts": [
                  ["slug": .string("shop-\(round % 2)"), "phone_number_id": "7"]
                ],
              ]
            )
          }
        let outcome = try await shop.apply([document], source: "repo")
        #expect(outcome.plan.diagnostics == [])
      }
      try await expectWhole(shop)
    }
  }

  @Test func `an edit reads what depends on it, and not again the tiers beside it`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(Self.crowd)
      let cache = TierCache()
      let loader = WorldLoader(store: fixture.store, cache: cache)
      let edit = AuthoredShop.human("asha", "Another")
      let roots = WorldLoader.Roots(documents: [edit], author: "", reason: "")
      let world = try await loader.world(roots)
      let slugs = Set(world.objects.keys.map { "\($0.kind.rawValue) \($0.slug)" })
      #expect(
        slugs == [
          "Tenant shop", "Human asha", "Team desk", "Team night", "Team care", "Agent runtime",
          "Binding asha-desk", "Binding asha-night", "Binding asha-care",
        ]
      )
      #expect(world.compiled.count == 3)
      #expect(Set(world.routes.map(\.key)).count == 3)
      // A binding without its tiers' users: only its own three.
      let one = Self.binding("ravi-desk", "ravi", "desk", "voice", "other.example")
      let small = try await loader.world(.init(documents: [one], author: "", reason: ""))
      #expect(
        Set(small.objects.keys.map(\.slug)) == ["shop", "ravi", "desk", "voice", "ravi-desk"]
      )
    }
  }

  @Test func `bindings and tiers that change at once come out as if one after another`()
    async throws
  {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(Self.crowd)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (index, human) in Self.humans.enumerated() {
          group.addTask {
            for round in 0 ..< 6 {
              try await shop.apply([AuthoredShop.human(human, "\(human) \(round)")])
            }
          }
          group.addTask {
            for round in 0 ..< 6 {
              let team = Self.teams[(round + index) % 3]
              try await shop.apply([
                Self.binding(
                  "new-\(index)-\(round)",
                  human,
                  team,
                  "voice",
                  "n\(index)-\(round).example"
                )
              ])
            }
          }
        }
        group.addTask {
          for round in 0 ..< 6 {
            try await shop.apply([Self.team("night", handoffs: ["care"], sop: "Night \(round).")])
          }
        }
        try await group.waitForAll()
      }
      try await expectWhole(shop)
      #expect(try await shop.objects().count == Self.crowd.count + 18)
    }
  }

  @Test func `of bindings that claim one route at once one gets it, the others are told`()
    async throws
  {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(Self.crowd)
      let codes = try await withThrowingTaskGroup(of: [String].self) { group in
        for number in 0 ..< 5 {
          group.addTask {
            let binding = Self.binding("b\(number)", "asha", "desk", "voice", "one.example")
            return try await shop.apply([binding]).plan.diagnostics.map(\.code)
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(codes.count { $0.isEmpty } == 1)
      #expect(codes.filter { !$0.isEmpty } == Array(repeating: ["BND_ROUTE_TAKEN"], count: 4))
      try await expectWhole(shop)
    }
  }

  @Test func `a route goes from one binding to another in one publication, and only so`()
    async throws
  {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(Self.crowd)
      let taker = Self.binding("ravi-desk", "ravi", "desk", "voice", "asha.desk.example")
      let refused = try await shop.apply([taker])
      #expect(refused.plan.diagnostics.map(\.code) == ["BND_ROUTE_TAKEN"])
      #expect(refused.plan.diagnostics.first?.slug == "shop/ravi-desk")
      let giver = Self.binding("asha-desk", "asha", "desk", "runtime", "ravi.desk.example")
      #expect(try await shop.apply([taker, giver]).plan.diagnostics == [])
      try await expectWhole(shop)
    }
  }

  @Test func `a human that a team still names is kept, also when the team is in no document`()
    async throws
  {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      try await shop.apply(Self.crowd)
      try await shop.apply(Self.crowd.filter { $0.key.kind == .human }, source: "people")
      let left = [AuthoredShop.human("asha", "Asha"), AuthoredShop.human("ravi", "Ravi")]
      let outcome = try await shop.apply(left, source: "people", prune: .init(isConfirmed: true))
      #expect(!outcome.stored)
      let codes = Set(outcome.plan.diagnostics.map { "\($0.code) \($0.slug)" })
      #expect(
        codes.isSuperset(of: ["BND_FOREIGN_TIER shop/desk", "BND_FOREIGN_TIER shop/mina-desk"])
      )
      // What is offered are all that are there, not only those that were read.
      let stray = Self.binding("stray", "minna", "care", "voice", "stray.example")
      let told = try await shop.apply([stray]).plan.diagnostics
      #expect(told.map(\.code) == ["BND_FOREIGN_TIER"])
      #expect(told.first?.hint == "did you mean 'mina'?")
    }
  }
}
