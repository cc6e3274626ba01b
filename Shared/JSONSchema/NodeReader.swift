internal import Domain
internal import Matching

/// Reads a schema keyword by keyword; stops at the first that can't be used.
struct NodeReader {
  private static let annotations: Set<String> = [
    "title", "description", "default", "examples", "$schema", "$id", "$comment", "format",
    "deprecated", "readOnly", "writeOnly",
  ]
  private static let types = ["null", "boolean", "integer", "number", "string", "array", "object"]
  private static let counts: Set<String> = [
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
  ]

  private var count = 0

  init() {}

  mutating func node(
    _ schema: JSONValue,
    path: String,
    depth: Int
  ) throws(JSONSchemaError) -> Node {
    count += 1
    guard depth <= 16 else { throw JSONSchemaError(path: path, message: "more than 16 levels") }
    guard count <= 1_000 else { throw JSONSchemaError(path: path, message: "too many schemas") }
    var node = Node()
    if let bool = schema.boolValue {
      node.never = !bool
      return node
    }
    guard let members = schema.objectValue else {
      throw JSONSchemaError(path: path, message: "a schema is an object or a boolean")
    }
    for (key, value) in Self.sorted(members) {
      try read(key, value, into: &node, path: Self.pointer(path, key), depth: depth)
    }
    return node
  }

  /// In a fixed order, so that the same schema always fails at the same place.
  private static func sorted(
    _ members: [String: JSONValue]
  ) -> [(key: String, value: JSONValue)] {
    members.sorted { $0.key < $1.key }
  }

  /// RFC 6901, section 3.
  static func pointer(_ path: String, _ key: String) -> String {
    "\(path)/\(key.replacing("~", with: "~0").replacing("/", with: "~1"))"
  }

  private mutating func read(
    _ key: String,
    _ value: JSONValue,
    into node: inout Node,
    path: String,
    depth: Int
  ) throws(JSONSchemaError) {
    func wrong(_ message: String) -> JSONSchemaError {
      JSONSchemaError(path: path, message: message)
    }
    switch key {
    case "type":
      let names = value.stringValue.map { [.string($0)] } ?? value.arrayValue ?? []
      node.types = names.compactMap(\.stringValue)
      guard !names.isEmpty, node.types.count == names.count,
        node.types.allSatisfy(Self.types.contains)
      else { throw wrong("type is one or more of \(Self.types.joined(separator: ", "))") }
    case "enum":
      guard let values = value.arrayValue, !values.isEmpty else {
        throw wrong("enum is a list of values")
      }
      node.allowed = values
    case "const": node.constant = [value]
    case "properties":
      guard let members = value.objectValue else {
        throw wrong("properties is an object of schemas")
      }
      for (name, schema) in Self.sorted(members) {
        node.properties[name] = try self.node(
          schema,
          path: Self.pointer(path, name),
          depth: depth + 1
        )
      }
    case "required":
      guard let names = value.arrayValue, names.allSatisfy({ $0.stringValue != nil }) else {
        throw wrong("required is a list of names")
      }
      node.required = names.compactMap(\.stringValue)
    case "additionalProperties":
      node.additional = [try self.node(value, path: path, depth: depth + 1)]
    case "items": node.items = [try self.node(value, path: path, depth: depth + 1)]
    case "anyOf": node.anyOf = try nodes(value, key, path: path, depth: depth)
    case "oneOf": node.oneOf = try nodes(value, key, path: path, depth: depth)
    case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
      guard value.doubleValue != nil else { throw wrong("\(key) is a number") }
      node.limits[key] = value
    case _ where Self.counts.contains(key):
      guard let number = value.intValue, number >= 0 else {
        throw wrong("\(key) is a whole number from 0")
      }
      node.limits[key] = value
    case "pattern":
      guard let source = value.stringValue else { throw wrong("pattern is a text") }
      do {
        node.pattern = try Pattern(source)
      } catch {
        throw wrong("the pattern can't be used: \(error.message)")
      }
    case "uniqueItems":
      guard let bool = value.boolValue else { throw wrong("uniqueItems is true or false") }
      node.uniqueItems = bool
    default:
      guard Self.annotations.contains(key) || key.hasPrefix("x-") else {
        throw wrong("the keyword '\(key.prefix(40))' is not supported")
      }
    }
  }

  private mutating func nodes(
    _ value: JSONValue,
    _ key: String,
    path: String,
    depth: Int
  ) throws(JSONSchemaError) -> [Node] {
    guard let schemas = value.arrayValue, !schemas.isEmpty else {
      throw JSONSchemaError(path: path, message: "\(key) is a list of schemas")
    }
    var nodes: [Node] = []
    for (index, schema) in schemas.enumerated() {
      nodes.append(try node(schema, path: "\(path)/\(index)", depth: depth + 1))
    }
    return nodes
  }
}
