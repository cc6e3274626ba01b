internal import Codecs
internal import Domain
internal import Matching

/// How the offline model picks a tool and fills in its arguments, by the message's words alone.
enum SimulatedToolChoice: Hashable {
  case call(name: String, argumentsJSON: String)
  /// The message asks for the tool but lacks this argument.
  case missing(tool: String, argument: String)

  /// The first tool that the message asks for and that was not called since.
  ///
  /// A message asks for a tool when it holds the tool's name, or each word of the name that is no
  /// mere verb ("lookup_order": "order").
  static func choose(
    _ tools: [ToolSpec],
    message: String,
    called: Set<String>
  ) -> SimulatedToolChoice? {
    let words = SimulatedWords.words(of: message)
    guard
      let tool = tools.first(where: { !called.contains($0.name) && asks(message, words, for: $0) })
    else { return nil }
    return fill(tool, message)
  }

  private static func asks(_ message: String, _ words: [String], for tool: ToolSpec) -> Bool {
    if message.lowercased().contains(tool.name.lowercased()) { return true }
    let parts = nameWords(tool.name)
    let nouns = parts.filter { !verbs.contains($0) }
    let wanted = nouns.isEmpty ? parts : nouns
    guard !wanted.isEmpty else { return false }
    return wanted.allSatisfy { part in words.contains { $0 == part || $0 == part + "s" } }
  }

  static func nameWords(_ name: String) -> [String] {
    name.lowercased().split { $0 == "_" || $0 == "-" }.map(String.init)
  }

  private static let verbs: Set<String> = [
    "get", "find", "lookup", "look", "up", "check", "list", "show", "fetch", "search", "book",
    "make", "create", "set", "update", "cancel", "send",
  ]

  // MARK: - Arguments

  private static func fill(_ tool: ToolSpec, _ message: String) -> SimulatedToolChoice {
    if let written = writtenObject(message) {
      return .call(name: tool.name, argumentsJSON: written)
    }
    let properties = tool.schema["properties"]?.objectValue ?? [:]
    let required = Set(tool.schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [])
    var arguments: [String: JSONValue] = [:]
    for (name, schema) in properties.sorted(by: { $0.key < $1.key }) {
      if let value = value(for: name, schema, tool, message, isRequired: required.contains(name)) {
        arguments[name] = value
      } else if required.contains(name) {
        return .missing(tool: tool.name, argument: name)
      }
    }
    return .call(name: tool.name, argumentsJSON: JSONValue.object(arguments).canonicalText)
  }

  /// A JSON object in the message is taken as the arguments, right or wrong.
  private static func writtenObject(_ message: String) -> String? {
    guard let start = message.firstIndex(of: "{"), let end = message.lastIndex(of: "}"),
      start < end
    else { return nil }
    return String(message[start ... end])
  }

  private static func value(
    for name: String,
    _ schema: JSONValue,
    _ tool: ToolSpec,
    _ message: String,
    isRequired: Bool
  ) -> JSONValue? {
    let words = SimulatedWords.pieces(of: message)
    if let allowed = schema["enum"]?.arrayValue {
      return allowed.first { choice in
        guard let text = choice.stringValue else { return false }
        return words.contains { $0.lowercased() == text.lowercased() }
      }
    }
    switch schema["type"]?.stringValue {
    case "integer": return words.lazy.compactMap { Int64($0) }.first.map { .int($0) }
    case "number": return words.lazy.compactMap { Double($0) }.first.map { .double($0) }
    case "boolean": return isRequired ? true : nil
    case "string", nil: return text(for: name, schema, tool, message, words, isRequired)
    default: return nil
    }
  }

  private static func text(
    for name: String,
    _ schema: JSONValue,
    _ tool: ToolSpec,
    _ message: String,
    _ words: [String],
    _ isRequired: Bool
  ) -> JSONValue? {
    if let source = schema["pattern"]?.stringValue {
      do {
        let pattern = try Pattern(source)
        return words.first { pattern.isFound(in: $0) }.map { .string($0) }
      } catch {
        return nil
      }
    }
    guard isRequired else { return nil }
    // What is left without the tool's own words and function words is what it is about.
    let noise = SimulatedWords.functionWords.union(nameWords(tool.name))
    let subject = words.filter { !noise.contains($0.lowercased()) && $0 != tool.name }
    var text = (subject.isEmpty ? words : subject).joined(separator: " ")
    if let limit = schema["maxLength"]?.intValue { text = String(text.prefix(Int(max(0, limit)))) }
    return text.isEmpty ? nil : .string(text)
  }
}

/// Cuts messages into words.
enum SimulatedWords {
  /// Pieces between spaces, without the punctuation around them.
  static func pieces(of text: String) -> [String] {
    text.split(whereSeparator: \.isWhitespace).map { piece in
      var piece = piece
      while let first = piece.first, isEdge(first) { piece.removeFirst() }
      while let last = piece.last, isEdge(last) { piece.removeLast() }
      return String(piece)
    }.filter { !$0.isEmpty }
  }

  private static func isEdge(_ character: Character) -> Bool {
    character.isPunctuation && character != "+" && character != "-"
  }

  /// Lower-case runs of letters, marks and digits.
  static func words(of text: String) -> [String] {
    text.lowercased().split { !($0.isLetter || $0.isNumber) }.map(String.init)
  }

  static let functionWords: Set<String> = [
    "a", "an", "the", "is", "are", "do", "does", "you", "have", "has", "of", "for", "in", "on",
    "my", "me", "please", "can", "could", "what", "how", "many", "much", "and", "to", "it", "any",
  ]
}
