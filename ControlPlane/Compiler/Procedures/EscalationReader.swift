internal import Domain

/// A team's escalation, read: when to hand over, and to whom.
struct Escalation {
  /// Ids of its rules, and "default" if there is one.
  var names: Set<String> = []
  /// Guardrails that rules wait for, and where they are named.
  var guardrails: [Procedure.Target] = []
  /// Teams that it goes to.
  var teams: [Procedure.Target] = []
  var said: [SaidText] = []

  /// - Parameters:
  ///   - team: The slug of the team whose escalation it is.
  ///   - handoffs: Its allowed_handoffs.
  init(_ spec: SpecReader, team: String, handoffs: [String]) {
    spec.warnUnknown(["rules", "default", "max_handoffs", "cooldown_turns"])
    _ = spec.int("max_handoffs", in: 0 ... 20, default: 3)
    _ = spec.int("cooldown_turns", in: 0 ... 100, default: 2)
    for (_, rule) in spec.mappings("rules") {
      rule.warnUnknown(["id", "when", "to", "message", "sla_s"])
      let id = rule.required("id", hint: "like emergency")
      if !id.isEmpty, !names.insert(id).inserted || id == "default" {
        rule.problems.add(
          "CFG_DUPLICATE",
          at: rule.pointer("id"),
          id == "default"
            ? "'default' is the name of what holds when no rule does"
            : "two rules have the id '\(id.prefix(40))'",
          hint: "give each its own"
        )
      }
      if rule.value("when") == nil {
        rule.problems.add(
          "CFG_MISSING",
          at: rule.pointer("when"),
          "the rule doesn't say when",
          hint: "like when: {any: [{keywords: [manager]}]}"
        )
      } else {
        condition(rule.object("when"), depth: 0)
      }
      destination(of: rule, team: team, handoffs: handoffs)
    }
    guard spec.value("default") != nil else { return }
    names.insert("default")
    let fallback = spec.object("default")
    fallback.warnUnknown(["to", "message", "sla_s"])
    destination(of: fallback, team: team, handoffs: handoffs)
  }

  private mutating func condition(_ when: SpecReader, depth: Int) {
    when.warnUnknown(["any", "all", "guardrail", "keywords", "intents", "tool_failures_gte"])
    guard depth < 8 else {
      when.problems.add(
        "CFG_TOO_LARGE",
        at: when.path,
        "conditions within conditions, 8 deep",
        hint: "make it flatter"
      )
      return
    }
    for key in ["any", "all"] {
      for (_, part) in when.mappings(key) { condition(part, depth: depth + 1) }
    }
    if let name = when.string("guardrail", maxLength: 120) {
      guardrails.append(.init(name: name, path: when.pointer("guardrail")))
    }
    _ = when.strings("keywords", bare: true)
    _ = when.strings("intents", bare: true)
    _ = when.int("tool_failures_gte", in: 1 ... 100, default: 2)
  }

  private mutating func destination(of rule: SpecReader, team: String, handoffs: [String]) {
    said += SaidText.all(rule.localized("message"), at: rule.pointer("message"))
    _ = rule.int("sla_s", in: 1 ... 2_592_000, default: 900)
    guard rule.value("to") != nil else {
      rule.problems.add(
        "CFG_MISSING",
        at: rule.pointer("to"),
        "nobody is named to hand over to",
        hint: "like to: {kind: human, queue: support}"
      )
      return
    }
    let to = rule.object("to")
    to.warnUnknown(["kind", "queue", "slug"])
    guard to.value("kind") != nil else {
      if !to.members.isEmpty {
        to.problems.add(
          "CFG_MISSING",
          at: to.pointer("kind"),
          "kind is missing",
          hint: "use human or team"
        )
      }
      return
    }
    let known = to.problems.list.count
    let kind = to.word("kind", of: ["human", "team"])
    guard to.problems.list.count == known else { return }
    if kind == "human" {
      _ = to.required("queue", hint: "whose person answers, like support")
      return
    }
    let slug = to.required("slug", hint: "the team's slug")
    guard !slug.isEmpty else { return }
    let target = Procedure.Target(name: slug, path: to.pointer("slug"))
    if slug == team {
      to.problems.add(
        "ESC_SELF",
        at: target.path,
        "a team escalates to itself",
        hint: "name another team, or a person's queue"
      )
      return
    }
    teams.append(target)
    if !handoffs.contains(slug) {
      to.problems.add(
        "ESC_NOT_ALLOWED",
        at: target.path,
        "'\(slug.prefix(63))' is not among the team's allowed_handoffs",
        hint: "add it there, or hand over to somebody else"
      )
    }
  }
}
