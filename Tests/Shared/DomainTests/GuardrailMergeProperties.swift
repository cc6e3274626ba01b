import Domain
import Testing

/// What merging promises of any rules; made from seeds, so that a failure comes again.
@Suite struct GuardrailMergeProperties {
  /// SplitMix64.
  struct Rules: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }

    private mutating func some(_ values: [String], atLeast least: Int = 0) -> [String] {
      let count = Int.random(in: least ... values.count, using: &self)
      return Array(values.shuffled(using: &self).prefix(count))
    }

    private mutating func params(_ kind: GuardrailRule.Kind) -> [String: JSONValue] {
      func list(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
      switch kind {
      case .keyword: return ["words": list(some(["a", "b", "c", "d"], atLeast: 1))]
      case .maxLength: return ["max": .int(.random(in: 1 ... 9, using: &self))]
      case .urlAllowlist:
        return ["hosts": list(some(["a.in", "x.b.in", "*.b.in", "c.in"]))]
      case .pii: return ["detect": list(some(["card", "pan", "phone"]))]
      case .mustInclude: return ["text": list(some(["one", "two", "three"], atLeast: 1))]
      case .regex: return ["pattern": .string(["x+", "y", "z"].randomElement(using: &self) ?? "x")]
      default:
        return [
          "allow": list(some(["hi", "en", "kn"])), "deny": list(some(["hi", "en"])),
          "min_score": .int(.random(in: 1 ... 9, using: &self)),
        ]
      }
    }

    /// One kind for each id, so that no kinds clash; each id at most once.
    mutating func tier() -> [GuardrailRule] {
      let kinds: [GuardrailRule.Kind] = [
        .keyword, .maxLength, .urlAllowlist, .pii, .mustInclude, .regex, .language,
      ]
      return kinds.shuffled(using: &self).prefix(Int.random(in: 0 ... 7, using: &self)).map {
        kind in
        GuardrailRule(
          ruleID: "t.\(kind.rawValue)",
          kind: kind,
          stages: GuardrailRule.Stage.allCases.filter { _ in Bool.random(using: &self) },
          severity: GuardrailRule.Severity.allCases.randomElement(using: &self) ?? .log,
          params: params(kind),
          rewrite: Bool.random(using: &self) ? .init(mode: .mask, with: nil) : nil,
          message: Bool.random(using: &self) ? ["en": "\(next() % 100)"] : [:],
          when: .init(channels: some(["web", "whatsapp"]), languages: some(["hi", "en"])),
          failsClosed: Bool.random(using: &self),
          overridableBy: some(["human", "team", "agent"]),
          enabled: Int.random(in: 0 ..< 8, using: &self) > 0,
          bound: Bool.random(using: &self) ? Int.random(in: 1 ... 99, using: &self) : nil
        )
      }
    }

    mutating func overrides() -> [GuardrailRule] {
      tier().prefix(2).map { rule in
        var rule = rule
        rule.overrides = .init(
          ruleID: rule.ruleID,
          action: Bool.random(using: &self) ? "disable" : "downgrade",
          reason: "a test"
        )
        rule.enabled = true
        return rule
      }
    }
  }

  private typealias Merged = [GuardrailMerge.MergedRule]

  private func merge(
    _ human: [GuardrailRule],
    _ team: [GuardrailRule],
    _ agent: [GuardrailRule]
  ) -> Merged {
    GuardrailMerge.merge(platform: [], human: human, team: team, agent: agent).rules
  }

  private static func list(_ value: JSONValue?) -> Set<String> {
    Set(value?.stringValue.map { [$0] } ?? value?.arrayValue?.compactMap(\.stringValue) ?? [])
  }

  /// How strict a rule is, its wording and the order of its lists aside.
  private struct Strictness: Hashable {
    let severity: GuardrailRule.Severity
    let stages: Set<GuardrailRule.Stage>
    let lists: [String: Set<String>]
    let numbers: [String: JSONValue]
    let channels: Set<String>
    let languages: Set<String>
    let failsClosed: Bool
    let overridableBy: Set<String>
    let bound: Int?

    init(_ rule: GuardrailRule) {
      severity = rule.severity
      stages = Set(rule.stages)
      let isNumber = { (value: JSONValue) in value.intValue != nil }
      numbers = rule.params.filter { isNumber($0.value) }
      lists = rule.params.filter { !isNumber($0.value) && $0.key != "pattern" }
        .mapValues(GuardrailMergeProperties.list)
      channels = Set(rule.when.channels)
      languages = Set(rule.when.languages)
      failsClosed = rule.failsClosed
      overridableBy = Set(rule.overridableBy)
      bound = rule.bound
    }
  }

  private func strictness(_ merged: Merged) -> [String: Strictness] {
    Dictionary(
      merged.map { ($0.rule.ruleID, Strictness($0.rule)) },
      uniquingKeysWith: { a, _ in a }
    )
  }

  /// Whether everything that `weaker` catches is caught by `stricter`.
  private func covers(_ stricter: GuardrailRule, _ weaker: GuardrailRule) -> Bool {
    func all(_ mine: [String], _ other: [String]) -> Bool {
      mine.isEmpty || (!other.isEmpty && Set(mine).isSuperset(of: other))
    }
    let mine = stricter.params
    let other = weaker.params
    let fits =
      switch stricter.kind {
      case .keyword: Self.list(mine["words"]).isSuperset(of: Self.list(other["words"]))
      case .mustInclude: Self.list(mine["text"]).isSuperset(of: Self.list(other["text"]))
      case .maxLength: (mine["max"]?.intValue ?? .max) <= (other["max"]?.intValue ?? .min)
      case .urlAllowlist:
        Self.list(mine["hosts"]).allSatisfy { host in
          Self.list(other["hosts"]).contains {
            $0 == host || ($0.hasPrefix("*.") && host.hasSuffix($0.dropFirst()))
          }
        }
      case .pii:
        Self.list(mine["detect"]).isEmpty
          || (!Self.list(other["detect"]).isEmpty
            && Self.list(mine["detect"]).isSuperset(of: Self.list(other["detect"])))
      case .regex:
        mine["pattern"]?.stringValue?.contains(other["pattern"]?.stringValue ?? "?") == true
      default:
        Self.list(mine["allow"]).isSubset(of: Self.list(other["allow"]))
          && Self.list(mine["deny"]).isSuperset(of: Self.list(other["deny"]))
          && (mine["min_score"]?.intValue ?? .min) >= (other["min_score"]?.intValue ?? .max)
      }
    return fits && stricter.severity >= weaker.severity
      && Set(stricter.stages).isSuperset(of: weaker.stages)
      && all(stricter.when.channels, weaker.when.channels)
      && all(stricter.when.languages, weaker.when.languages)
      && (stricter.failsClosed || !weaker.failsClosed)
      && Set(stricter.overridableBy).isSubset(of: weaker.overridableBy)
  }

  @Test(arguments: 1 ... 60 as ClosedRange<UInt64>)
  func `no rule is removed or weakened, and none comes from nowhere`(seed: UInt64) {
    var random = Rules(state: seed)
    let tiers = [random.tier(), random.tier(), random.tier()]
    let merged = merge(tiers[0], tiers[1], tiers[2])
    let enabled = tiers.flatMap { $0 }.filter(\.enabled)
    for rule in enabled {
      let holds = merged.filter { $0.rule.ruleID == rule.ruleID && $0.rule.kind == rule.kind }
      #expect(holds.count == 1)
      #expect(holds.allSatisfy { covers($0.rule, rule) }, "\(holds) \(rule)")
    }
    #expect(Set(merged.map(\.rule.ruleID)) == Set(enabled.map(\.ruleID)))
    // Somebody asked for this severity, and answers for it.
    for holds in merged {
      let tier = tiers[["human": 0, "team": 1, "agent": 2][holds.tier] ?? 0]
      #expect(
        tier.contains { $0.ruleID == holds.rule.ruleID && $0.severity == holds.rule.severity }
      )
    }
  }

  @Test(arguments: 1 ... 60 as ClosedRange<UInt64>)
  func `denied is not allowed`(seed: UInt64) {
    var random = Rules(state: seed)
    for holds in merge(random.tier(), random.tier(), random.tier()).map(\.rule) {
      #expect(Self.list(holds.params["allow"]).isDisjoint(with: Self.list(holds.params["deny"])))
    }
  }

  @Test(arguments: 1 ... 60 as ClosedRange<UInt64>)
  func `the order within a tier changes the order of the rules alone`(seed: UInt64) {
    var random = Rules(state: seed)
    let tiers = [random.tier(), random.tier(), random.tier()]
    let one = merge(tiers[0], tiers[1], tiers[2])
    let shuffled = tiers.map { $0.shuffled(using: &random) }
    let other = merge(shuffled[0], shuffled[1], shuffled[2])
    #expect(Set(one) == Set(other))
  }

  @Test(arguments: 1 ... 60 as ClosedRange<UInt64>)
  func `whichever tiers have the rules, they are as strict`(seed: UInt64) {
    var random = Rules(state: seed)
    let (a, b, c) = (random.tier(), random.tier(), random.tier())
    let one = strictness(merge(a, b, c))
    for (x, y, z) in [(a, c, b), (b, a, c), (b, c, a), (c, a, b), (c, b, a)] {
      #expect(strictness(merge(x, y, z)) == one)
    }
  }

  @Test(arguments: 1 ... 60 as ClosedRange<UInt64>)
  func `merging what is merged changes nothing`(seed: UInt64) {
    var random = Rules(state: seed)
    let merged = merge(random.tier(), random.tier(), random.tier()).map(\.rule)
    #expect(merge([], [], merged).map(\.rule) == merged)
    #expect(merge(merged, merged, merged).map(\.rule) == merged)
  }

  @Test(arguments: 1 ... 60 as ClosedRange<UInt64>)
  func `an override weakens only what permits it, and never the platform's`(seed: UInt64) {
    var random = Rules(state: seed)
    let platform = random.tier().map { rule in
      var rule = rule
      rule.overridableBy = ["human", "team", "agent"]
      return rule
    }
    let (human, team, agent) = (random.tier(), random.tier(), random.tier())
    let overrides = random.overrides()
    let ofPlatform = overrides.map { rule in
      var rule = rule
      rule.overrides?.ruleID = "platform.\(rule.ruleID)"
      return rule
    }
    let without = GuardrailMerge.merge(
      platform: platform,
      human: human,
      team: team,
      agent: agent
    ).rules
    let with = GuardrailMerge.merge(
      platform: platform,
      human: human + overrides + ofPlatform,
      team: team,
      agent: agent
    )
    let permitted = Set(
      overrides.map(\.ruleID).filter { id in
        (team + agent).filter { $0.enabled && $0.ruleID == id }
          .allSatisfy { $0.overridableBy.contains("human") }
      }
    )
    let untouched = { (holds: GuardrailMerge.MergedRule) in !permitted.contains(holds.rule.ruleID) }
    #expect(with.rules.filter(untouched) == without.filter(untouched))
    for holds in with.rules {
      let before = without.first { $0.rule.ruleID == holds.rule.ruleID }
      #expect(before.map { holds.rule.severity <= $0.rule.severity } == true)
    }
    let denied = Set(with.clashes.filter { $0.problem == .overrideDenied }.map(\.ruleID))
    #expect(denied.isDisjoint(with: permitted))
  }
}
