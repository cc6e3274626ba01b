import Codecs
import Compiler
import Domain
import Testing

@Suite struct SampleTests {
  private static let tenants = ["kichcha", "medicly", "ranveer", "sahayak", "vakil"]

  private func applied() throws -> Publication {
    let files = ConfigFiles.load(PlanFixture.folder("sample"))
    #expect(files.diagnostics == [])
    var fixture = PlanFixture()
    let plan = fixture.plan(files.documents)
    #expect(plan.diagnostics == [])
    return try #require(plan.publication)
  }

  @Test("The sample compiles without a word: five tenants, each with a number and two hosts")
  func compiles() throws {
    let publication = try applied()
    var tenants: [String] = []
    var routes: [String] = []
    for resource in publication.resources {
      switch resource {
      case .tenant(let tenant): tenants.append(tenant.slug)
      case .route(let route): routes.append(route.key)
      default: break
      }
    }
    #expect(tenants.sorted() == Self.tenants)
    let numbers = (1 ... 5).map { "91980000000\($0)" }
    let hosts = Self.tenants.flatMap { ["\($0).example", "\($0).localhost"] }
    #expect(routes.sorted() == (numbers + hosts).sorted())
  }

  @Test("Its guardrails block, rewrite and log, at all three tiers")
  func guardrails() throws {
    var severities: [SectionKind: Set<GuardrailRule.Severity>] = [:]
    for case .section(let section) in try applied().resources {
      let rules =
        switch section.kind {
        case .human: try CanonicalJSON.decode(section.content, as: HumanSection.self).guardrails
        case .team: try CanonicalJSON.decode(section.content, as: TeamSection.self).guardrails
        case .agent: try CanonicalJSON.decode(section.content, as: AgentSection.self).guardrails
        case .platform:
          try CanonicalJSON.decode(section.content, as: PlatformSection.self).guardrails
        }
      severities[section.kind, default: []].formUnion(rules.map(\.severity))
    }
    #expect(severities[.human] == [.block, .rewrite, .log])
    #expect(severities[.team] == [.block, .rewrite, .log])
    #expect(severities[.agent] == [.block, .rewrite, .log])
    #expect(severities[.platform] == [.rewrite])
  }

  @Test("Every persona says who it is, its languages and its greeting, and can apologise in all")
  func personas() throws {
    var count = 0
    for case .section(let section) in try applied().resources where section.kind == .human {
      count += 1
      let human = try CanonicalJSON.decode(section.content, as: HumanSection.self)
      let lines = human.prompt.split(separator: "\n")
      #expect(lines.first?.hasPrefix("You are \(human.displayName),") == true)
      let first = try #require(human.languages.first)
      #expect(lines.contains { $0.hasPrefix("Languages: \(first) (default)") })
      for (language, text) in human.greeting {
        #expect(lines.contains { $0 == "Greeting (\(language)): \(text)" })
      }
      #expect(Set(human.languages).isSubset(of: human.apology.keys))
    }
    #expect(count == 6)
  }

  @Test("Without leave for this machine its tools are refused")
  func toolsElsewhere() {
    var fixture = PlanFixture()
    fixture.planner = Planner()
    let plan = fixture.plan(ConfigFiles.load(PlanFixture.folder("sample")).documents)
    #expect(plan.publication == nil)
    #expect(Set(plan.diagnostics.map(\.code)) == ["TOOL_INSECURE_URL", "TOOL_PRIVATE_HOST"])
  }
}
