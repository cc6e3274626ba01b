internal import Domain
internal import Matching

/// What only shows once the rules of all tiers stand together.
struct GuardrailChecks {
  /// A tier's document and its rules, in the document's order.
  typealias TierRules = (document: AuthoredDocument, rules: [GuardrailRule])

  let human: TierRules
  let team: TierRules
  let agent: TierRules

  /// - Parameters:
  ///   - greeting: What the persona says first.
  ///   - apology: What it says when a turn fails, as its author wrote it.
  func diagnostics(greeting: LocalizedText, apology: LocalizedText) -> [Diagnostic] {
    let (merged, clashes) = GuardrailMerge.merge(
      platform: PlatformTables.section.guardrails,
      human: human.rules,
      team: team.rules,
      agent: agent.rules
    )
    var found = clashes.map(diagnostic)
    let texts =
      fixedTexts(of: agent) + fixedTexts(of: team) + fixedTexts(of: human)
      + Self.texts(greeting, at: "/greeting", human.document)
      + Self.texts(apology, at: "/apology", human.document)
    for rule in merged.map(\.rule) where rule.severity == .block && rule.stages.contains(.output) {
      guard let detector = Self.detector(of: rule) else { continue }
      let languages = rule.when.languages
      for text in texts where !detector.hits(in: Array(text.text.utf8)).isEmpty {
        // A rule for Hindi says nothing about an English text.
        if let language = text.language, !languages.isEmpty, !languages.contains(language) {
          continue
        }
        found.append(
          Self.diagnostic(
            "GRD_CONTRADICTION",
            text.document,
            at: text.path,
            "the text must be said here, and the rule '\(rule.ruleID)' blocks it",
            hint: "change the text or the rule"
          )
        )
      }
    }
    return found
  }

  // MARK: - Texts that are said as they stand

  private struct FixedText {
    let document: AuthoredDocument
    let path: String
    let text: String
    /// Empty or nil: for any.
    let language: String?
  }

  private static func texts(
    _ text: LocalizedText,
    at path: String,
    _ document: AuthoredDocument
  ) -> [FixedText] {
    text.sorted { $0.key < $1.key }.map { language, text in
      FixedText(
        document: document,
        path: language.isEmpty ? path : "\(path)/\(language)",
        text: text,
        language: language.isEmpty ? nil : language
      )
    }
  }

  private func fixedTexts(of tier: TierRules) -> [FixedText] {
    tier.rules.enumerated().flatMap { index, rule -> [FixedText] in
      guard rule.enabled, rule.overrides == nil else { return [] }
      let path = "/guardrails/\(index)"
      var texts = Self.texts(rule.message, at: "\(path)/message", tier.document)
      func add(_ text: String?, _ key: String) {
        guard let text else { return }
        texts.append(
          FixedText(document: tier.document, path: "\(path)/\(key)", text: text, language: nil)
        )
      }
      if rule.stages.contains(.output) { add(rule.rewrite?.with, "rewrite/with") }
      if rule.kind == .mustInclude { add(rule.params["text"]?.stringValue, "params/text") }
      return texts
    }
  }

  /// What a rule looks for; nil for what is no matter of single texts.
  private static func detector(of rule: GuardrailRule) -> (any Detector)? {
    func strings(_ key: String) -> [String] {
      let value = rule.params[key]
      return value?.arrayValue?.compactMap(\.stringValue) ?? value?.stringValue.map { [$0] } ?? []
    }
    do {
      switch rule.kind {
      case .regex: return try strings("pattern").first.map { try PatternDetector($0) }
      case .keyword: return try Keywords(strings("words"))
      case .pii:
        let kinds = strings("detect").compactMap(PersonalData.Kind.init(rawValue:))
        return kinds.isEmpty ? PersonalData() : PersonalData(Set(kinds))
      case .urlAllowlist: return try ForeignLinks(allowing: strings("hosts"))
      default: return nil
      }
    } catch {
      // A rule that can't be run was reported where it was read.
      return nil
    }
  }

  // MARK: - Clashes

  private func diagnostic(_ clash: GuardrailMerge.Clash) -> Diagnostic {
    let other = clash.otherTier ?? "another tier"
    let (document, rules) =
      switch clash.tier {
      case "team": team
      case "agent": agent
      default: human
      }
    let index = rules.firstIndex {
      $0.ruleID == clash.ruleID && ($0.overrides == nil) == (clash.problem == .kind)
    }
    let path = index.map { "/guardrails/\($0)" } ?? "/guardrails"
    switch clash.problem {
    case .kind:
      return Self.diagnostic(
        "GRD_KIND_CLASH",
        document,
        at: "\(path)/kind",
        "the rule '\(clash.ruleID)' is of another kind in the \(other)",
        hint: "give one of them another id"
      )
    case .overridesNothing:
      return Self.diagnostic(
        "GRD_OVERRIDE_DENIED",
        document,
        at: "\(path)/override",
        "no tier has the rule '\(clash.ruleID)'",
        hint: "check the rule id"
      )
    case .overrideDenied:
      return Self.diagnostic(
        "GRD_OVERRIDE_DENIED",
        document,
        at: "\(path)/override",
        "the \(clash.tier) may not override '\(clash.ruleID)' of the \(other)",
        hint: "its overridable_by must name the tier; platform rules stand in any case"
      )
    case .rewriteMissing:
      return Self.diagnostic(
        "GRD_REWRITE_MISSING",
        document,
        at: "\(path)/severity",
        "'\(clash.ruleID)' doesn't say what to write instead",
        hint: "downgrade to log, or give that rule a rewrite"
      )
    }
  }

  private static func diagnostic(
    _ code: String,
    _ document: AuthoredDocument,
    at path: String,
    _ message: String,
    hint: String
  ) -> Diagnostic {
    Diagnostic(
      code: code,
      tier: .init(document.key.kind),
      slug: "\(document.key.tenant)/\(document.key.slug)",
      path: path,
      message: message,
      hint: hint,
      source: document.source
    )
  }
}
