internal import Domain

/// What only shows once the rules of all tiers stand together.
enum GuardrailChecks {
  static func check(
    human: [GuardrailRule],
    team: [GuardrailRule],
    agent: [GuardrailRule],
    problems: Problems
  ) {
    let tiers = [
      ("platform", PlatformTables.section.guardrails), ("agent", agent), ("team", team),
      ("human", human),
    ]
    var rules: [String: (tier: String, rule: GuardrailRule)] = [:]
    for (tier, list) in tiers {
      for rule in list where rule.overrides == nil {
        if let first = rules[rule.ruleID], first.rule.kind != rule.kind {
          problems.add(
            "GRD_KIND_CLASH",
            at: "",
            "the rule '\(rule.ruleID)' is \(first.rule.kind.rawValue) in the \(first.tier) and "
              + "\(rule.kind.rawValue) in the \(tier)",
            hint: "give one of them another id"
          )
        }
        if rules[rule.ruleID] == nil { rules[rule.ruleID] = (tier, rule) }
      }
    }
    for (tier, list) in tiers {
      for rule in list {
        guard let override = rule.overrides else { continue }
        guard let target = rules[override.ruleID] else {
          problems.add(
            "GRD_OVERRIDE_DENIED",
            at: "",
            "the \(tier) overrides '\(override.ruleID)', which no tier has",
            hint: "check the rule id"
          )
          continue
        }
        if target.tier == "platform" || !target.rule.overridableBy.contains(tier) {
          problems.add(
            "GRD_OVERRIDE_DENIED",
            at: "",
            "the \(tier) may not override '\(override.ruleID)' of the \(target.tier)",
            hint: "its overridable_by must name the tier; platform rules stand in any case"
          )
        }
      }
    }
  }
}
