import Domain
import Guardrails

/// A rule with what a test cares for; the rest as the compiler would have it.
func rule(
  _ id: String,
  _ kind: GuardrailRule.Kind,
  _ severity: GuardrailRule.Severity,
  _ params: [String: JSONValue],
  _ mode: GuardrailRule.Rewrite.Mode? = nil,
  with: String? = nil,
  stages: [GuardrailRule.Stage] = [.output],
  when: GuardrailRule.Condition = .init(),
  bound: Int? = 100,
  failsClosed: Bool? = nil
) -> GuardrailRule {
  GuardrailRule(
    ruleID: id,
    kind: kind,
    stages: stages,
    severity: severity,
    params: params,
    rewrite: mode.map { .init(mode: $0, with: with) },
    message: severity == .block ? ["en": "No.", "hi": "नहीं।"] : [:],
    when: when,
    failsClosed: failsClosed ?? (severity != .log),
    overridableBy: [],
    enabled: true,
    bound: bound
  )
}

func rules(
  platform: [GuardrailRule] = [],
  human: [GuardrailRule] = [],
  team: [GuardrailRule] = [],
  agent: [GuardrailRule] = [],
  channel: String = "web",
  language: String = "en"
) -> GuardrailRules {
  GuardrailProgram(platform: platform, human: human, team: team, agent: agent)
    .rules(channel: channel, language: language)
}
