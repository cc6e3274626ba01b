internal import Codecs
internal import Domain

/// One mapping of a spec. A reader of a part shares the list of problems with the reader of the whole.
struct SpecReader {
  let members: [String: JSONValue]
  let path: String
  let problems: Problems
  /// False for what is no mapping; that has been told.
  let isMapping: Bool

  init(_ spec: JSONValue, path: String = "", problems: Problems) {
    isMapping = spec.objectValue != nil
    if case .object(let members) = spec {
      self.members = members
    } else {
      members = [:]
      if !spec.isNull {
        problems.add(
          "CFG_TYPE",
          at: path,
          got: spec,
          "a mapping is due here",
          hint: "write keys and values"
        )
      }
    }
    self.path = path
    self.problems = problems
  }

  func pointer(_ key: String) -> String {
    Compiler.pointer(path, key)
  }

  /// A warning for every key that is not known: kept, but without effect.
  func warnUnknown(_ known: [String], code: String = "CFG_UNKNOWN_KEY") {
    for key in members.keys.sorted() where !known.contains(key) {
      problems.add(
        code,
        at: pointer(key),
        level: .warning,
        "'\(key.prefix(40))' has no effect",
        hint: nearest(to: key, among: known).map { "did you mean '\($0)'?" }
          ?? "known are \(known.joined(separator: ", "))"
      )
    }
  }

  private func wrong(_ key: String, _ due: String) {
    problems.add(
      "CFG_TYPE",
      at: pointer(key),
      got: members[key],
      "\(due) is due",
      hint: "change the value"
    )
  }

  /// The value, if there is one that is not null.
  func value(_ key: String) -> JSONValue? {
    // No ternary: of a JSONValue, `nil` would be null itself.
    guard let value = members[key], !value.isNull else { return nil }
    return value
  }

  func string(_ key: String, maxLength: Int = 8_000) -> String? {
    guard let value = value(key) else { return nil }
    // Numbers that look like words for people (phone numbers, ids) are often left unquoted.
    guard let text = value.stringValue ?? value.intValue.map(String.init) else {
      wrong(key, "a text")
      return nil
    }
    guard text.count <= maxLength else {
      problems.add(
        "CFG_TOO_LARGE",
        at: pointer(key),
        "\(text.count) characters; at most \(maxLength)",
        hint: "shorten it"
      )
      return nil
    }
    return text
  }

  func required(_ key: String, hint: String) -> String {
    if let text = string(key), !text.isEmpty { return text }
    if value(key) == nil || value(key)?.stringValue?.isEmpty == true {
      problems.add("CFG_MISSING", at: pointer(key), "\(key) is missing", hint: hint)
    }
    return ""
  }

  func bool(_ key: String, default fallback: Bool) -> Bool {
    guard let value = value(key) else { return fallback }
    guard let bool = value.boolValue else {
      wrong(key, "true or false")
      return fallback
    }
    return bool
  }

  func int(
    _ key: String,
    in range: ClosedRange<Int64>,
    default fallback: Int64,
    code: String = "CFG_RANGE"
  )
    -> Int64
  {
    guard let value = value(key) else { return fallback }
    guard let int = value.intValue else {
      wrong(key, "a whole number")
      return fallback
    }
    guard range.contains(int) else {
      problems.add(
        code,
        at: pointer(key),
        got: value,
        "\(int) is out of range",
        hint: "use \(range.lowerBound) through \(range.upperBound)"
      )
      return fallback
    }
    return int
  }

  /// A number with or without a fraction.
  func number(
    _ key: String,
    in range: ClosedRange<Double>,
    default fallback: Double,
    code: String = "CFG_RANGE"
  ) -> Double {
    guard let value = value(key) else { return fallback }
    guard let number = value.doubleValue else {
      wrong(key, "a number")
      return fallback
    }
    guard range.contains(number) else {
      problems.add(
        code,
        at: pointer(key),
        "\(value.canonicalText) is out of range",
        hint: "use \(Self.text(range.lowerBound)) through \(Self.text(range.upperBound))"
      )
      return fallback
    }
    return number
  }

  private static func text(_ number: Double) -> String { JSONValue.double(number).canonicalText }

