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
      let sign = change.action == "create" ? "+" : "~"
      let versions =
        change.action == "create"
        ? "new" : "version \(change.fromVersion) -> \(change.toVersion)"
      Terminal.print("\(sign) \(change.kind) \(name) (\(versions))")
      for field in change.fields where change.action == "update" {
        Terminal.print(
          "    \(field.path): \(shortened(field.beforeJson)) -> \(shortened(field.afterJson))"
        )
      }
    }
    let created = response.changes.count { $0.action == "create" }
    let updated = response.changes.count { $0.action == "update" }
    let unchanged = response.changes.count { $0.action == "unchanged" }
    Terminal.print(
      "Plan: \(created) to create, \(updated) to change, \(unchanged) unchanged; \(response.recompiledBindings.count) bindings to compile."
    )
  }

  private func shortened(_ json: String) -> String {
    if json.isEmpty { return "(absent)" }
    return json.count <= widest ? json : json.prefix(widest - 1) + "…"
  }
}

extension [Diagnostic] {
  /// Errors and warnings on standard error, in the form that editors know: file:line: level: text.
  func print() {
    for diagnostic in self {
      let place = diagnostic.source.isEmpty ? diagnostic.slug : diagnostic.source
      Terminal.note(
        "\(place): \(diagnostic.level.rawValue): \(diagnostic.message) [\(diagnostic.code)]"
      )
      var detail = "  at \(diagnostic.tier.rawValue) \(diagnostic.slug) \(diagnostic.path)"
      if !diagnostic.got.isEmpty { detail += ", got \(diagnostic.got)" }
      Terminal.note(detail)
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
      "changes": .array(
        changes.map { change in
          [
            "action": .string(change.action), "kind": .string(change.kind),
            "tenant": .string(change.tenant), "slug": .string(change.slug),
            "from_version": .int(Int64(change.fromVersion)),
            "to_version": .int(Int64(change.toVersion)),
            "fields": .array(
              change.fields.map {
                [
                  "path": .string($0.path), "before": .parsed($0.beforeJson),
                  "after": .parsed($0.afterJson),
                ]
              }
            ),
          ]
        }
      ),
      "recompiled_bindings": .array(recompiledBindings.map { .string($0) }),
      "diagnostics": .array(diagnostics.map(\.json)),
    ]
    members["wait"] = wait
    return .object(members)
  }
}
