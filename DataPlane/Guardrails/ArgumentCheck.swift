internal import Codecs
internal import Domain
internal import Matching

/// What must hold for one place in a tool's arguments.
///
/// The place is a JSON Pointer (RFC 6901). A list or an object there is checked in each of the
/// values in it. A number is due where there is a `max` or `min`: a text that looks like one is
/// refused, as nobody knows what the endpoint makes of it.
struct ArgumentCheck: Sendable {
  private let tools: Set<String>
  private let pointer: [String]
  private let isRequired: Bool
  private let most: Double?
  private let least: Double?
  private let denied: Pattern?
  private let allow: Set<JSONValue>?
  private let deny: Set<JSONValue>

  /// - Throws: `PatternError`.
  init(_ check: JSONValue) throws(PatternError) {
    tools = Set(check["tools"]?.arrayValue?.compactMap(\.stringValue) ?? [])
    pointer = (check["pointer"]?.stringValue ?? "")
      .split(separator: "/", omittingEmptySubsequences: false).dropFirst()
      .map { String($0).replacing("~1", with: "/").replacing("~0", with: "~") }
    isRequired = check["required"]?.boolValue ?? false
    most = check["max"]?.doubleValue
    least = check["min"]?.doubleValue
    if let source = check["deny_pattern"]?.stringValue {
      denied = try Pattern(source)
    } else {
      denied = nil
    }
    allow = check["allow"]?.arrayValue.map { Set($0.map(Self.comparable)) }
    deny = Set(check["deny"]?.arrayValue?.map(Self.comparable) ?? [])
  }

  /// All texts in a JSON document, a line each; nil when they stand in it as they are, or it is none.
  static func texts(in document: String) -> String? {
    guard document.utf8.contains(UInt8(ascii: "\\")) else { return nil }
    do {
      return leaves(of: try JSONText.parse(document)).compactMap(\.stringValue)
        .joined(separator: "\n")
    } catch {
      return nil
    }
  }

  /// Whether a call's arguments break it; arguments that are no JSON do.
  func isBroken(by arguments: String, of tool: String) -> Bool {
    guard tools.isEmpty || tools.contains(tool) else { return false }
    let value: JSONValue
    do {
      value = try JSONText.parse(arguments)
    } catch {
      return true
    }
    guard let place = Self.value(at: pointer[...], in: value), !place.isNull else {
      return isRequired
    }
    return Self.leaves(of: place).contains(where: isBroken)
  }

  private func isBroken(by leaf: JSONValue) -> Bool {
    if most != nil || least != nil {
      guard let number = leaf.doubleValue else { return true }
      if let most, number > most { return true }
      if let least, number < least { return true }
    }
    let comparable = Self.comparable(leaf)
    if deny.contains(comparable) { return true }
    if let allow, !allow.contains(comparable) { return true }
    return denied?.isFound(in: Self.text(leaf)) ?? false
  }

  private static func value(at path: ArraySlice<String>, in value: JSONValue) -> JSONValue? {
    guard let key = path.first else { return value }
    let rest = path.dropFirst()
    switch value {
    case .object(let members): return members[key].flatMap { Self.value(at: rest, in: $0) }
    case .array(let elements):
      guard let index = Int(key), elements.indices.contains(index) else { return nil }
      return Self.value(at: rest, in: elements[index])
    default: return nil
    }
  }

  private static func leaves(of value: JSONValue) -> [JSONValue] {
    switch value {
    case .array(let elements): elements.flatMap(leaves)
    case .object(let members): members.keys.sorted().flatMap { leaves(of: members[$0] ?? .null) }
    default: [value]
    }
  }

  /// Texts are compared whatever their case and the spaces around them; 1 is "1".
  private static func comparable(_ value: JSONValue) -> JSONValue {
    .string(
      text(value).lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    )
  }

  private static func text(_ value: JSONValue) -> String {
    value.stringValue ?? value.canonicalText
  }
}
