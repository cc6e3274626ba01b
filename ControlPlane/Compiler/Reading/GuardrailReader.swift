internal import Domain
internal import Matching

/// Reads the guardrails of a tier and checks each rule by itself.
struct GuardrailReader {
  let channels: Set<String>

  /// Kinds that a node can run; the others are refused rather than silently without effect.
  private static let supported: [GuardrailRule.Kind] = [
    .regex, .keyword, .pii, .maxLength, .mustInclude, .urlAllowlist,
  ]

  func rules(in spec: SpecReader) -> [GuardrailRule] {
    var seen: Set<String> = []
    return spec.objects("guardrails").compactMap { reader in
      let rule = rule(reader)
      if let id = reader.value("rule_id")?.stringValue, !seen.insert(id).inserted {
        reader.problems.add(
          "GRD_DUP_ID",
          at: reader.pointer("rule_id"),
          "the rule id '\(id.prefix(40))' is there twice",
          hint: "give each rule its own id"
        )
      }
      return rule
    }
  }

  private func rule(_ reader: SpecReader) -> GuardrailRule? {
    let before = reader.problems.list.count
    if reader.value("override") != nil { return override(reader) }
    reader.warnUnknown([
      "rule_id", "kind", "stages", "severity", "params", "rewrite", "message", "when", "on_error",
      "overridable_by", "enabled",
    ])
    let id = ruleID(reader, "rule_id")
    let kindText = reader.required("kind", hint: "regex, keyword, pii, max_length, …")
    let kind = GuardrailRule.Kind(rawValue: kindText)
    if !kindText.isEmpty, kind.map({ !Self.supported.contains($0) }) ?? true {
      let known = Self.supported.map(\.rawValue)
      reader.problems.add(
        "GRD_UNKNOWN_KIND",
        at: reader.pointer("kind"),
        "'\(kindText.prefix(40))' is no kind that nodes run",
        hint: nearest(to: kindText, among: known).map { "did you mean '\($0)'?" }
          ?? "use one of \(known.joined(separator: ", "))"
      )
    }
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
    let stages = stages(reader)
    let rewrite = rewrite(reader, severity: severity)
    let params = reader.object("params")
    let checked = kind.map { check(params, of: $0) } ?? params.members
    let when = reader.object("when")
    let onError = reader.string("on_error") ?? (severity == .log ? "open" : "closed")
    if onError != "open", onError != "closed" {
      reader.problems.add(
        "CFG_CHOICE",
        at: reader.pointer("on_error"),
        "not open or closed",
        hint: "use closed or open"
      )
    }
    let message = reader.localized("message")
    let condition = GuardrailRule.Condition(
      channels: when.strings("channels", bare: true),
      languages: when.strings("languages", bare: true)
    )
    for channel in condition.channels where !channels.contains(channel) {
      when.problems.add(
        "BND_CHANNEL_UNKNOWN",
        at: when.pointer("channels"),
        "'\(channel.prefix(40))' is no channel",
        hint: "use \(channels.sorted().joined(separator: " or "))"
      )
    }
    let overridable = reader.strings("overridable_by", bare: true)
    for tier in overridable where !["human", "team", "agent"].contains(tier) {
      reader.problems.add(
        "CFG_CHOICE",
        at: reader.pointer("overridable_by"),
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
      bound: bound(of: kind, params: params, rewrite: rewrite)
    )
  }

  private func override(_ reader: SpecReader) -> GuardrailRule? {
    reader.warnUnknown(["override", "action", "reason", "severity"])
    let before = reader.problems.list.count
    let target = ruleID(reader, "override")
    let action = reader.required("action", hint: "downgrade or disable")
    if !action.isEmpty, action != "downgrade", action != "disable" {
      reader.problems.add(
        "CFG_CHOICE",
        at: reader.pointer("action"),
        "not downgrade or disable",
        hint: "use one of them"
      )
    }
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
      id.utf8.count <= 120 && id.first != "." && !id.hasPrefix("platform.")
      && id.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || "._-".contains($0)) }
    if !id.isEmpty, !isFine {
      reader.problems.add(
        "GRD_BAD_ID",
        at: reader.pointer(key),
        "'\(id.prefix(40))' is no rule id",
        hint: "use a-z, 0-9, '.', '_' and '-'; 'platform.' is reserved"
      )
    }
    return id
  }

  private func stages(_ reader: SpecReader) -> [GuardrailRule.Stage] {
    guard reader.value("stages") != nil else { return [.output] }
    var stages: [GuardrailRule.Stage] = []
    for (index, text) in reader.strings("stages", bare: true).enumerated() {
      if let stage = GuardrailRule.Stage(rawValue: text) {
        if !stages.contains(stage) { stages.append(stage) }
      } else {
        reader.problems.add(
          "GRD_BAD_STAGE",
          at: "\(reader.pointer("stages"))/\(index)",
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
    if mode == .regenerate {
      reader.problems.add(
        "GRD_REWRITE_MISSING",
        at: rewrite.pointer("mode"),
        "nodes can't regenerate yet",
        hint: "use replace or mask, or severity block with a message"
      )
    }
    return GuardrailRule.Rewrite(mode: mode, with: with)
  }

  /// How far back a hit can reach in a text that still grows; nil: the whole text.
  private func bound(
    of kind: GuardrailRule.Kind,
    params: SpecReader,
    rewrite: GuardrailRule.Rewrite?
  ) -> Int? {
    if let mode = rewrite?.mode, [.append, .prepend, .truncate].contains(mode) { return nil }
    switch kind {
    case .keyword:
      // The longest word, what surrounds it, and room for folded letters and several spaces.
      return params.strings("words", bare: true).map { $0.utf8.count * 2 + 16 }.max()
    case .regex:
      return params.string("pattern").flatMap { PatternBound.of($0) }
    case .pii: return 320
    default: return nil
    }
  }
}
