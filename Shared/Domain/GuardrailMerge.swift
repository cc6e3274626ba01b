/// Merges the guardrails of the platform and the three tiers into one list.
///
/// No tier silently removes another's rule: rules with one id become their strictest common form,
/// and only an explicit override, which the rule itself must permit, weakens or removes one.
/// Pure and deterministic: the same sections give the same list on every machine.
package enum GuardrailMerge {
  /// A rule as it holds, and who answers for it.
  package struct MergedRule: Hashable, Sendable {
    package var rule: GuardrailRule
    /// "human", "team" or "agent": the tier that supplied the effective severity. The platform's
    /// rules count as the agent's, with "platform." before their id.
    package var tier: String

    package init(rule: GuardrailRule, tier: String) {
      self.rule = rule
      self.tier = tier
    }
  }

  /// What does not fit together. The compiler refuses it; a node keeps the stricter form.
  package struct Clash: Hashable, Sendable {
    package enum Problem: String, Hashable, Sendable {
      /// The same id with another kind in an earlier tier.
      case kind
      /// An override of a rule that no tier has.
      case overridesNothing
      /// An override that the rule's `overridable_by` does not permit.
      case overrideDenied
      /// A downgrade to `rewrite` of a rule that doesn't say what to write.
      case rewriteMissing
    }

    package var problem: Problem
    package var ruleID: String
    /// Where the rule or override stands: "human", "team" or "agent".
    package var tier: String
    /// The tier that it clashes with ("platform" too), if there is one.
    package var otherTier: String?

    package init(problem: Problem, ruleID: String, tier: String, otherTier: String? = nil) {
      self.problem = problem
      self.ruleID = ruleID
      self.tier = tier
      self.otherTier = otherTier
    }
  }

  /// In the order in which rules run: platform, agent, team, human; within a tier as written.
  package static func merge(
    platform: [GuardrailRule],
    human: [GuardrailRule],
    team: [GuardrailRule],
    agent: [GuardrailRule]
  ) -> (rules: [MergedRule], clashes: [Clash]) {
    let tiers: [(Tier, [GuardrailRule])] = [
      (.platform, platform), (.agent, agent), (.team, team), (.human, human),
    ]
    var groups: [Group] = []
    var clashes: [Clash] = []
    for (tier, rules) in tiers {
      for rule in rules where rule.overrides == nil && rule.enabled {
        let sameID = groups.indices.filter { groups[$0].id == id(of: rule, in: tier) }
        if let same = sameID.first(where: { groups[$0].kind == rule.kind }) {
          groups[same].members.append((tier, rule))
          continue
        }
        if let other = sameID.first {
          clashes.append(
            Clash(
              problem: .kind,
              ruleID: rule.ruleID,
              tier: tier.rawValue,
              otherTier: groups[other].members.first?.tier.rawValue
            )
          )
        }
        groups.append(
          Group(id: id(of: rule, in: tier), kind: rule.kind, members: [(tier, rule)])
        )
      }
    }
    var merged = groups.map { ($0, $0.merged) }
    for (tier, rules) in tiers {
      for rule in rules where rule.enabled {
        guard let override = rule.overrides else { continue }
        apply(override, to: rule.severity, by: tier, on: &merged, clashes: &clashes)
      }
    }
    return (merged.compactMap(\.1), clashes)
  }

  /// Tiers in the order in which their rules run.
  enum Tier: String {
    case platform
    case agent
    case team
    case human

    /// As it is recorded.
    var recorded: String { self == .platform ? Tier.agent.rawValue : rawValue }
  }

  private static func id(of rule: GuardrailRule, in tier: Tier) -> String {
    tier == .platform && !rule.ruleID.hasPrefix("platform.")
      ? "platform.\(rule.ruleID)" : rule.ruleID
  }

  private static func apply(
    _ override: GuardrailRule.Override,
    to severity: GuardrailRule.Severity,
    by tier: Tier,
    on merged: inout [(Group, MergedRule?)],
    clashes: inout [Clash]
  ) {
    let targets = merged.indices.filter { merged[$0].0.id == override.ruleID }
    guard !targets.isEmpty else {
      clashes.append(
        Clash(problem: .overridesNothing, ruleID: override.ruleID, tier: tier.rawValue)
      )
      return
    }
    for target in targets {
      if let denier = merged[target].0.denier(of: tier) {
        clashes.append(
          Clash(
            problem: .overrideDenied,
            ruleID: override.ruleID,
            tier: tier.rawValue,
            otherTier: denier.rawValue
          )
        )
        continue
      }
      guard var rule = merged[target].1 else { continue }
      if override.action == "disable" {
        merged[target].1 = nil
      } else if severity < rule.rule.severity {
        if severity == .rewrite, rule.rule.rewrite == nil {
          clashes.append(
            Clash(problem: .rewriteMissing, ruleID: override.ruleID, tier: tier.rawValue)
          )
          continue
        }
        rule.rule.severity = severity
        rule.tier = tier.recorded
        merged[target].1 = rule
      }
    }
  }

  /// The rules that share an id and a kind, in the order of their tiers.
  struct Group {
    let id: String
    let kind: GuardrailRule.Kind
    var members: [(tier: Tier, rule: GuardrailRule)]

    /// The first tier that does not let `tier` override its rule.
    func denier(of tier: Tier) -> Tier? {
      members.first { member in
        member.tier == .platform
          || (member.tier != tier && !member.rule.overridableBy.contains(tier.rawValue))
      }?.tier
    }
  }
}
