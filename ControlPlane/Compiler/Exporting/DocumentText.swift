internal import Codecs
package import Domain
internal import Yams

/// Documents as text that reads back as the same documents.
package enum DocumentText {
  /// One document, ending in a line break; a tenant's own has no `tenant:`.
  ///
  /// - Returns: nil when no YAML reads back as the spec: the reader drops a U+FEFF that begins a text.
  /// - Throws: `YamlError`, `CanonicalJSONError`.
  package static func yaml(_ key: ObjectKey, _ spec: JSONValue) throws -> String? {
    let members = names(key)
    let head = try serialized(mapping(members))
    let whole = head + (try serialized(mapping([("spec", spec)])))
    // The emitter is somebody else's, and what it writes is to be applied: hold it against the reader.
    let expected = document(key, spec)
    if readsBack(whole, expected) { return whole }
    // JSON is YAML too.
    let json = head + "spec: \(escaped(try CanonicalJSON.encode(spec)))\n"
    return readsBack(json, expected) ? json : nil
  }

  /// One document as a JSON file has it.
  ///
  /// - Throws: `CanonicalJSONError`.
  package static func json(_ key: ObjectKey, _ spec: JSONValue) throws -> String {
    try CanonicalJSON.encode(document(key, spec)) + "\n"
  }

  /// A tenant's own document has its slug only.
  private static func names(_ key: ObjectKey) -> [(String, JSONValue)] {
    let tenant = key.kind == .tenant ? [] : [("tenant", JSONValue.string(key.tenant))]
    return [("kind", .string(key.kind.rawValue))] + tenant + [("slug", .string(key.slug))]
  }

  private static func document(_ key: ObjectKey, _ spec: JSONValue) -> JSONValue {
    .object(
      Dictionary(names(key) + [("spec", spec)], uniquingKeysWith: { first, _ in first })
    )
  }

  private static func readsBack(_ text: String, _ expected: JSONValue) -> Bool {
    let (documents, problems) = YAMLDocument.parse(text)
    return problems.isEmpty && documents.map(\.value) == [expected]
  }

  private static func serialized(_ node: Node) throws -> String {
    try Yams.serialize(node: node, indent: 2, width: -1, allowUnicode: true)
  }

  private static func mapping(_ members: [(String, JSONValue)]) -> Node {
    .mapping(
      Node.Mapping(members.map { (scalar($0), node($1)) }, Tag(.map), .block)
    )
  }

  private static func node(_ value: JSONValue) -> Node {
    switch value {
    case .null: plain("null", .null)
    case .bool(let it): plain(it ? "true" : "false", .bool)
    case .int(let it): plain(String(it), .int)
    case .double(let it): plain(String(it), .float)
    case .string(let it): scalar(it)
    case .array(let elements):
      .sequence(
        Node.Sequence(elements.map(node), Tag(.seq), isShort(elements) ? .flow : .block)
      )
    case .object(let members):
      members.isEmpty
        ? .mapping(Node.Mapping([], Tag(.map), .flow))
        : mapping(members.sorted { rank($0.key) < rank($1.key) }.map { ($0.key, $0.value) })
    }
  }

  /// What names a thing stands first.
  private static func rank(_ key: String) -> (Int, String) {
    (["rule_id", "id", "name", "display_name", "title"].firstIndex(of: key) ?? .max, key)
  }

  private static func plain(_ text: String, _ tag: Tag.Name) -> Node {
    .scalar(Node.Scalar(text, Tag(tag), .plain))
  }

  /// Quoted when a reader, ours or one of YAML 1.1, could take it for anything but text. Where a style
  /// can't hold a text, the emitter takes one that can.
  private static func scalar(_ text: String) -> Node {
    let style: Node.Scalar.Style =
      if text.unicodeScalars.contains("\n") {
        .literal
      } else if looksTyped(text) {
        .singleQuoted
      } else {
        .plain
      }
    return .scalar(Node.Scalar(text, Tag(.str), style))
  }

  private static func looksTyped(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first else { return true }
    return "0123456789+-.~<=".unicodeScalars.contains(first)
      || ["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(text.lowercased())
  }

  /// A list of a few words stands on one line.
  private static func isShort(_ elements: [JSONValue]) -> Bool {
    elements.allSatisfy { $0.objectValue == nil && $0.arrayValue == nil }
      && elements.reduce(0) { $0 + ($1.stringValue?.count ?? 8) + 2 } <= 80
  }

  /// What JSON may hold as it is and YAML may not (YAML 1.2, production 1), as JSON escapes.
  private static func escaped(_ json: String) -> String {
    var text = ""
    for unit in json.unicodeScalars {
      switch unit.value {
      case 0x7F ... 0xA0, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF:
        let digits = String(unit.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(unit)
      }
    }
    return text
  }
}
