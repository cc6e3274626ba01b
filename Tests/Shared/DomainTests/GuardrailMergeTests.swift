import Domain
import Testing

@Suite struct GuardrailMergeTests {
  private func rule(
    _ id: String,
    _ kind: GuardrailRule.Kind = .keyword,
    _ severity: GuardrailRule.Severity = .log,
    stages: [GuardrailRule.Stage] = [.output],
    params: [String: JSONValue] = [:],
    rewrite: GuardrailRule.Rewrite? = nil,
    message: LocalizedText = [:],
    channels: [String] = [],
    overridableBy: [String] = [],
    enabled: Bool = true,
    bound: Int? = 10
  ) -> GuardrailRule {
    GuardrailRule(
      ruleID: id,
      kind: kind,
      stages: stages,
      severity: severity,
      params: params,
      rewrite: rewrite,
      message: message,
      when: .init(channels: channels),
      failsClosed: false,
      overridableBy: overridableBy,
      enabled: enabled,
      bound: bound
    )
  }

  private func override(
    _ id: String,
    _ action: String,
    to severity: GuardrailRule.Severity = .log
  ) -> GuardrailRule {
    var rule = rule(id, .regex, severity)
    rule.overrides = .init(ruleID: id, action: action, reason: "a test")
    return rule
  }

  private func merge(
    platform: [GuardrailRule] = [],
    human: [GuardrailRule] = [],
    team: [GuardrailRule] = [],
    agent: [GuardrailRule] = []
  ) -> (rules: [GuardrailMerge.MergedRule], clashes: [GuardrailMerge.Clash]) {
    GuardrailMerge.merge(platform: platform, human: human, team: team, agent: agent)
  }

  @Test func `a tier that only adds to a text does not take the place of one that takes out of it`()
  {
    let merged = merge(
      human: [rule("x", .regex, .log, rewrite: .init(mode: .append, with: "."))],
      team: [rule("x", .regex, .rewrite, rewrite: .init(mode: .mask, with: nil))],
      agent: [rule("x", .regex, .rewrite, rewrite: .init(mode: .replace, with: "-"))]
    )
    #expect(merged.rules.map(\.rule.rewrite?.mode) == [.mask])
  }

  @Test func `rules run in the order platform, agent, team, human`() {
    let merged = merge(
      platform: [rule("p")],
      human: [rule("h2"), rule("h1")],
      team: [rule("t")],
      agent: [rule("a")]
    )
    #expect(merged.rules.map(\.rule.ruleID) == ["platform.p", "a", "t", "h2", "h1"])
    #expect(merged.rules.map(\.tier) == ["agent", "agent", "team", "human", "human"])
    #expect(merged.clashes.isEmpty)
  }

  @Test func `the strictest severity holds, and its tier answers for it`() {
    let merged = merge(
      human: [rule("x", .keyword, .rewrite)],
      team: [rule("x", .keyword, .block)],
      agent: [rule("x", .keyword, .log)]
    )
    #expect(merged.rules.count == 1)
    #expect(merged.rules.first?.rule.severity == .block)
    #expect(merged.rules.first?.tier == "team")
  }

  @Test func `of two equal severities the first tier answers`() {
    let merged = merge(
      human: [rule("x", .keyword, .block)],
      agent: [rule("x", .keyword, .block)]
    )
    #expect(merged.rules.first?.tier == "agent")
  }

  @Test func `stages and words unite, conditions widen, bounds grow`() {
    let merged = merge(
      human: [
        rule(
          "x",
          stages: [.input],
          params: ["words": ["b", "c"]],
          channels: ["web"],
          bound: 30
        )
      ],
      agent: [
        rule(
          "x",
          stages: [.output],
          params: ["words": ["a", "b"]],
          channels: ["whatsapp"],
          bound: 20
        )
      ]
    )
    let rule = merged.rules.first?.rule
    #expect(rule?.stages == [.output, .input])
    #expect(rule?.params["words"] == ["a", "b", "c"])
    #expect(rule?.when.channels == ["whatsapp", "web"])
    #expect(rule?.bound == 30)
  }

  @Test func `a condition that names nothing means everything`() {
    let merged = merge(human: [rule("x", channels: ["web"])], agent: [rule("x")])
    #expect(merged.rules.first?.rule.when.channels == [])
  }

  @Test func `a rule that needs the whole text in one tier needs it merged`() {
    let merged = merge(human: [rule("x", bound: nil)], agent: [rule("x", bound: 5)])
    #expect(merged.rules.first?.rule.bound == .some(nil))
  }

