extension GuardrailMerge.Group {
  /// The strictest common form: severity the strongest, stages and deny lists united, allow lists
  /// cut down to what all have, `max…` the least, `min…` the greatest; wording from the human
  /// before the team before the agent.
  var merged: GuardrailMerge.MergedRule? {
    guard let first = members.first else { return nil }
    var supplier = first
    var rule = first.rule
    rule.ruleID = id
    for member in members.dropFirst() {
      if member.rule.severity > supplier.rule.severity { supplier = member }
      rule.stages += member.rule.stages.filter { !rule.stages.contains($0) }
      rule.params = StrictestParams.of(rule.params, member.rule.params)
      // Later tiers are nearer to the person who speaks: their wording wins.
      rule.rewrite = Self.stricter(rule.rewrite, member.rule.rewrite)
      rule.message.merge(member.rule.message) { _, later in later }
      rule.when = Self.union(rule.when, member.rule.when)
      rule.failsClosed = rule.failsClosed || member.rule.failsClosed
      rule.overridableBy = rule.overridableBy.filter(member.rule.overridableBy.contains)
      if let one = rule.bound, let other = member.rule.bound {
        rule.bound = max(one, other)
      } else {
        rule.bound = nil
      }
    }
    rule.params = StrictestParams.withoutDenied(rule.params)
    rule.severity = supplier.rule.severity
    return GuardrailMerge.MergedRule(rule: rule, tier: supplier.tier.recorded)
  }

  /// How a text is rewritten is no wording: who only adds to it must not take the place of who takes
  /// out of it.
  private static func stricter(
    _ a: GuardrailRule.Rewrite?,
    _ b: GuardrailRule.Rewrite?
  ) -> GuardrailRule.Rewrite? {
    func rank(_ mode: GuardrailRule.Rewrite.Mode) -> Int {
      switch mode {
      case .append, .prepend: 0
      case .truncate: 1
      case .mask, .replace: 2
      case .regenerate: 3
      }
    }
    guard let a, let b else { return a ?? b }
    return rank(a.mode) > rank(b.mode) ? a : b
  }

  /// Empty means all, so it swallows the other's list.
  private static func union(
    _ a: GuardrailRule.Condition,
    _ b: GuardrailRule.Condition
  ) -> GuardrailRule.Condition {
    func all(_ x: [String], _ y: [String]) -> [String] {
      x.isEmpty || y.isEmpty ? [] : x + y.filter { !x.contains($0) }
    }
    return GuardrailRule.Condition(
      channels: all(a.channels, b.channels),
      languages: all(a.languages, b.languages)
    )
  }
}
