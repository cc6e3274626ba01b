package import Domain

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

  /// At most 16 levels and 1,000 schemas within schemas.
  ///
  /// - Throws: `JSONSchemaError`.
  package init(_ schema: JSONValue) throws(JSONSchemaError) {
    var reader = NodeReader()
    root = try reader.node(schema, path: "", depth: 0)
  }

  /// All that is wrong with `value`, at most 20.
  package func violations(in value: JSONValue) -> [JSONSchemaViolation] {
    var found: [JSONSchemaViolation] = []
    root.check(value, path: "", into: &found)
    return Array(found.prefix(20))
  }
}
