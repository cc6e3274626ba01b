internal import Codecs
internal import Domain

/// The one form in which a spec is compared, compiled and stored.
enum SpecForm {
  /// Bytes of canonical text.
  static let maxBytes = 512 << 10

  /// `4.0` as `4`, so that a spec that came back from the database is no change.
  static func normal(_ value: JSONValue) -> JSONValue {
    switch value {
    case .double: value.intValue.map { .int($0) } ?? value
    case .array(let elements): .array(elements.map(normal))
    case .object(let members): .object(members.mapValues(normal))
    default: value
    }
  }

  /// Adds what makes a spec unfit to be stored, whatever it means.
  static func check(_ spec: JSONValue, _ problems: Problems) {
    // Other values are told by whoever reads them.
    if spec.isNull {
      problems.add("CFG_TYPE", at: "", "a mapping is due here", hint: "write keys and values")
    }
    findNUL(in: spec, at: "", problems)
    do {
      let count = try CanonicalJSON.encode(spec).utf8.count
      guard count > maxBytes else { return }
      problems.add(
        "CFG_TOO_LARGE",
        at: "",
        "the spec has \(count) bytes; at most \(maxBytes) are stored",
        hint: "shorten its texts, or split the object"
      )
    } catch {
      problems.add(
        "CFG_TYPE",
        at: "",
        "a number is not finite",
        hint: "use numbers that JSON has"
      )
    }
  }

  /// PostgreSQL's jsonb has no U+0000 (its manual, section 8.14).
  private static func findNUL(in value: JSONValue, at path: String, _ problems: Problems) {
    func report(_ path: String) {
      problems.add("CFG_TYPE", at: path, "a text holds a NUL character", hint: "take it out")
    }
    switch value {
    case .string(let text): if text.utf8.contains(0) { report(path) }
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        findNUL(in: element, at: "\(path)/\(index)", problems)
      }
    case .object(let members):
      for (key, member) in members.sorted(by: { $0.key < $1.key }) {
        if key.utf8.contains(0) { report(path) }
        findNUL(in: member, at: pointer(path, key), problems)
      }
    case .null, .bool, .int, .double: break
    }
  }
}

/// The JSON Pointer of a member (RFC 6901, section 3).
func pointer(_ path: String, _ key: String) -> String {
  "\(path)/\(key.replacing("~", with: "~0").replacing("/", with: "~1"))"
}