  func choice<T: RawRepresentable & CaseIterable>(
    _ key: String,
    of type: T.Type,
    default fallback: T,
    code: String = "CFG_CHOICE"
  ) -> T where T.RawValue == String {
    guard let value = value(key) else { return fallback }
    if let text = value.stringValue, let choice = T(rawValue: text) { return choice }
    let known = T.allCases.map(\.rawValue)
    problems.add(
      code,
      at: pointer(key),
      got: value,
      "not one of \(known.joined(separator: ", "))",
      hint: value.stringValue.flatMap { nearest(to: $0, among: known) }.map {
        "did you mean '\($0)'?"
      }
        ?? "use one of them"
    )
    return fallback
  }

  /// A text out of a short list; the first stands for one that is missing or wrong.
  func word(_ key: String, of known: [String], code: String = "CFG_CHOICE") -> String {
    guard let value = value(key) else { return known[0] }
    if let text = value.stringValue, known.contains(text) { return text }
    problems.add(
      code,
      at: pointer(key),
      "not \(known.joined(separator: " or "))",
      hint: value.stringValue.flatMap { nearest(to: $0, among: known) }.map {
        "did you mean '\($0)'?"
      } ?? "use \(known.joined(separator: " or "))"
    )
    return known[0]
  }

  /// - Parameter bare: a single text may stand for a list of one.
  func strings(_ key: String, maxCount: Int = 1_000, bare: Bool = false) -> [String] {
    guard let value = value(key) else { return [] }
    guard let elements = value.arrayValue else {
      if bare, let text = value.stringValue ?? value.intValue.map(String.init) { return [text] }
      wrong(key, "a list of texts")
      return []
    }
    guard elements.count <= maxCount else {
      problems.add(
        "CFG_TOO_LARGE",
        at: pointer(key),
        "\(elements.count) entries; at most \(maxCount)",
        hint: "shorten the list"
      )
      return []
    }
    return elements.enumerated().compactMap { index, element in
      if let text = element.stringValue ?? element.intValue.map(String.init) { return text }
      problems.add(
        "CFG_TYPE",
        at: "\(pointer(key))/\(index)",
        got: element,
        "a text is due",
        hint: "put it in quotes"
      )
      return nil
    }
  }

  /// Text by language; a bare text is for all languages (key "").
  func localized(_ key: String) -> LocalizedText {
    guard let value = value(key) else { return [:] }
    if let text = value.stringValue { return ["": text] }
    guard let members = value.objectValue else {
      wrong(key, "a text, or texts by language")
      return [:]
    }
    var result: LocalizedText = [:]
    let texts = SpecReader(value, path: pointer(key), problems: problems)
    for (language, text) in members.sorted(by: { $0.key < $1.key }) {
      guard isLanguage(language), let text = text.stringValue else {
        problems.add(
          "HUM_BAD_LANG",
          at: texts.pointer(language),
          "not a text under a language code",
          hint: "use codes like en, hi, kn, en-IN"
        )
        continue
      }
      result[language] = text
    }
    return result
  }

  func object(_ key: String) -> SpecReader {
    SpecReader(value(key) ?? .null, path: pointer(key), problems: problems)
  }

  /// The mappings of a list, with their places in it; other entries are told and left out.
  func mappings(_ key: String, maxCount: Int = 200) -> [(index: Int, reader: SpecReader)] {
    objects(key, maxCount: maxCount).enumerated().filter { $0.element.isMapping }
      .map { ($0.offset, $0.element) }
  }

  private func objects(_ key: String, maxCount: Int) -> [SpecReader] {
    guard let value = value(key) else { return [] }
    guard let elements = value.arrayValue, elements.count <= maxCount else {
      wrong(key, "a list of at most \(maxCount) entries")
      return []
    }
    return elements.enumerated().map { index, element in
      SpecReader(element, path: "\(pointer(key))/\(index)", problems: problems)
    }
  }
}

/// The shape of a language tag of RFC 5646: a primary subtag of 2 or 3 letters, perhaps more subtags.
func isLanguage(_ text: String) -> Bool {
  let parts = text.split(separator: "-", omittingEmptySubsequences: false)
  guard let first = parts.first, (2 ... 3).contains(first.count),
    first.allSatisfy({ ("a" ... "z").contains($0) })
  else { return false }
  return parts.dropFirst().allSatisfy {
    (2 ... 8).contains($0.count) && $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }
  }
}
