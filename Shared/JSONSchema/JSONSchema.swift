package import Domain
internal import Matching

/// A schema that can't be used, and where.
package struct JSONSchemaError: Error, Hashable, Sendable {
  /// JSON Pointer into the schema.
  package let path: String
  package let message: String
}

/// A value that doesn't fit, and where.
package struct JSONSchemaViolation: Hashable, Sendable, CustomStringConvertible {
  /// JSON Pointer into the value.
  package let path: String
  /// Names the rule, never the value.
  package let message: String
  package var description: String { "\(path.isEmpty ? "/" : path): \(message)" }
}

/// The part of JSON Schema 2020-12 that describes plain data, as tools' arguments are.
///
/// Keywords that it does not know are refused rather than ignored, annotations aside.
package final class JSONSchema: Sendable {
  private let root: Node

  /// - Throws: `JSONSchemaError`.
  package init(_ schema: JSONValue) throws(JSONSchemaError) {
    root = try Node(schema, path: "", depth: 0)
  }

  /// All that is wrong with `value`, at most 20.
  package func violations(in value: JSONValue) -> [JSONSchemaViolation] {
    var found: [JSONSchemaViolation] = []
    root.check(value, path: "", into: &found)
    return Array(found.prefix(20))
  }
}

/// A schema below a schema.
struct Node: Sendable {
  private static let annotations: Set<String> = [
    "title", "description", "default", "examples", "$schema", "$id", "$comment", "format",
    "deprecated", "readOnly", "writeOnly",
  ]

  private var never = false
  private var types: [String] = []
  private var allowed: [JSONValue]?
  private var properties: [String: Node] = [:]
  private var required: [String] = []
  private var additional: [Node]?
  private var items: [Node] = []
  private var limits: [String: Double] = [:]
  private var pattern: Pattern?
  private var anyOf: [Node] = []
  private var uniqueItems = false

  init(_ schema: JSONValue, path: String, depth: Int) throws(JSONSchemaError) {
    guard depth <= 16 else { throw JSONSchemaError(path: path, message: "more than 16 levels") }
    if let bool = schema.boolValue {
      never = !bool
      return
    }
    guard let members = schema.objectValue else {
      throw JSONSchemaError(path: path, message: "a schema is an object or a boolean")
    }
    for (key, value) in members.sorted(by: { $0.key < $1.key }) {
      try read(key, value, path: "\(path)/\(key)", depth: depth)
    }
  }

  private mutating func read(
    _ key: String,
    _ value: JSONValue,
    path: String,
    depth: Int
  ) throws(JSONSchemaError) {
    switch key {
    case "type":
      types = value.stringValue.map { [$0] } ?? value.arrayValue?.compactMap(\.stringValue) ?? []
      let known = ["null", "boolean", "integer", "number", "string", "array", "object"]
      guard !types.isEmpty, types.allSatisfy(known.contains) else {
        throw JSONSchemaError(
          path: path,
          message: "type is one or more of \(known.joined(separator: ", "))"
        )
      }
    case "enum":
      guard let values = value.arrayValue, !values.isEmpty else {
        throw JSONSchemaError(path: path, message: "enum is a list of values")
      }
      allowed = values
    case "const": allowed = [value]
    case "properties":
      guard let members = value.objectValue else {
        throw JSONSchemaError(path: path, message: "properties is an object of schemas")
      }
      for (name, schema) in members {
        properties[name] = try Node(schema, path: "\(path)/\(name)", depth: depth + 1)
      }
    case "required":
      guard let names = value.arrayValue, names.allSatisfy({ $0.stringValue != nil }) else {
        throw JSONSchemaError(path: path, message: "required is a list of names")
      }
      required = names.compactMap(\.stringValue)
    case "additionalProperties": additional = [try Node(value, path: path, depth: depth + 1)]
    case "items": items = [try Node(value, path: path, depth: depth + 1)]
    case "anyOf", "oneOf":
      guard let schemas = value.arrayValue, !schemas.isEmpty else {
        throw JSONSchemaError(path: path, message: "\(key) is a list of schemas")
      }
      for (index, schema) in schemas.enumerated() {
        anyOf.append(try Node(schema, path: "\(path)/\(index)", depth: depth + 1))
      }
    case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength",
      "minItems", "maxItems", "minProperties", "maxProperties":
      guard let number = value.doubleValue else {
        throw JSONSchemaError(path: path, message: "\(key) is a number")
      }
      limits[key] = number
    case "pattern":
      guard let source = value.stringValue else {
        throw JSONSchemaError(path: path, message: "pattern is a text")
      }
      do {
        pattern = try Pattern(source)
      } catch {
        throw JSONSchemaError(path: path, message: "the pattern can't be used: \(error.message)")
      }
    case "uniqueItems": uniqueItems = value.boolValue ?? false
    default:
      guard Self.annotations.contains(key) || key.hasPrefix("x-") else {
        throw JSONSchemaError(
          path: path,
          message: "the keyword '\(key.prefix(40))' is not supported"
        )
      }
    }
  }

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
    if !anyOf.isEmpty {
      let fits = anyOf.contains { node in
        var inner: [JSONSchemaViolation] = []
        node.check(value, path: path, into: &inner)
        return inner.isEmpty
      }
      if !fits { fail("fits none of the alternatives") }
    }
    switch value {
    case .int, .double: check(number: value.doubleValue ?? 0, fail)
    case .string(let text):
      check(count: text.unicodeScalars.count, "minLength", "maxLength", "characters", fail)
      if let pattern, !pattern.isFound(in: text) { fail("does not match the pattern") }
    case .array(let elements):
      check(count: elements.count, "minItems", "maxItems", "entries", fail)
      if uniqueItems, Set(elements).count != elements.count { fail("has an entry twice") }
      for (index, element) in elements.enumerated() {
        for node in items { node.check(element, path: "\(path)/\(index)", into: &found) }
      }
    case .object(let members):
      check(count: members.count, "minProperties", "maxProperties", "members", fail)
      for name in required where members[name] == nil { fail("'\(name)' is missing") }
      for (name, member) in members.sorted(by: { $0.key < $1.key }) {
        let nodes = properties[name].map { [$0] } ?? additional ?? []
        for node in nodes { node.check(member, path: "\(path)/\(name)", into: &found) }
      }
    case .null, .bool: break
    }
  }

  private func check(number: Double, _ fail: (String) -> Void) {
    if let limit = limits["minimum"], number < limit { fail("must be at least \(limit)") }
    if let limit = limits["maximum"], number > limit { fail("must be at most \(limit)") }
    if let limit = limits["exclusiveMinimum"], number <= limit { fail("must be above \(limit)") }
    if let limit = limits["exclusiveMaximum"], number >= limit { fail("must be below \(limit)") }
  }

  private func check(
    count: Int,
    _ minimum: String,
    _ maximum: String,
    _ unit: String,
    _ fail: (String) -> Void
  ) {
    if let limit = limits[minimum], Double(count) < limit {
      fail("must have at least \(Int(limit)) \(unit)")
    }
    if let limit = limits[maximum], Double(count) > limit {
      fail("must have at most \(Int(limit)) \(unit)")
    }
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
    if a == b { return true }
    guard let a = a.doubleValue, let b = b.doubleValue else { return false }
    return a == b
  }
}
