package import Domain
internal import Foundation

/// A binding's rules, ready to run. Immutable; made once for a binding's digest.
package final class GuardrailProgram: Sendable {
  struct Step: Sendable {
    let rule: GuardrailRule
    let tier: String
    let matcher: RuleMatcher
  }

  private let steps: [Step]

  package init(
    platform: [GuardrailRule],
    human: [GuardrailRule],
    team: [GuardrailRule],
    agent: [GuardrailRule]
  ) {
    steps = GuardrailMerge.merge(platform: platform, human: human, team: team, agent: agent).rules
      .map {
        Step(rule: $0.rule, tier: $0.tier, matcher: RuleMatcher($0.rule))
      }
  }

  /// The rules that hold on a channel and in a language.
  package func rules(channel: String, language: String) -> GuardrailRules {
    let primary = String(language.prefix { $0 != "-" })
    return GuardrailRules(
      steps: steps.filter { step in
        let when = step.rule.when
        return (when.channels.isEmpty || when.channels.contains(channel))
          && (when.languages.isEmpty || when.languages.contains(language)
            || when.languages.contains(primary))
      }
    )
  }
}

/// The rules of one turn.
package struct GuardrailRules: Sendable {
  let steps: [GuardrailProgram.Step]

  /// Checks a whole text.
  ///
  /// First all block rules, then logs and rewrites in order, then all block rules once more on what
  /// came out; nothing is rewritten after that.
  package func check(_ text: String, stage: GuardrailRule.Stage) -> GuardrailOutcome {
    let here = steps.filter { $0.rule.stages.contains(stage) }
    let blocks = here.filter { $0.rule.severity == .block }
    var outcome = GuardrailOutcome(text: text)
    if block(by: blocks, stage, &outcome) { return outcome }
    var isRewritten = false
    for step in here where step.rule.severity != .block {
      let hits = step.matcher.hits(in: outcome.text)
      guard let first = hits.first else { continue }
      outcome.violations.append(violation(step, first, in: outcome.text, stage))
      if step.rule.severity == .rewrite {
        outcome.text = Rewriter.apply(step.rule.rewrite, to: outcome.text, at: hits)
        isRewritten = true
      }
    }
    if isRewritten { _ = block(by: blocks, stage, &outcome) }
    return outcome
  }

  private func block(
    by blocks: [GuardrailProgram.Step],
    _ stage: GuardrailRule.Stage,
    _ outcome: inout GuardrailOutcome
  ) -> Bool {
    for step in blocks {
      guard let hit = step.matcher.hits(in: outcome.text).first else { continue }
      outcome.violations.append(violation(step, hit, in: outcome.text, stage))
      outcome.blocked = GuardrailOutcome.Blocked(
        ruleID: step.rule.ruleID,
        message: step.rule.message
      )
      outcome.text = ""
      return true
    }
    return false
  }

  private func violation(
    _ step: GuardrailProgram.Step,
    _ hit: Range<Int>,
    in text: String,
    _ stage: GuardrailRule.Stage
  ) -> GuardrailOutcome.Violation {
    let bytes = Array(text.utf8)
    let isWhole = hit == 0 ..< bytes.count
    return GuardrailOutcome.Violation(
      tier: step.tier,
      ruleID: step.rule.ruleID,
      severity: step.rule.severity,
      stage: stage,
      range: isWhole ? nil : hit,
      digest: Digest(of: Data(bytes[hit])).hex
    )
  }

  /// Most bytes of look-back that an output rule which changes the text can need; nil: all of it.
  ///
  /// The sum over the rules, since one may hit what another has written.
  var lookBack: Int? {
    var total = 0
    for step in steps where step.rule.stages.contains(.output) && step.rule.severity != .log {
      guard let bound = step.rule.bound else { return nil }
      total += bound
    }
    return total
  }
}

/// Carries out a rule's rewrite.
enum Rewriter {
  static func apply(
    _ rewrite: GuardrailRule.Rewrite?,
    to text: String,
    at hits: [Range<Int>]
  ) -> String {
    let bytes = Array(text.utf8)
    switch rewrite?.mode ?? .mask {
    case .mask, .regenerate:
      return replacing(hits, in: bytes) { String(repeating: "•", count: $0.count) }
    case .replace: return replacing(hits, in: bytes) { _ in rewrite?.with ?? "" }
    case .append: return text + (rewrite?.with ?? "")
    case .prepend: return (rewrite?.with ?? "") + text
    case .truncate:
      guard let first = hits.first else { return text }
      return String(decoding: bytes[..<first.lowerBound], as: UTF8.self) + (rewrite?.with ?? "…")
    }
  }

  private static func replacing(
    _ hits: [Range<Int>],
    in bytes: [UInt8],
    _ replacement: (String) -> String
  ) -> String {
    var result: [UInt8] = []
    var position = 0
    for hit in hits where hit.lowerBound >= position {
      result += bytes[position ..< hit.lowerBound]
      result += Array(replacement(String(decoding: bytes[hit], as: UTF8.self)).utf8)
      position = hit.upperBound
    }
    result += bytes[position...]
    return String(decoding: result, as: UTF8.self)
  }
}