  @Test func `allow lists shrink, the least maximum and the greatest minimum hold`() {
    let merged = merge(
      human: [
        rule("x", params: ["hosts": ["b.in", "c.in"], "max": 90, "min_words": 2, "max_b": "no"])
      ],
      team: [
        rule("x", params: ["hosts": ["a.in", "b.in"], "max": 40, "min_words": 7, "max_b": 3])
      ]
    )
    #expect(
      merged.rules.first?.rule.params
        == ["hosts": ["b.in"], "max": 40, "min_words": 7, "max_b": 3]
    )
  }

  @Test func `patterns become alternatives and required texts are all required`() {
    let patterns = merge(
      human: [rule("x", .regex, params: ["pattern": "b|c"])],
      agent: [rule("x", .regex, params: ["pattern": "a"])]
    )
    #expect(patterns.rules.first?.rule.params["pattern"] == "(?:a)|(?:b|c)")
    let texts = merge(
      human: [rule("x", .mustInclude, params: ["text": "two"])],
      agent: [rule("x", .mustInclude, params: ["text": "one"])]
    )
    #expect(texts.rules.first?.rule.params["text"] == ["one", "two"])
  }

  @Test func `the human's wording goes before the team's and the agent's`() {
    let merged = merge(
      human: [rule("x", message: ["hi": "human"])],
      team: [
        rule(
          "x",
          rewrite: .init(mode: .replace, with: "team"),
          message: ["hi": "team", "en": "team"]
        )
      ],
      agent: [
        rule(
          "x",
          rewrite: .init(mode: .replace, with: "agent"),
          message: ["en": "agent", "kn": "agent"]
        )
      ]
    )
    let rule = merged.rules.first?.rule
    #expect(rule?.message == ["hi": "human", "en": "team", "kn": "agent"])
    #expect(rule?.rewrite?.with == "team")
  }

  @Test func `different kinds with one id clash, and both stay`() {
    let merged = merge(human: [rule("x", .regex)], agent: [rule("x", .keyword)])
    #expect(merged.rules.map(\.rule.kind) == [.keyword, .regex])
    #expect(
      merged.clashes == [
        .init(problem: .kind, ruleID: "x", tier: "human", otherTier: "agent")
      ]
    )
  }

  @Test func `an override that the rule permits disables or downgrades it`() {
    let open = rule("x", .keyword, .block, overridableBy: ["human"])
    #expect(merge(human: [override("x", "disable")], agent: [open]).rules.isEmpty)
    let lowered = merge(human: [override("x", "downgrade")], agent: [open])
    #expect(lowered.rules.first?.rule.severity == .log)
    #expect(lowered.rules.first?.tier == "human")
    #expect(lowered.clashes.isEmpty)
  }

  @Test func `an override without permission changes nothing`() {
    let closed = rule("x", .keyword, .block, overridableBy: ["team"])
    let merged = merge(human: [override("x", "disable")], agent: [closed])
    #expect(merged.rules.first?.rule.severity == .block)
    #expect(
      merged.clashes == [
        .init(problem: .overrideDenied, ruleID: "x", tier: "human", otherTier: "agent")
      ]
    )
  }

  @Test func `every tier that has the rule must permit its override`() {
    let merged = merge(
      human: [override("x", "disable")],
      team: [rule("x", .keyword, .log)],
      agent: [rule("x", .keyword, .block, overridableBy: ["human"])]
    )
    #expect(merged.rules.count == 1)
    #expect(merged.clashes.first?.otherTier == "team")
  }

  @Test func `the platform's rules stand in any case`() {
    let own = rule("platform.x", .keyword, .rewrite, overridableBy: ["human", "team", "agent"])
    let merged = merge(platform: [own], human: [override("platform.x", "disable")])
    #expect(merged.rules.map(\.rule.ruleID) == ["platform.x"])
    #expect(merged.clashes.first?.problem == .overrideDenied)
    #expect(merged.clashes.first?.otherTier == "platform")
  }

  @Test func `an override of nothing and a downgrade without wording are clashes`() {
    let merged = merge(
      human: [override("y", "disable"), override("x", "downgrade", to: .rewrite)],
      agent: [rule("x", .keyword, .block, overridableBy: ["human"])]
    )
    #expect(merged.rules.first?.rule.severity == .block)
    #expect(merged.clashes.map(\.problem) == [.overridesNothing, .rewriteMissing])
  }

  @Test func `an override never strengthens or revives a rule`() {
    let off = rule("x", .keyword, .block, enabled: false)
    #expect(merge(human: [override("x", "downgrade")], agent: [off]).rules.isEmpty)
    let log = rule("x", .keyword, .log, overridableBy: ["human"])
    let merged = merge(human: [override("x", "downgrade", to: .block)], agent: [log])
    #expect(merged.rules.first?.rule.severity == .log)
    #expect(merged.rules.first?.tier == "agent")
  }
}
