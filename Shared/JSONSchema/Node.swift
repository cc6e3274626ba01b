internal import Codecs
internal import Domain
internal import Matching

/// One schema, itself perhaps within another.
struct Node: Sendable {
  var never = false
  var types: [String] = []
  var allowed: [JSONValue]?
  /// None or one.
  var constant: [JSONValue] = []
  var properties: [String: Node] = [:]
  var required: [String] = []
  /// None or one, as a struct can't hold itself.
  var additional: [Node] = []
  var items: [Node] = []
  /// By keyword; all are numbers.
  var limits: [String: JSONValue] = [:]
  var pattern: Pattern?
  var anyOf: [Node] = []
  var oneOf: [Node] = []
  var uniqueItems = false

  func check(_ value: JSONValue, path: String, into found: inout [JSONSchemaViolation]) {
    func fail(_ message: String) { found.append(JSONSchemaViolation(path: path, message: message)) }
    guard found.count < 20 else { return }
    if never { return fail("nothing is allowed here") }
    if !types.isEmpty, !types.contains(where: { Self.matches(value, type: $0) }) {
      return fail("must be \(types.joined(separator: " or "))")
    }
    if let allowed, !allowed.contains(where: { Self.equal($0, value) }) {
      fail("is not one of the \(allowed.count) allowed values")
    }
    if let constant = constant.first, !Self.equal(constant, value) {
      fail("is not the only allowed value")
    }
    if !anyOf.isEmpty, !anyOf.contains(where: { $0.fits(value) }) {
      fail("fits none of the alternatives")
    }
    if !oneOf.isEmpty {
      let fitting = oneOf.count { $0.fits(value) }
      if fitting != 1 { fail("fits \(fitting) of the alternatives; exactly one is due") }
    }
    switch value {
    case .int, .double: check(number: value, fail)
    case .string(let text):
      check(count: text.unicodeScalars.count, "minLength", "maxLength", "characters", fail)
      if let pattern, !pattern.isFound(in: text) { fail("does not match the pattern") }
    case .array(let elements):
      check(count: elements.count, "minItems", "maxItems", "entries", fail)
      if uniqueItems, Set(elements.map(Self.normal)).count != elements.count {
        fail("has an entry twice")
      }
      for (index, element) in elements.enumerated() {
        for node in items { node.check(element, path: "\(path)/\(index)", into: &found) }
      }
    case .object(let members):
      check(count: members.count, "minProperties", "maxProperties", "members", fail)
      for name in required where members[name] == nil { fail("'\(name)' is missing") }
      for (name, member) in members.sorted(by: { $0.key < $1.key }) {
        let nodes = properties[name].map { [$0] } ?? additional
        for node in nodes {
          node.check(member, path: NodeReader.pointer(path, name), into: &found)
        }
      }
    case .null, .bool: break
    }
  }

  private func fits(_ value: JSONValue) -> Bool {
    var found: [JSONSchemaViolation] = []
    check(value, path: "", into: &found)
    return found.isEmpty
  }

  private func check(number: JSONValue, _ fail: (String) -> Void) {
    if let limit = limits["minimum"], Self.less(number, limit) {
      fail("must be at least \(limit.canonicalText)")
    }
    if let limit = limits["maximum"], Self.less(limit, number) {
      fail("must be at most \(limit.canonicalText)")
    }
    if let limit = limits["exclusiveMinimum"], !Self.less(limit, number) {
      fail("must be above \(limit.canonicalText)")
    }
    if let limit = limits["exclusiveMaximum"], !Self.less(number, limit) {
      fail("must be below \(limit.canonicalText)")
    }
  }

  private func check(
    count: Int,
    _ minimum: String,
    _ maximum: String,
    _ unit: String,
    _ fail: (String) -> Void
  ) {
    if let limit = limits[minimum]?.intValue, count < limit {
      fail("must have at least \(limit) \(unit)")
    }
    if let limit = limits[maximum]?.intValue, count > limit {
      fail("must have at most \(limit) \(unit)")
    }
  }

  // MARK: - Numbers

  /// Integers by all their digits, others as doubles.
  private static func less(_ a: JSONValue, _ b: JSONValue) -> Bool {
    if let a = a.intValue, let b = b.intValue { return a < b }
    guard let a = a.doubleValue, let b = b.doubleValue else { return false }
    return a < b
  }

  private static func matches(_ value: JSONValue, type: String) -> Bool {
    switch (value, type) {
    case (.null, "null"), (.bool, "boolean"), (.string, "string"), (.array, "array"),
      (.object, "object"), (.int, "integer"), (.int, "number"), (.double, "number"):
      true
    // 1.0 is an integer (JSON Schema Core section 4.2.3).
    case (.double(let number), "integer"): number.rounded() == number
    default: false
    }
  }

  private static func equal(_ a: JSONValue, _ b: JSONValue) -> Bool {
    a == b || normal(a) == normal(b)
  }

  /// 1.0 and 1 are one value (JSON Schema Core section 4.2.2).
  private static func normal(_ value: JSONValue) -> JSONValue {
    switch value {
    case .double: value.intValue.map { .int($0) } ?? value
    case .array(let elements): .array(elements.map(normal))
    case .object(let members): .object(members.mapValues(normal))
    default: value
    }
  }
}
