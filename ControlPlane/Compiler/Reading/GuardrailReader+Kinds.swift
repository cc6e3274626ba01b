internal import Codecs
internal import Domain
internal import Matching

extension GuardrailRule.Kind {
  /// The one stage that the kind is about; nil: any.
  var onlyStage: GuardrailRule.Stage? {
    switch self {
    case .toolArgs: .toolArgs
    case .rate: .input
    default: nil
    }
  }
}

/// The kinds that are more than one search through a text.
extension GuardrailReader {
  /// Whether a rule of the kind can run where it is told to, and do what it is told to.
  func checkFit(
    of kind: GuardrailRule.Kind,
    _ stages: [GuardrailRule.Stage],
    _ severity: GuardrailRule.Severity,
    _ rewrite: GuardrailRule.Rewrite?,
    _ reader: SpecReader
  ) {
    if let only = kind.onlyStage, stages.contains(where: { $0 != only }) {
      reader.problems.add(
        "GRD_BAD_STAGE",
        at: reader.pointer("stages"),
        "rules of the kind '\(kind.rawValue)' run at the stage \(only.rawValue)",
        hint: "use stages: [\(only.rawValue)]"
      )
    }
    if kind.onlyStage != nil, severity == .rewrite {
      reader.problems.add(
        "GRD_REWRITE_MISSING",
        at: reader.pointer("severity"),
        "rules of the kind '\(kind.rawValue)' have nothing to rewrite",
        hint: "use block or log"
      )
    }
    let mode = rewrite?.mode
    if kind == .language, mode == .mask || mode == .truncate {
      reader.problems.add(
        "GRD_REWRITE_MISSING",
        at: "\(reader.pointer("rewrite"))/mode",
        "the whole text is in the wrong language: there is no place to \(mode?.rawValue ?? "")",
        hint: "use regenerate or replace"
      )
    }
    if mode == .regenerate, stages != [.output] {
      reader.problems.add(
        "GRD_BAD_STAGE",
        at: reader.pointer("stages"),
        "only a reply can be written again",
        hint: "use stages: [output], or another rewrite"
      )
    }
  }

  // MARK: - Language

  func language(_ params: SpecReader) -> [String: JSONValue] {
    params.warnUnknown(["allow"])
    let allowed = params.strings("allow", maxCount: 50, bare: true)
    if allowed.isEmpty, !params.problems.hasErrors(at: params.pointer("allow")) {
      params.problems.add(
        "CFG_MISSING",
        at: params.pointer("allow"),
        "allow is missing",
        hint: "list the languages that are allowed, like [hi, hi-Latn, en]"
      )
    }
    for (index, tag) in allowed.enumerated() {
      let primary = String(tag.prefix { $0 != "-" })
      guard !isLanguage(tag) || !LanguageDetector.known.contains(primary) else { continue }
      params.problems.add(
        "HUM_BAD_LANG",
        at: entry(index, of: "allow", in: params),
        isLanguage(tag) ? "nodes can't tell this language from others" : "not a language code",
        hint: "use codes of \(LanguageDetector.known.sorted().joined(separator: ", ")), "
          + "perhaps with a script, like hi-Latn"
      )
    }
    return params.members.merging(["allow": Self.list(allowed)]) { _, new in new }
  }

  /// Where an entry stands: a bare text is the whole value.
  private func entry(_ index: Int, of key: String, in reader: SpecReader) -> String {
    reader.value(key)?.arrayValue == nil ? reader.pointer(key) : "\(reader.pointer(key))/\(index)"
  }

  // MARK: - Topic

  func topic(_ params: SpecReader) -> [String: JSONValue] {
    params.warnUnknown(["deny", "allow", "max_score"])
    var members = params.members
    // What is left out is the strictest, and must be there for another tier's form to be less than it.
    for key in ["deny", "allow"] { members[key] = .array(wordSets(params, key)) }
    if params.value("deny") == nil || members["deny"] == [] {
      missing("deny", "list the words of the topic, like [{words: [election], weight: 2}]", params)
    }
    let maxScore = params.number("max_score", in: 0 ... 1_000, default: 0)
    if params.value("max_score") == nil { members["max_score"] = .double(maxScore) }
    return members
  }

