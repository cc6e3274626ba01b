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
      rule.params = Self.strictest(rule.params, member.rule.params)
      // Later tiers are nearer to the person who speaks: their wording wins.
      rule.rewrite = member.rule.rewrite ?? rule.rewrite
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
    rule.severity = supplier.rule.severity
    return GuardrailMerge.MergedRule(rule: rule, tier: supplier.tier.recorded)
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

  private static func strictest(
    _ a: [String: JSONValue],
    _ b: [String: JSONValue]
  ) -> [String: JSONValue] {
    a.merging(b) { _, later in later }.reduce(into: [:]) { result, entry in
      guard let one = a[entry.key], let other = b[entry.key], one != other else {
        result[entry.key] = entry.value
        return
      }
      result[entry.key] = strictest(one, other, key: entry.key)
    }
  }

  private static func strictest(_ a: JSONValue, _ b: JSONValue, key: String) -> JSONValue {
    if key == "max" || key.hasPrefix("max_") { return lesser(a, b) ? a : b }
    if key == "min" || key.hasPrefix("min_") { return greater(a, b) ? a : b }
    switch (a, b) {
    case (.string(let one), .string(let other)) where key == "pattern":
      return .string("(?:\(one))|(?:\(other))")
    case (.array(let one), .array(let other)) where key == "hosts" || key.hasPrefix("allow"):
      return .array(one.filter(other.contains))
    case (.array, .array), (.array, .string), (.string, .array):
      return united(a, b)
    // What must be said: all of it.
    case (.string, .string) where key == "text":
      return united(a, b)
    default: return b
    }
  }

  private static func united(_ a: JSONValue, _ b: JSONValue) -> JSONValue {
    let one = a.arrayValue ?? [a]
    let other = b.arrayValue ?? [b]
    return .array(one + other.filter { !one.contains($0) })
  }

  // By value; what is no number is no limit, and loses.
  private static func lesser(_ a: JSONValue, _ b: JSONValue) -> Bool {
    (a.doubleValue ?? .infinity) <= (b.doubleValue ?? .infinity)
  }

  private static func greater(_ a: JSONValue, _ b: JSONValue) -> Bool {
    (a.doubleValue ?? -.infinity) >= (b.doubleValue ?? -.infinity)
  }
}
