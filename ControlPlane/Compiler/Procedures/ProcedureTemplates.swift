internal import Domain

/// Checks the `{{slots.order_id}}` of a SOP's steps, and the values that its branches compare.
///
/// A path is `slots.NAME` of an ask step, `results.STEP…` of a call step, or `user.NAME`.
struct ProcedureTemplates {
  private let slots: Set<String>
  private let calls: Set<String>

  private static let userKeys = ["name", "phone", "locale"]
  private static let comparisons = ["eq", "ne", "lt", "lte", "gt", "gte", "in"]
  private static let deepest = 8

  init(_ procedure: Procedure) {
    var slots: Set<String> = []
    var calls: Set<String> = []
    for step in procedure.steps {
      switch step.action {
      case .ask(let slot): slots.insert(slot)
      case .call: calls.insert(step.id)
      default: break
      }
    }
    self.slots = slots
    self.calls = calls
  }

  func check(_ block: SpecReader) {
    for step in block.value("steps")?.arrayValue?.enumerated() ?? [].enumerated() {
      let path = "\(block.pointer("steps"))/\(step.offset)"
      for key in ["ask", "call", "say"] {
        guard let value = step.element[key] else { continue }
        // A pattern may hold braces of its own.
        checkTexts(value, at: pointer(path, key), without: "pattern", block.problems)
      }
      for (index, way) in (step.element["branch"]?.arrayValue ?? []).enumerated() {
        guard let condition = way["if"], !condition.isNull else { continue }
        check(condition, at: "\(path)/branch/\(index)/if", depth: 0, block.problems)
      }
    }
  }

  private func checkTexts(
    _ value: JSONValue,
    at path: String,
    without left: String? = nil,
    _ problems: Problems
  ) {
    switch value {
    case .string(let text):
      if let wrong = fault(in: text) {
        problems.add(
          "SOP_BAD_TEMPLATE",
          at: path,
          wrong,
          hint: "write {{slots.NAME}}, {{results.STEP.KEY}} or {{user.name}}"
        )
      }
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        checkTexts(element, at: "\(path)/\(index)", problems)
      }
    case .object(let members):
      for (key, member) in members.sorted(by: { $0.key < $1.key }) where key != left {
        checkTexts(member, at: pointer(path, key), problems)
      }
    case .null, .bool, .int, .double: break
    }
  }

  /// What is wrong with the first bad template of a text.
  private func fault(in text: String) -> String? {
    var rest = Substring(text)
    while let open = rest.firstRange(of: "{{") {
      if rest[..<open.lowerBound].contains("}}") { return "a }} closes nothing" }
      guard let close = rest[open.upperBound...].firstRange(of: "}}") else {
        return "a {{ is not closed"
      }
      let path = rest[open.upperBound ..< close.lowerBound].filter { $0 != " " }
      if let fault = fault(ofPath: String(path)) { return fault }
      rest = rest[close.upperBound...]
    }
    return rest.contains("}}") ? "a }} closes nothing" : nil
  }

  private func fault(ofPath path: String) -> String? {
    let parts = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let isPath =
      parts.count >= 2 && parts.count <= Self.deepest
      && parts.allSatisfy { part in
        !part.isEmpty
          && part.utf8.allSatisfy {
            Character(Unicode.Scalar($0)).isLetter || Character(Unicode.Scalar($0)).isNumber
              || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
          }
      }
    guard isPath else { return "'\(path.prefix(40))' is no path of a value" }
    switch parts[0] {
    case "slots":
      guard parts.count == 2, slots.contains(parts[1]) else {
        return "no step asks for the slot '\(parts[1].prefix(40))'"
      }
    case "results":
      guard calls.contains(parts[1]) else {
        return "no step '\(parts[1].prefix(40))' calls a tool"
      }
    case "user":
      guard parts.count == 2, Self.userKeys.contains(parts[1]) else {
        return "of a user there is \(Self.userKeys.joined(separator: ", "))"
      }
    default: return "'\(parts[0].prefix(40))' is no slots, results or user"
    }
    return nil
  }

  private func check(
    _ condition: JSONValue,
    at path: String,
    depth: Int,
    _ problems: Problems
  ) {
    guard let members = condition.objectValue, members.count == 1,
      let (name, value) = members.first,
      depth < Self.deepest
    else {
      problems.add(
        "CFG_TYPE",
        at: path,
        "a condition is a mapping with one comparison",
        hint: "like {eq: [results.look.ok, true]}"
      )
      return
    }
    let place = pointer(path, name)
    switch name {
    case "all", "any":
      for (index, part) in (value.arrayValue ?? []).enumerated() {
        check(part, at: "\(place)/\(index)", depth: depth + 1, problems)
      }
    case "not": check(value, at: place, depth: depth + 1, problems)
    case "exists": checkPath(value, at: place, problems)
    case _ where Self.comparisons.contains(name):
      guard let operands = value.arrayValue, operands.count == 2 else {
        problems.add(
          "CFG_TYPE",
          at: place,
          "'\(name)' compares two values",
          hint: "like {eq: [results.look.ok, true]}"
        )
        return
      }
      checkPath(operands[0], at: "\(place)/0", problems)
    default:
      problems.add(
        "CFG_CHOICE",
        at: place,
        "'\(name.prefix(40))' is no comparison",
        hint: "use \(Self.comparisons.joined(separator: ", ")), exists, not, all or any"
      )
    }
  }

  private func checkPath(_ value: JSONValue, at path: String, _ problems: Problems) {
    let fault = value.stringValue.map { self.fault(ofPath: $0) } ?? "a path of a value is due"
    guard let fault else { return }
    problems.add(
      "SOP_BAD_TEMPLATE",
      at: path,
      fault,
      hint: "write slots.NAME, results.STEP.KEY or user.name"
    )
  }
}