  private func wordSets(_ params: SpecReader, _ key: String) -> [JSONValue] {
    params.mappings(key, maxCount: 20).map { _, set in
      set.warnUnknown(["words", "weight"])
      let words = set.strings("words", bare: true)
      _ = set.number("weight", in: 0.1 ... 100, default: 1)
      if !set.problems.hasErrors(at: set.pointer("words")) {
        do throws(PatternError) {
          _ = try Keywords(words)
        } catch {
          set.problems.add(
            "GRD_BAD_REGEX",
            at: set.pointer("words"),
            "the words can't be used: \(error.message)",
            hint: "list at least one word"
          )
        }
      }
      return .object(set.members.merging(["words": Self.list(words)]) { _, new in new })
    }
  }

  // MARK: - Arguments of tools

  func toolArguments(_ params: SpecReader) -> [String: JSONValue] {
    params.warnUnknown(["checks"])
    let checks = params.mappings("checks", maxCount: 50).map { _, check in argument(check) }
    if checks.isEmpty {
      missing("checks", "list what must hold, like [{pointer: /amount, max: 5000}]", params)
    }
    return params.members.merging(["checks": .array(checks)]) { _, new in new }
  }

  private func argument(_ check: SpecReader) -> JSONValue {
    check.warnUnknown([
      "tools", "pointer", "required", "max", "min", "deny_pattern", "allow", "deny",
    ])
    let pointer = check.string("pointer") ?? ""
    if !pointer.isEmpty, !pointer.hasPrefix("/") {
      check.problems.add(
        "CFG_CHOICE",
        at: check.pointer("pointer"),
        "no JSON Pointer (RFC 6901)",
        hint: "begin with a slash, like /customer/phone"
      )
    }
    let conditions = ["required", "max", "min", "deny_pattern", "allow", "deny"]
    if conditions.allSatisfy({ check.value($0) == nil }) {
      check.problems.add(
        "CFG_MISSING",
        at: check.path,
        "the check asks for nothing",
        hint: "add one of \(conditions.joined(separator: ", "))"
      )
    }
    _ = check.bool("required", default: false)
    let bounds = -1e15 ... 1e15
    let most = check.number("max", in: bounds, default: .infinity)
    let least = check.number("min", in: bounds, default: -.infinity)
    if least > most {
      check.problems.add(
        "CFG_RANGE",
        at: check.pointer("min"),
        "min is greater than max",
        hint: "exchange them"
      )
    }
    if let source = check.string("deny_pattern") {
      _ = checkPattern(source, at: check.pointer("deny_pattern"), check.problems)
    }
    var members = check.members
    for key in ["tools", "allow", "deny"] where check.value(key) != nil {
      members[key] = Self.list(check.strings(key, bare: true))
    }
    members["pointer"] = .string(pointer)
    return .object(members)
  }

  // MARK: - Rate

  func rate(_ params: SpecReader) -> [String: JSONValue] {
    params.warnUnknown(["limits"])
    let limits = params.mappings("limits", maxCount: 10).map { _, limit -> JSONValue in
      limit.warnUnknown(["max", "window_s", "per"])
      for key in ["max", "window_s"] where limit.value(key) == nil {
        missing(key, "like {max: 20, window_s: 60, per: user}", limit)
      }
      _ = limit.int("max", in: 1 ... 1_000, default: 1)
      _ = limit.int("window_s", in: 1 ... 86_400, default: 1)
      let per = limit.word("per", of: ["conversation", "user"])
      return .object(limit.members.merging(["per": .string(per)]) { _, new in new })
    }
    if limits.isEmpty, !params.problems.hasErrors(at: params.pointer("limits")) {
      missing("limits", "list them, like [{max: 20, window_s: 60, per: user}]", params)
    }
    return params.members.merging(["limits": .array(limits)]) { _, new in new }
  }

  private func missing(_ key: String, _ hint: String, _ reader: SpecReader) {
    guard !reader.problems.hasErrors(at: reader.pointer(key)) else { return }
    reader.problems.add(
      "CFG_MISSING",
      at: reader.pointer(key),
      "\(key) is missing",
      hint: hint
    )
  }
}
