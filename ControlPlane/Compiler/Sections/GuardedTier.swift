internal import Domain
internal import Matching

/// What one tier brings to the check of a binding's rules: made once, used with all its partners.
final class GuardedTier: Sendable {
  let document: AuthoredDocument
  let rules: [GuardrailRule]
  let unreadable: Set<String>
  /// Ids of all its rules and overrides' targets.
  let ids: Set<String>
  /// Some rule is an override, so that the tiers' rules must be merged to know what holds.
  let overrides: Bool
  let forbidding: [Forbidding]
  let texts: [FixedText]
  private let places: [Int]

  /// - Parameter said: What is said as it stands, the rules' own texts aside.
  init(_ document: AuthoredDocument, _ rules: TierRules, said: [SaidText]) {
    self.document = document
    self.rules = rules.rules
    unreadable = rules.unreadable
    places = rules.placed.map(\.index)
    ids = Set(rules.rules.map(\.ruleID))
    overrides = rules.rules.contains { $0.overrides != nil }
    forbidding = rules.rules.compactMap { Forbidding($0, ready: rules.detectors[$0.ruleID]) }
    texts =
      rules.placed.flatMap { FixedText.all(of: $0.rule, at: "/guardrails/\($0.index)") }
      + said.map { FixedText($0) }
  }

  /// Where a rule, or an override of it, stands.
  func path(of ruleID: String, isOverride: Bool) -> String {
    let index = rules.firstIndex { $0.ruleID == ruleID && ($0.overrides != nil) == isOverride }
    return index.map { "/guardrails/\(places[$0])" } ?? "/guardrails"
  }
}

/// A text that goes out as it stands.
struct FixedText: Sendable {
  /// What makes it be said.
  enum Origin: Hashable {
    /// A greeting, a SOP, an escalation's message.
    case document
    case message(String)
    case rewrite(String)
    /// Every reply must hold it.
    case required(String)
  }

  let path: String
  let bytes: [UInt8]
  let count: Int
  /// nil: for any.
  let language: String?
  let when: GuardrailRule.Condition
  let origin: Origin
  /// Of the rule that makes it be said, as written.
  private let severity: GuardrailRule.Severity

  init(
    _ said: SaidText,
    when: GuardrailRule.Condition = .init(),
    origin: Origin = .document,
    severity: GuardrailRule.Severity = .block
  ) {
    path = said.path
    bytes = Array(said.text.utf8)
    count = said.text.count
    language = said.language
    self.when = when
    self.origin = origin
    self.severity = severity
  }

  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// The texts that a rule itself makes be said.
  static func all(of rule: GuardrailRule, at path: String) -> [FixedText] {
    guard rule.enabled, rule.overrides == nil else { return [] }
    let id = rule.ruleID
    func made(_ said: SaidText, _ origin: Origin) -> FixedText {
      FixedText(said, when: rule.when, origin: origin, severity: rule.severity)
    }
    var texts = SaidText.all(rule.message, at: "\(path)/message").map { made($0, .message(id)) }
    if rule.stages.contains(.output), let with = rule.rewrite?.with {
      texts.append(made(SaidText(path: "\(path)/rewrite/with", text: with), .rewrite(id)))
    }
    if rule.kind == .mustInclude {
      for text in rule.params["text"]?.arrayValue ?? [] {
        guard let text = text.stringValue else { continue }
        texts.append(made(SaidText(path: "\(path)/params/text", text: text), .required(id)))
      }
    }
    return texts
  }

  /// Whether the text is said under the rules as they hold; nil: every tier's rules hold as written.
  func isSaid(under effective: [String: GuardrailRule]?) -> Bool {
    switch origin {
    case .document: return true
    case .message(let id):
      guard let effective else { return severity == .block }
      // Another tier's wording may stand before this one.
      return effective[id]?.severity == .block && effective[id]?.message[language ?? ""] == text
    case .rewrite(let id):
      guard let effective else { return severity == .rewrite }
      return effective[id]?.severity == .rewrite && effective[id]?.rewrite?.with == text
    case .required(let id): return effective.map { $0[id] != nil } ?? true
    }
  }
}

/// A rule that takes texts out: what blocks, and, from what must be said, what rewrites.
struct Forbidding: Sendable {
  let rule: GuardrailRule
  private let look: Look

  private enum Look {
    case detector(any Detector)
    case longerThan(Int)
    case topic(Topics)
    case languageOtherThan(AllowedLanguages)
  }

  /// nil for a rule that is no matter of single texts, or can't run: that was told where it was read.
  ///
  /// - Parameter ready: The detector of the rule's words or pattern, if it has been made.
  init?(_ rule: GuardrailRule, ready: (any Detector)? = nil) {
    guard rule.enabled, rule.overrides == nil, rule.stages.contains(.output),
      rule.severity != .log
    else { return nil }
    if rule.severity == .rewrite, ![.mask, .replace, .truncate].contains(rule.rewrite?.mode) {
      return nil
    }
    func strings(_ key: String) -> [String] {
      let value = rule.params[key]
      return value?.arrayValue?.compactMap(\.stringValue) ?? value?.stringValue.map { [$0] } ?? []
    }
    do {
      switch rule.kind {
      case .regex:
        guard let pattern = strings("pattern").first else { return nil }
        look = .detector(try ready ?? PatternDetector(pattern))
      case .keyword: look = .detector(try ready ?? Keywords(strings("words")))
      case .pii:
        let kinds = strings("detect").compactMap(PersonalData.Kind.init(rawValue:))
        look = .detector(kinds.isEmpty ? PersonalData() : PersonalData(Set(kinds)))
      case .urlAllowlist: look = .detector(try ForeignLinks(allowing: strings("hosts")))
      case .maxLength:
        guard let most = rule.params["max"]?.intValue else { return nil }
        look = .longerThan(Int(clamping: most))
      case .topic: look = .topic(try Topics(rule.params))
      case .language: look = .languageOtherThan(AllowedLanguages(strings("allow")))
      default: return nil
      }
    } catch {
      return nil
    }
    self.rule = rule
  }

  /// Whether the rule would stop the text, or change one that must stay.
  func forbids(_ text: FixedText) -> Bool {
    if rule.severity == .rewrite {
      guard case .required = text.origin else { return false }
    }
    guard meets(text) else { return false }
    switch look {
    case .detector(let detector): return detector.isFound(in: text.bytes)
    case .longerThan(let most): return text.count > most
    case .topic(let topics): return topics.hits(in: text.bytes) != nil
    case .languageOtherThan(let allowed): return allowed.isForeign(text.text)
    }
  }

  /// A rule for Hindi says nothing about an English text, one for the web nothing about WhatsApp.
  private func meets(_ text: FixedText) -> Bool {
    let (mine, other) = (rule.when, text.when)
    let channelsMeet =
      mine.channels.isEmpty || other.channels.isEmpty
      || mine.channels.contains(where: other.channels.contains)
    guard channelsMeet, !mine.languages.isEmpty else { return channelsMeet }
    let spoken = text.language.map { [$0] } ?? other.languages
    return spoken.isEmpty
      || spoken.contains { spoken in
        let spoken = spoken.lowercased()
        let primary = String(spoken.prefix { $0 != "-" })
        return mine.languages.contains { [spoken, primary].contains($0.lowercased()) }
      }
  }
}
