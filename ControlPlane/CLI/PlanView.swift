internal import Codecs
internal import Compiler
internal import Domain
internal import Wire

/// A plan as people read it: a sign, the object, and its fields.
struct PlanView {
  let response: Bindery_V1_ApplyResponse
  private let widest = 60

  func print() {
    for change in response.changes where change.action != "unchanged" {
      let name =
        change.kind == ObjectKind.tenant.rawValue ? change.slug : "\(change.tenant)/\(change.slug)"
      Terminal.print("\(sign(change)) \(change.kind) \(name) (\(detail(change)))")
      for field in change.fields where change.action == "update" {
        let (before, after) = shortened(field.beforeJson, field.afterJson)
        Terminal.print("    \(field.path): \(before) -> \(after)")
      }
    }
    if !response.recompiledBindings.isEmpty {
      Terminal.print("Bindings: \(list(response.recompiledBindings))")
    }
    if !response.touchedNodes.isEmpty { Terminal.print("Nodes: \(list(response.touchedNodes))") }
    func count(_ action: String) -> Int { response.changes.count { $0.action == action } }
    var parts = ["\(count("create")) to create", "\(count("update")) to change"]
    if count("delete") > 0 { parts.append("\(count("delete")) to delete") }
    if count("adopt") > 0 { parts.append("\(count("adopt")) to own") }
    parts.append("\(count("unchanged")) unchanged")
    Terminal.print(
      "Plan: \(parts.joined(separator: ", ")); \(response.recompiledBindings.count) bindings to compile."
    )
  }

  private func sign(_ change: Bindery_V1_PlannedChange) -> String {
    switch change.action {
    case "create": "+"
    case "delete": "-"
    case "adopt": "="
    default: "~"
    }
  }

  private func detail(_ change: Bindery_V1_PlannedChange) -> String {
    var detail =
      switch change.action {
      case "create": change.toVersion == 1 ? "new" : "back, as version \(change.toVersion)"
      case "delete": "version \(change.fromVersion), deleted"
      case "adopt": "version \(change.fromVersion) stays"
      default: "version \(change.fromVersion) -> \(change.toVersion)"
      }
    if change.action != "delete", change.fromSource != change.toSource {
      detail +=
        change.action == "create"
        ? ", source \(change.toSource)"
        : ", source \(label(change.fromSource)) -> \(label(change.toSource))"
    }
    return detail
  }

  private func label(_ source: String) -> String { source.isEmpty ? "(none)" : source }

  /// All of a few; of many the first ones.
  private func list(_ names: [String]) -> String {
    let shown = names.prefix(20).joined(separator: ", ")
    return names.count > 20 ? "\(shown) and \(names.count - 20) more" : shown
  }

  /// Both sides, cut so that where they differ can be seen.
  private func shortened(_ before: String, _ after: String) -> (String, String) {
    let same = zip(before, after).prefix { $0 == $1 }.count
    let dropped = max(before.count, after.count) > widest && same > 24 ? same - 12 : 0
    return (shortened(before, dropped), shortened(after, dropped))
  }

  private func shortened(_ json: String, _ dropped: Int) -> String {
    if json.isEmpty { return "(absent)" }
    let rest = dropped > 0 ? "…" + json.dropFirst(dropped) : json
    return rest.count <= widest ? rest : rest.prefix(widest - 1) + "…"
  }
}

extension [Diagnostic] {
  /// Errors and warnings on standard error, in the form that editors know: file:line: level: text.
  func print() {
    for diagnostic in self {
      let place = diagnostic.source.isEmpty ? diagnostic.slug : diagnostic.source
      Terminal.note(
        "\(place.isEmpty ? "" : "\(place): ")\(diagnostic.level.rawValue): \(diagnostic.message) [\(diagnostic.code)]"
      )
      if !diagnostic.slug.isEmpty || !diagnostic.path.isEmpty {
        var detail = "  at \(diagnostic.tier.rawValue) \(diagnostic.slug) \(diagnostic.path)"
        if !diagnostic.got.isEmpty { detail += ", got \(diagnostic.got)" }
        Terminal.note(detail)
      }
      if !diagnostic.hint.isEmpty { Terminal.note("  hint: \(diagnostic.hint)") }
    }
  }
}

extension Diagnostic {
  init(_ wire: Bindery_V1_Diagnostic) {
    self.init(
      code: wire.code,
      level: Level(rawValue: wire.level) ?? .error,
      tier: Tier(rawValue: wire.tier) ?? .platform,
      slug: wire.slug,
      path: wire.path,
      got: wire.got,
      message: wire.message,
      hint: wire.hint,
      source: wire.source
    )
  }

  var json: JSONValue {
    [
      "code": .string(code), "level": .string(level.rawValue), "tier": .string(tier.rawValue),
      "slug": .string(slug), "path": .string(path), "got": .string(got),
      "message": .string(message), "hint": .string(hint), "source": .string(source),
    ]
  }
}

extension Bindery_V1_ApplyResponse {
  func json(
    _ diagnostics: [Diagnostic],
    applied: Bool,
    wait: JSONValue? = nil
  ) -> JSONValue {
    var members: [String: JSONValue] = [
      "ok": .bool(ok), "applied": .bool(applied), "revision": .int(revision),
      "changes": .array(changes.map(\.json)),
      "recompiled_bindings": .array(recompiledBindings.map { .string($0) }),
      "touched_nodes": .array(touchedNodes.map { .string($0) }),
      "diagnostics": .array(diagnostics.map(\.json)),
    ]
    members["wait"] = wait
    return .object(members)
  }
}

extension Bindery_V1_PlannedChange {
  var json: JSONValue {
    [
      "action": .string(action), "kind": .string(kind), "tenant": .string(tenant),
      "slug": .string(slug), "from_version": .int(Int64(fromVersion)),
      "to_version": .int(Int64(toVersion)), "from_source": .string(fromSource),
      "to_source": .string(toSource), "fields": .array(fields.map(\.json)),
    ]
  }
}

extension Bindery_V1_FieldChange {
  /// A side that is not there has no member, so that it is no null.
  var json: JSONValue {
    var members: [String: JSONValue] = ["path": .string(path)]
    if !beforeJson.isEmpty { members["before"] = .parsed(beforeJson) }
    if !afterJson.isEmpty { members["after"] = .parsed(afterJson) }
    return .object(members)
  }
}
