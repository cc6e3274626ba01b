internal import Domain
internal import Matching

/// Reads a team's SOPs: plain texts, `{title, text}`, and `{id, title, steps}`.
struct ProcedureReader {
  /// Names that `escalate` may have: the team's escalation rules, and "default" if there is one.
  let escalations: Set<String>

  private static let blockKeys = [
    "id", "title", "text", "priority", "when", "steps", "excludes", "interruptible",
  ]
  private static let actions = ["ask", "call", "branch", "say", "escalate"]

  /// All blocks, and the literal texts of their steps.
  func procedures(in spec: SpecReader) -> (procedures: [Procedure], said: [SaidText]) {
    guard let value = spec.value("sops") else { return ([], []) }
    guard let blocks = value.arrayValue else {
      spec.problems.add(
        "CFG_TYPE",
        at: spec.pointer("sops"),
        got: value,
        "a list is due",
        hint: "start with '-'"
      )
      return ([], [])
    }
    var procedures: [Procedure] = []
    var said: [SaidText] = []
    for (index, block) in blocks.enumerated() {
      let path = "\(spec.pointer("sops"))/\(index)"
      if let text = block.stringValue {
        let prose = SaidText(path: path, text: text, language: nil)
        procedures.append(Procedure(path: path, prose: [prose]))
      } else {
        let reader = SpecReader(block, path: path, problems: spec.problems)
        guard block.objectValue != nil else { continue }
        procedures.append(procedure(reader, &said))
      }
    }
    checkIDs(of: procedures, spec)
    return (procedures, said)
  }

  private func checkIDs(of procedures: [Procedure], _ spec: SpecReader) {
    var seen: Set<String> = []
    for procedure in procedures {
      guard let id = procedure.id, !seen.insert(id).inserted else { continue }
      spec.problems.add(
        "CFG_DUPLICATE",
        at: "\(procedure.path)/id",
        "two SOPs have the id '\(id.prefix(40))'",
        hint: "give each its own"
      )
    }
    for (index, block) in (spec.value("sops")?.arrayValue ?? []).enumerated() {
      for (place, other) in (block["excludes"]?.arrayValue ?? []).enumerated() {
        guard let other = other.stringValue, !seen.contains(other) else { continue }
        spec.problems.add(
          "SOP_DANGLING_GOTO",
          at: "\(spec.pointer("sops"))/\(index)/excludes/\(place)",
          level: .warning,
          "the team has no SOP '\(other.prefix(40))'",
          hint: nearest(to: other, among: seen.sorted()).map { "did you mean '\($0)'?" }
            ?? "name a SOP's id, or take it out"
        )
      }
    }
  }

  private func procedure(_ block: SpecReader, _ said: inout [SaidText]) -> Procedure {
    block.warnUnknown(Self.blockKeys)
    var procedure = Procedure(path: block.path, id: block.string("id", maxLength: 64))
    _ = block.string("title", maxLength: 200)
    if let text = block.string("text") {
      procedure.prose = text.split(whereSeparator: \.isNewline).map {
        SaidText(path: block.pointer("text"), text: String($0), language: nil)
      }
    }
    _ = block.int("priority", in: 0 ... 1_000, default: 50)
    _ = block.bool("interruptible", default: true)
    let when = block.object("when")
    when.warnUnknown(["intents", "keywords"])
    _ = when.strings("intents", bare: true)
    _ = when.strings("keywords", bare: true)
    _ = block.strings("excludes")
    guard block.value("steps") != nil else {
      if block.value("text") == nil {
        block.problems.add(
          "SOP_NO_EXIT",
          at: block.path,
          "the SOP has neither text nor steps",
          hint: "write a plain text, {title, text} or {id, title, steps}"
        )
      }
      return procedure
    }
    if procedure.id == nil, block.value("id") == nil {
      block.problems.add(
        "CFG_MISSING",
        at: block.pointer("id"),
        "id is missing",
        hint: "a SOP with steps needs an id, like refund"
      )
    }
    let steps = block.mappings("steps", maxCount: 100)
    if steps.isEmpty, block.value("steps")?.arrayValue?.isEmpty == true {
      block.problems.add(
        "SOP_NO_EXIT",
        at: block.pointer("steps"),
        "there are no steps",
        hint: "write steps, or a text"
      )
    }
    procedure.steps = steps.map { step($0.reader, &said) }
    ProcedureGraph(procedure, escalations: escalations).check(block.problems)
    ProcedureTemplates(procedure).check(block)
    return procedure
  }

