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
      } else if severity == .rewrite, !Self.canRewrite(merged.rule) {
        guard rule.failsClosed else { return nil }
        severity = .block
      }
      self.severity = severity
    }

    /// Whether there is a place to rewrite: calls and counts are no text, and a text in the wrong
    /// language is wrong as a whole.
    private static func canRewrite(_ rule: GuardrailRule) -> Bool {
      switch rule.kind {
      case .toolArgs, .rate: false
      case .language: rule.rewrite?.mode != .mask && rule.rewrite?.mode != .truncate
      default: true
      }
    }

    /// What a hit does at a stage: only a reply can be written again.
    func severity(at stage: GuardrailRule.Stage) -> GuardrailRule.Severity {
      regenerates && stage != .output ? .block : severity
    }

    var regenerates: Bool { severity == .rewrite && rule.rewrite?.mode == .regenerate }

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
