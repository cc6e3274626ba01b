package import Domain

/// What the guardrails made of one text.
package struct GuardrailOutcome: Hashable, Sendable {
  /// The text to go on with: rewritten where rules say so; empty when `blocked`.
  package var text: String
  /// The rule that blocked, if one did.
  package var blocked: Blocked?
  /// Output: the rule that wants the model to write again, if one does; `text` is empty then.
  package var regenerate: Regenerate?
  package var violations: [Violation]

  package struct Blocked: Hashable, Sendable {
    package var ruleID: String
    /// What to say in place of the text, by language.
    package var message: LocalizedText

    package init(ruleID: String, message: LocalizedText) {
      self.ruleID = ruleID
      self.message = message
    }
  }

  package struct Regenerate: Hashable, Sendable {
    package var ruleID: String
    /// What the author tells the model to do better; may be empty.
    package var guidance: String
    /// What to say if the next try breaks a rule of this sort too, by language.
    package var message: LocalizedText

    package init(ruleID: String, guidance: String, message: LocalizedText) {
      self.ruleID = ruleID
      self.guidance = guidance
      self.message = message
    }
  }

  /// A hit, for the record: offsets and a hash, never the text.
  package struct Violation: Hashable, Sendable {
    /// "human", "team" or "agent": who supplied the effective severity.
    package var tier: String
    package var ruleID: String
    package var severity: GuardrailRule.Severity
    package var stage: GuardrailRule.Stage
    /// UTF-8 offsets of the first hit in the text that was checked; nil when the whole was meant.
    package var range: Range<Int>?
    /// SHA-256 of the offending text, hex.
    package var digest: String

    package init(
      tier: String,
      ruleID: String,
      severity: GuardrailRule.Severity,
      stage: GuardrailRule.Stage,
      range: Range<Int>?,
      digest: String
    ) {
      self.tier = tier
      self.ruleID = ruleID
      self.severity = severity
      self.stage = stage
      self.range = range
      self.digest = digest
    }
  }

  package init(
    text: String,
    blocked: Blocked? = nil,
    regenerate: Regenerate? = nil,
    violations: [Violation] = []
  ) {
    self.text = text
    self.blocked = blocked
    self.regenerate = regenerate
    self.violations = violations
  }
}
