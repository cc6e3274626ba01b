/// One guardrail as compiled. Merging the tiers' rules is `GuardrailMerge`'s business.
package struct GuardrailRule: Hashable, Sendable, Codable {
  package enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
    case regex
    case keyword
    case pii
    case maxLength = "max_length"
    case mustInclude = "must_include"
    case urlAllowlist = "url_allowlist"
    case language
    case topic
    case classifier
    case toolArgs = "tool_args"
    case rate
  }

  package enum Stage: String, Hashable, Sendable, Codable, CaseIterable {
    case input
    case toolArgs = "tool_args"
    case toolResult = "tool_result"
    case output
    case memoryWrite = "memory_write"
  }

  /// Ordered by strength.
  package enum Severity: String, Hashable, Sendable, Codable, Comparable, CaseIterable {
    case log
    case rewrite
    case block

    package static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }

    private var rank: Int {
      switch self {
      case .log: 0
      case .rewrite: 1
      case .block: 2
      }
    }
  }

  package struct Rewrite: Hashable, Sendable, Codable {
    package enum Mode: String, Hashable, Sendable, Codable, CaseIterable {
      case mask
      case replace
      case append
      case prepend
      case truncate
      case regenerate
    }

    package var mode: Mode
    package var with: String?

    package init(mode: Mode, with: String?) {
      self.mode = mode
      self.with = with
    }
  }

  package struct Condition: Hashable, Sendable, Codable {
    package var channels: [String]
    package var languages: [String]

    package init(channels: [String] = [], languages: [String] = []) {
      self.channels = channels
      self.languages = languages
    }
  }

  package var ruleID: String
  package var kind: Kind
  package var stages: [Stage]
  package var severity: Severity
  /// Kind-specific: `pattern` (regex), `words` (keyword), `max` (max_length) …
  package var params: [String: JSONValue]
  package var rewrite: Rewrite?
  /// Said in place of a blocked reply.
  package var message: LocalizedText
  package var when: Condition
  /// True: an error in the rule itself counts as a hit.
  package var failsClosed: Bool
  /// Tiers that may downgrade or disable the rule.
  package var overridableBy: [String]
  package var enabled: Bool
  /// Output rules: most characters of look-back that a hit can need; nil: the whole text is needed.
  package var bound: Int?
  /// An explicit override of another tier's rule (`override`, `action`, `reason`), else nil.
  package var overrides: Override?

  package struct Override: Hashable, Sendable, Codable {
    package var ruleID: String
    /// "downgrade" or "disable".
    package var action: String
    package var reason: String

    package init(ruleID: String, action: String, reason: String) {
      self.ruleID = ruleID
      self.action = action
      self.reason = reason
    }

    private enum CodingKeys: String, CodingKey {
      case ruleID = "rule_id"
      case action
      case reason
    }
  }

  package init(
    ruleID: String,
    kind: Kind,
    stages: [Stage],
    severity: Severity,
    params: [String: JSONValue],
    rewrite: Rewrite?,
    message: LocalizedText,
    when: Condition,
    failsClosed: Bool,
    overridableBy: [String],
    enabled: Bool,
    bound: Int?,
    overrides: Override? = nil
  ) {
    self.ruleID = ruleID
    self.kind = kind
    self.stages = stages
    self.severity = severity
    self.params = params
    self.rewrite = rewrite
    self.message = message
    self.when = when
    self.failsClosed = failsClosed
    self.overridableBy = overridableBy
    self.enabled = enabled
    self.bound = bound
    self.overrides = overrides
  }

  private enum CodingKeys: String, CodingKey {
    case ruleID = "rule_id"
    case kind
    case stages
    case severity
    case params
    case rewrite
    case message
    case when
    case failsClosed = "fails_closed"
    case overridableBy = "overridable_by"
    case enabled
    case bound
    case overrides
  }
}
