internal import Domain
internal import Matching

/// What only shows once the rules of all tiers stand together.
struct GuardrailChecks {
  let human: GuardedTier
  let team: GuardedTier
  let agent: GuardedTier

  private var tiers: [GuardedTier] { [agent, team, human] }

  private static let platform = PlatformTables.guardrails.compactMap { Forbidding($0) }
  private static let platformIDs = Set(PlatformTables.guardrails.map(\.ruleID))

  func diagnostics() -> [Diagnostic] {
    guard !holdAsWritten else {
      return contradictions(Self.platform + tiers.flatMap(\.forbidding), under: nil)
    }
    let (merged, clashes) = GuardrailMerge.merge(
      platform: PlatformTables.guardrails,
      human: human.rules,
      team: team.rules,
      agent: agent.rules
    )
    let rules = merged.map(\.rule)
    let known = unreadable
    let effective = Dictionary(rules.map { ($0.ruleID, $0) }, uniquingKeysWith: { a, _ in a })
    return clashes.filter { $0.problem != .overridesNothing || !known.contains($0.ruleID) }
      .map(diagnostic)
      + unusable(rules)
      + contradictions(rules.compactMap { Forbidding($0) }, under: effective)
  }

  /// No id is in two tiers and nothing is overridden: then merging changes nothing.
  private var holdAsWritten: Bool {
    !tiers.contains(where: \.overrides) && human.ids.isDisjoint(with: team.ids)
      && human.ids.isDisjoint(with: agent.ids) && team.ids.isDisjoint(with: agent.ids)
  }

  private var unreadable: Set<String> {
    human.unreadable.union(team.unreadable).union(agent.unreadable)
  }

  /// Whether any tier has a rule of this name, sound or not.
  func knows(_ ruleID: String) -> Bool {
    Self.platformIDs.contains(ruleID) || tiers.contains { $0.ids.contains(ruleID) }
      || unreadable.contains(ruleID)
  }

  private func contradictions(
    _ forbidding: [Forbidding],
    under effective: [String: GuardrailRule]?
  ) -> [Diagnostic] {
    var found: [Diagnostic] = []
    for tier in tiers {
      for text in tier.texts {
        for rule in forbidding where rule.forbids(text) && text.isSaid(under: effective) {
          found.append(contradiction(of: text, in: tier, and: rule.rule))
        }
      }
    }
    return found
  }

  private func contradiction(
    of text: FixedText,
    in tier: GuardedTier,
    and rule: GuardrailRule
  ) -> Diagnostic {
    let does = rule.severity == .block ? "blocks" : "changes"
    return Self.diagnostic(
      "GRD_CONTRADICTION",
      tier.document,
      at: text.path,
      got: text.text,
      "the text must be said here, and the rule '\(rule.ruleID)' \(does) it",
      hint: "change the text or the rule"
    )
  }

  /// Rules that are sound one by one, but can't run as one.
  private func unusable(_ rules: [GuardrailRule]) -> [Diagnostic] {
    rules.compactMap { rule -> Diagnostic? in
      guard let owner = [human, team, agent].first(where: { $0.ids.contains(rule.ruleID) }) else {
        return nil
      }
      do throws(PatternError) {
        switch rule.kind {
        case .regex:
          _ = try Pattern(rule.params["pattern"]?.stringValue ?? "")
        case .keyword:
          _ = try Keywords((rule.params["words"]?.arrayValue ?? []).compactMap(\.stringValue))
        case .topic: _ = try Topics(rule.params)
        case .language where rule.params["allow"]?.arrayValue?.isEmpty != false:
          return Self.diagnostic(
            "GRD_CONTRADICTION",
            owner.document,
            at: "\(owner.path(of: rule.ruleID, isOverride: false))/params/allow",
            "together with the other tiers' rule of this id no language is allowed",
            hint: "name a language that all of them name, in the same way"
          )
        default: return nil
        }
        return nil
      } catch {
        return Self.diagnostic(
          "GRD_BAD_REGEX",
          owner.document,
          at: "\(owner.path(of: rule.ruleID, isOverride: false))/params",
          "together with the other tiers' rule of this id it can't be used: \(error.message)",
          hint: "shorten it, or give one of them another id"
        )
      }
    }
  }

  // MARK: - Clashes

  private func diagnostic(_ clash: GuardrailMerge.Clash) -> Diagnostic {
    let other = clash.otherTier ?? "another tier"
    let tier =
      switch clash.tier {
      case "team": team
      case "agent": agent
      default: human
      }
    let path = tier.path(of: clash.ruleID, isOverride: clash.problem != .kind)
    switch clash.problem {
    case .kind:
      return Self.diagnostic(
        "GRD_KIND_CLASH",
        tier.document,
        at: "\(path)/kind",
        "the rule '\(clash.ruleID)' is of another kind in the \(other)",
        hint: "give one of them another id"
      )
    case .overridesNothing:
      return Self.diagnostic(
        "GRD_OVERRIDE_DENIED",
        tier.document,
        at: "\(path)/override",
        got: clash.ruleID,
        "no tier has the rule '\(clash.ruleID)'",
        hint: "check the rule id"
      )
    case .overrideDenied:
      return Self.diagnostic(
        "GRD_OVERRIDE_DENIED",
        tier.document,
        at: "\(path)/override",
        got: clash.ruleID,
        "the \(clash.tier) may not override '\(clash.ruleID)' of the \(other)",
        hint: "its overridable_by must name the tier; platform rules stand in any case"
      )
    case .rewriteMissing:
      return Self.diagnostic(
        "GRD_REWRITE_MISSING",
        tier.document,
        at: "\(path)/severity",
        "'\(clash.ruleID)' doesn't say what to write instead",
        hint: "downgrade to log, or give that rule a rewrite"
      )
    }
  }

  static func diagnostic(
    _ code: String,
    _ document: AuthoredDocument,
    at path: String,
    level: Diagnostic.Level = .error,
    got: String = "",
    _ message: String,
    hint: String
  ) -> Diagnostic {
    Diagnostic(
      code: code,
      level: level,
      tier: .init(document.key.kind),
      slug: "\(document.key.tenant)/\(document.key.slug)",
      path: path,
      got: String(got.prefix(60)),
      message: message,
      hint: hint,
      source: document.source
    )
  }
}
