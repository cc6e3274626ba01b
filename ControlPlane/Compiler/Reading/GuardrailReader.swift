internal import Domain
internal import Matching

/// The guardrails of one tier, as read.
struct TierRules {
  /// Those without faults, with their place in the document's list.
  var placed: [(index: Int, rule: GuardrailRule)] = []
  /// Ids of rules with faults: what would follow from them is not known.
  var unreadable: Set<String> = []
  /// What was made of words and patterns when they were checked, by rule id: it takes a millisecond.
  var detectors: [String: any Detector] = [:]

  var rules: [GuardrailRule] { placed.map(\.rule) }
}

/// Reads the guardrails of a tier and checks each rule by itself.
struct GuardrailReader {
  let channels: Set<String>

  /// Kinds that a node can run; the others are refused rather than silently without effect.
  private static let supported: [GuardrailRule.Kind] = [
    .regex, .keyword, .pii, .maxLength, .mustInclude, .urlAllowlist, .language, .topic, .toolArgs,
    .rate,
  ]

  func rules(in spec: SpecReader) -> TierRules {
    var read = TierRules()
    var seen: Set<String> = []
    for (index, reader) in spec.mappings("guardrails") {
      let id = reader.value("rule_id")?.stringValue
      var detector: (any Detector)?
      if let rule = rule(reader, &detector) {
        if let detector, read.detectors[rule.ruleID] == nil {
          read.detectors[rule.ruleID] = detector
        }
        read.placed.append((index, rule))
      } else if let id {
        read.unreadable.insert(id)
      }
      if let id, !seen.insert(id).inserted {
        reader.problems.add(
          "GRD_DUP_ID",
          at: reader.pointer("rule_id"),
          "the rule id '\(id.prefix(40))' is there twice",
          hint: "give each rule its own id"
        )
      }
    }
    return read
  }

  private func rule(
    _ reader: SpecReader,
    _ detector: inout (any Detector)?
  ) -> GuardrailRule? {
    let before = reader.problems.list.count
    if reader.value("override") != nil { return override(reader) }
    reader.warnUnknown([
      "rule_id", "kind", "stages", "severity", "params", "rewrite", "message", "when", "on_error",
      "overridable_by", "enabled",
    ])
    let id = ruleID(reader, "rule_id")
    let kind = kind(reader)
    let severity = reader.choice(
      "severity",
      of: GuardrailRule.Severity.self,
      default: .log,
      code: "GRD_BAD_SEVERITY"
    )
    if reader.value("severity") == nil {
      reader.problems.add(
        "GRD_BAD_SEVERITY",
        at: reader.pointer("severity"),
        "severity is missing",
        hint: "use block, rewrite or log"
      )
    }
    let stages = stages(reader, of: kind)
    let rewrite = rewrite(reader, severity: severity)
    if let kind { checkFit(of: kind, stages, severity, rewrite, reader) }
    let params = reader.object("params")
    let checked = kind.map { check(params, of: $0, &detector) } ?? params.members
    // A rule that stops or changes a text fails closed, one that only takes notes fails open.
    let onError = reader.word(
      "on_error",
      of: severity == .log ? ["open", "closed"] : ["closed", "open"]
    )
    let message = reader.localized("message")
    let condition = condition(reader.object("when"))
    let overridable = reader.strings("overridable_by", bare: true)
    for (index, tier) in overridable.enumerated() where !["human", "team", "agent"].contains(tier) {
      reader.problems.add(
        "CFG_CHOICE",
        at: place(of: index, "overridable_by", in: reader),
        "'\(tier.prefix(40))' is no tier",
        hint: "use human, team or agent"
      )
    }
    guard reader.problems.list[before...].allSatisfy({ $0.level == .warning }), let kind else {
      return nil
    }
    return GuardrailRule(
      ruleID: id,
      kind: kind,
      stages: stages,
      severity: severity,
      params: checked,
      rewrite: rewrite,
      message: message,
      when: condition,
      failsClosed: onError == "closed",
      overridableBy: overridable,
      enabled: reader.bool("enabled", default: true),
      bound: bound(of: kind, severity, params: params, rewrite: rewrite)
    )
  }

  private func kind(_ reader: SpecReader) -> GuardrailRule.Kind? {
    let text = reader.required("kind", hint: "regex, keyword, pii, max_length, …")
    guard !text.isEmpty else { return nil }
    let kind = GuardrailRule.Kind(rawValue: text)
    if let kind, Self.supported.contains(kind) { return kind }
    let known = Self.supported.map(\.rawValue)
    reader.problems.add(
      "GRD_UNKNOWN_KIND",
      at: reader.pointer("kind"),
      kind == nil
        ? "'\(text.prefix(40))' is no kind of rule"
        : "nodes can't run rules of the kind '\(text)' yet, and a rule without effect protects nobody",
      hint: nearest(to: text, among: known).map { "did you mean '\($0)'?" }
        ?? "use one of \(known.joined(separator: ", "))"
    )
    return kind
  }

