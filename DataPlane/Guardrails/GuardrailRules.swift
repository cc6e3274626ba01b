package import Domain
internal import Foundation

/// The rules of one turn.
package struct GuardrailRules: Sendable {
  let steps: [GuardrailProgram.Step]

  /// Checks a whole text.
  ///
  /// First all block rules, then logs and rewrites in order (platform, agent, team, human), then all
  /// block rules once more on what came out; nothing is rewritten after that. The first rule that
  /// blocks, or wants the reply written again, ends the check.
  package func check(
    _ text: String,
    stage: GuardrailRule.Stage,
    about subject: GuardSubject = GuardSubject()
  ) -> GuardrailOutcome {
    let here = steps(at: stage)
    var outcome = check(text, stage, subject, here)
    guard stage == .toolArgs || stage == .toolResult, outcome.blocked == nil,
      let said = ArgumentCheck.texts(in: text)
    else { return outcome }
    // JSON says a line's end, or any letter, in letters of its own: rules look behind that, too.
    let behind = check(said, stage, subject, here.filter { $0.rule.kind != .toolArgs })
    let known = Set(outcome.violations.map(\.ruleID))
    outcome.violations += behind.violations.filter { !known.contains($0.ruleID) }
    if let blocked = behind.blocked {
      outcome.blocked = blocked
      outcome.text = ""
    } else if behind.text != said, outcome.text == text {
      // What can't be rewritten in its place goes as plain text to a model, and to no tool.
      outcome.text = stage == .toolResult ? behind.text : ""
      if stage == .toolArgs, let id = behind.violations.last?.ruleID {
        let message = here.first { $0.rule.ruleID == id }?.rule.message ?? [:]
        outcome.blocked = GuardrailOutcome.Blocked(ruleID: id, message: message)
      }
    }
    return outcome
  }

  private func check(
    _ text: String,
    _ stage: GuardrailRule.Stage,
    _ subject: GuardSubject,
    _ here: [GuardrailProgram.Step]
  ) -> GuardrailOutcome {
    let blocks = here.filter { $0.severity(at: stage) == .block }
    var outcome = GuardrailOutcome(text: text)
    if block(by: blocks, stage, subject, &outcome) { return outcome }
    for step in here where step.severity(at: stage) != .block {
      guard let hits = step.matcher.hits(in: outcome.text, about: subject) else { continue }
      outcome.violations.append(violation(step, hits, in: outcome.text, stage))
      if step.regenerates {
        outcome.regenerate = GuardrailOutcome.Regenerate(
          ruleID: step.rule.ruleID,
          guidance: step.rule.rewrite?.with ?? "",
          message: step.rule.message
        )
        outcome.text = ""
        return outcome
      }
      if step.severity == .rewrite {
        outcome.text = step.rewriter.apply(to: outcome.text, at: hits)
      }
    }
    if outcome.text != text { _ = block(by: blocks, stage, subject, &outcome) }
    return outcome
  }

  /// Whether a rule counts messages, so that somebody must.
  package var countsMessages: Bool { steps.contains { $0.rule.kind == .rate } }

  func steps(at stage: GuardrailRule.Stage) -> [GuardrailProgram.Step] {
    steps.filter { $0.rule.stages.contains(stage) }
  }

  private func block(
    by blocks: [GuardrailProgram.Step],
    _ stage: GuardrailRule.Stage,
    _ subject: GuardSubject,
    _ outcome: inout GuardrailOutcome
  ) -> Bool {
    for step in blocks {
      guard let hits = step.matcher.hits(in: outcome.text, about: subject) else { continue }
      outcome.violations.append(violation(step, hits, in: outcome.text, stage))
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
    _ hits: [Range<Int>],
    in text: String,
    _ stage: GuardrailRule.Stage
  ) -> GuardrailOutcome.Violation {
    let bytes = Array(text.utf8)
    return GuardrailOutcome.Violation(
      tier: step.tier,
      ruleID: step.rule.ruleID,
      severity: step.severity(at: stage),
      stage: stage,
      range: hits.first,
      digest: Digest(of: Data(bytes[hits.first ?? 0 ..< bytes.count])).hex
    )
  }
}
