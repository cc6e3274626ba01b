package import Domain

/// The merged rules of a binding's tiers, ready to run. Immutable; made once for the same sections.
package final class GuardrailProgram: Sendable {
  /// A rule with what finds and what rewrites its hits.
  struct Step: Sendable {
    let rule: GuardrailRule
    let tier: String
    let matcher: RuleMatcher
    /// What a hit does: a rewrite that can't be carried out blocks.
    let severity: GuardrailRule.Severity

    /// Nil for a rule that can't run and may be passed over.
    init?(_ merged: GuardrailMerge.MergedRule) {
      rule = merged.rule
      tier = merged.tier
      matcher = RuleMatcher(merged.rule)
      var severity = merged.rule.severity
      if case .broken = matcher {
        guard rule.failsClosed else { return nil }
        if severity == .rewrite { severity = .block }
      } else if severity == .rewrite, rule.rewrite?.mode == .regenerate {
        guard rule.failsClosed else { return nil }
        severity = .block
      }
      self.severity = severity
    }

    var rewriter: Rewriter {
      Rewriter(mode: rule.rewrite?.mode ?? .mask, with: rule.rewrite?.with, matcher: matcher)
    }
  }

  private let steps: [Step]

  package init(
    platform: [GuardrailRule],
    human: [GuardrailRule],
    team: [GuardrailRule],
    agent: [GuardrailRule]
  ) {
    steps = GuardrailMerge.merge(platform: platform, human: human, team: team, agent: agent)
      .rules.compactMap(Step.init)
  }

  /// The rules that hold on a channel and in a language (BCP 47).
  package func rules(channel: String, language: String) -> GuardrailRules {
    let language = language.lowercased()
    let primary = String(language.prefix { $0 != "-" && $0 != "_" })
    return GuardrailRules(
      steps: steps.filter { step in
        let when = step.rule.when
        return (when.channels.isEmpty || when.channels.contains(channel))
          && (when.languages.isEmpty
            || when.languages.contains { [language, primary].contains($0.lowercased()) })
      }
    )
  }
}