  private func condition(_ when: SpecReader) -> GuardrailRule.Condition {
    when.warnUnknown(["channels", "languages"])
    let condition = GuardrailRule.Condition(
      channels: when.strings("channels", bare: true),
      languages: when.strings("languages", bare: true)
    )
    for (index, channel) in condition.channels.enumerated() where !channels.contains(channel) {
      when.problems.add(
        "BND_CHANNEL_UNKNOWN",
        at: place(of: index, "channels", in: when),
        "'\(channel.prefix(40))' is no channel",
        hint: "use \(channels.sorted().joined(separator: " or "))"
      )
    }
    for (index, language) in condition.languages.enumerated() where !isLanguage(language) {
      when.problems.add(
        "HUM_BAD_LANG",
        at: place(of: index, "languages", in: when),
        "not a language code",
        hint: "use codes like en, hi, kn, en-IN"
      )
    }
    return condition
  }

  /// Where an entry stands: a bare text is the whole value.
  private func place(of index: Int, _ key: String, in reader: SpecReader) -> String {
    reader.value(key)?.arrayValue == nil ? reader.pointer(key) : "\(reader.pointer(key))/\(index)"
  }

  private func override(_ reader: SpecReader) -> GuardrailRule? {
    reader.warnUnknown(["override", "action", "reason", "severity"])
    let before = reader.problems.list.count
    let target = ruleID(reader, "override")
    if reader.value("action") == nil {
      _ = reader.required("action", hint: "downgrade or disable")
    }
    let action = reader.word("action", of: ["downgrade", "disable"])
    let reason = reader.required("reason", hint: "say why, for the audit")
    let severity = reader.choice(
      "severity",
      of: GuardrailRule.Severity.self,
      default: .log,
      code: "GRD_BAD_SEVERITY"
    )
    guard reader.problems.list.count == before else { return nil }
    return GuardrailRule(
      ruleID: target,
      kind: .regex,
      stages: [],
      severity: severity,
      params: [:],
      rewrite: nil,
      message: [:],
      when: .init(),
      failsClosed: false,
      overridableBy: [],
      enabled: true,
      bound: 0,
      overrides: .init(ruleID: target, action: action, reason: reason)
    )
  }

  private func ruleID(_ reader: SpecReader, _ key: String) -> String {
    let id = reader.required(key, hint: "like medicly.no-dosage")
    let isFine =
      id.utf8.count <= 120 && id.first != "."
      && (!id.hasPrefix("platform.") || key == "override")
      && id.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || "._-".contains($0)) }
    if !id.isEmpty, !isFine {
      reader.problems.add(
        "GRD_BAD_ID",
        at: reader.pointer(key),
        id.hasPrefix("platform.") ? "'platform.' is reserved" : "'\(id.prefix(40))' is no rule id",
        hint: "use a-z, 0-9, '.', '_' and '-', and begin with your own name, like medicly."
      )
    }
    return id
  }

  private func stages(
    _ reader: SpecReader,
    of kind: GuardrailRule.Kind?
  ) -> [GuardrailRule.Stage] {
    guard reader.value("stages") != nil else { return [kind?.onlyStage ?? .output] }
    var stages: [GuardrailRule.Stage] = []
    for (index, text) in reader.strings("stages", bare: true).enumerated() {
      if let stage = GuardrailRule.Stage(rawValue: text) {
        if !stages.contains(stage) { stages.append(stage) }
      } else {
        reader.problems.add(
          "GRD_BAD_STAGE",
          at: place(of: index, "stages", in: reader),
          "'\(text.prefix(40))' is no stage",
          hint: "use input, tool_args, tool_result, output or memory_write"
        )
      }
    }
    return stages
  }

  private func rewrite(
    _ reader: SpecReader,
    severity: GuardrailRule.Severity
  ) -> GuardrailRule.Rewrite? {
    guard reader.value("rewrite") != nil else {
      if severity == .rewrite {
        reader.problems.add(
          "GRD_REWRITE_MISSING",
          at: reader.pointer("rewrite"),
          "the rule rewrites, but not to what",
          hint: "add rewrite: {mode: replace, with: …}"
        )
      }
      return nil
    }
    let rewrite = reader.object("rewrite")
    rewrite.warnUnknown(["mode", "with"])
    let mode = rewrite.choice(
      "mode",
      of: GuardrailRule.Rewrite.Mode.self,
      default: .mask,
      code: "GRD_REWRITE_MISSING"
    )
    let with = rewrite.string("with")
    if [.replace, .append, .prepend].contains(mode), with == nil {
      reader.problems.add(
        "GRD_REWRITE_MISSING",
        at: rewrite.pointer("with"),
        "'\(mode.rawValue)' needs its text",
        hint: "add with: …"
      )
    }
    return GuardrailRule.Rewrite(mode: mode, with: with)
  }

  /// How far back a hit can reach in a text that still grows; nil: the whole text.
  private func bound(
    of kind: GuardrailRule.Kind,
    _ severity: GuardrailRule.Severity,
    params: SpecReader,
    rewrite: GuardrailRule.Rewrite?
  ) -> Int? {
    if let mode = rewrite?.mode, [.append, .prepend, .truncate, .regenerate].contains(mode) {
      // What only adds at the end holds nothing back.
      return mode == .append && severity == .rewrite ? 0 : nil
    }
    switch kind {
    case .keyword:
      // The longest word, what surrounds it, and room for folded letters and several spaces.
      return params.strings("words", bare: true).map { $0.utf8.count * 2 + 16 }.max()
    case .regex:
      return params.string("pattern").flatMap { PatternBound.of($0) }
    case .pii: return 320
    // The longest that usual browsers take; a longer link is held back to its end all the same.
    case .urlAllowlist: return 2_083
    default: return nil
    }
  }
}