  // MARK: - Steps

  private func step(_ reader: SpecReader, _ said: inout [SaidText]) -> Procedure.Step {
    reader.warnUnknown(Self.actions + ["id", "goto", "on_error", "end"])
    var step = Procedure.Step(
      path: reader.path,
      id: reader.required("id", hint: "other steps go to it by its id"),
      action: .unknown
    )
    step.next = target(reader, "goto")
    step.onError = target(reader, "on_error")
    step.ends = reader.bool("end", default: false)
    let present = Self.actions.filter { reader.value($0) != nil }
    switch present.first {
    case nil where step.next != nil || step.ends: step.action = .say
    case nil:
      reader.problems.add(
        "CFG_MISSING",
        at: reader.path,
        "the step does nothing",
        hint: "write one of \(Self.actions.joined(separator: ", "))"
      )
      step.ends = true
    case "ask": step.action = ask(reader.object("ask"), &said)
    case "call": step.action = call(reader.object("call"))
    case "branch": step.action = branch(reader)
    case "say":
      let text = reader.localized("say")
      if text.isEmpty, reader.value("say")?.objectValue?.isEmpty == true {
        reader.problems.add(
          "CFG_MISSING",
          at: reader.pointer("say"),
          "there is nothing to say",
          hint: "write texts by language"
        )
      }
      said += SaidText.all(text, at: reader.pointer("say"))
      step.action = .say
    default:
      step.action = target(reader, "escalate").map { .escalate($0) } ?? .unknown
    }
    for extra in present.dropFirst() {
      reader.problems.add(
        "CFG_CHOICE",
        at: reader.pointer(extra),
        "a step does one thing, and this one has '\(present[0])' already",
        hint: "make it a step of its own"
      )
    }
    return step
  }

  private func target(_ reader: SpecReader, _ key: String) -> Procedure.Target? {
    reader.string(key, maxLength: 64).map { .init(name: $0, path: reader.pointer(key)) }
  }

  private func ask(_ ask: SpecReader, _ said: inout [SaidText]) -> Procedure.Action {
    ask.warnUnknown(["slot", "pattern", "max_attempts", "prompt"])
    let slot = ask.required("slot", hint: "the name under which the answer is kept")
    if let source = ask.string("pattern") {
      _ = checkPattern(source, at: ask.pointer("pattern"), ask.problems)
    }
    _ = ask.int("max_attempts", in: 1 ... 10, default: 3)
    let prompt = ask.localized("prompt")
    if prompt.isEmpty, ask.value("prompt") == nil {
      ask.problems.add(
        "CFG_MISSING",
        at: ask.pointer("prompt"),
        "the question is missing",
        hint: "write prompt: {en: …}"
      )
    }
    said += SaidText.all(prompt, at: ask.pointer("prompt"))
    return .ask(slot: slot)
  }

  private func call(_ call: SpecReader) -> Procedure.Action {
    call.warnUnknown(["tool", "args"])
    let tool = call.required("tool", hint: "the name of one of the agent's tools")
    _ = call.object("args")
    return .call(tool: tool, path: call.pointer("tool"))
  }

  private func branch(_ reader: SpecReader) -> Procedure.Action {
    var targets: [Procedure.Target] = []
    var hasElse = false
    for (_, way) in reader.mappings("branch", maxCount: 50) {
      way.warnUnknown(["if", "else", "goto"])
      if let target = target(way, "goto") {
        targets.append(target)
      } else if way.value("goto") == nil, !way.members.isEmpty {
        way.problems.add(
          "CFG_MISSING",
          at: way.pointer("goto"),
          "goto is missing",
          hint: "name the step to go on with"
        )
      }
      if way.value("if") == nil { hasElse = way.bool("else", default: true) || hasElse }
    }
    return .branch(targets, hasElse: hasElse)
  }
}

/// The pattern; nil when nodes could not run it, which is told.
func checkPattern(_ source: String, at path: String, _ problems: Problems) -> PatternDetector? {
  do {
    return try PatternDetector(source)
  } catch {
    problems.add(
      error.isUnsafe ? "GRD_UNSAFE_REGEX" : "GRD_BAD_REGEX",
      at: path,
      got: .string(source),
      "the pattern can't be used: \(error.message)",
      hint: error.isUnsafe
        ? "backreferences and look-around are not linear-time; write it without"
        : "see the syntax of RE2"
    )
    return nil
  }
}
