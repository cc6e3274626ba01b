internal import Domain
internal import Matching

extension GuardrailReader {
  private static let personalData = PersonalData.Kind.allCases.map(\.rawValue)

  /// The param that each kind takes.
  private static let keys: [GuardrailRule.Kind: String] = [
    .regex: "pattern", .keyword: "words", .pii: "detect", .maxLength: "max", .mustInclude: "text",
    .urlAllowlist: "hosts",
  ]

  /// Checks what a kind needs, and gives it back in the form in which nodes read it.
  ///
  /// - Parameter detector: What it made of words or a pattern on the way.
  func check(
    _ params: SpecReader,
    of kind: GuardrailRule.Kind,
    _ detector: inout (any Detector)?
  ) -> [String: JSONValue] {
    if let known = Self.keys[kind] { params.warnUnknown([known]) }
    switch kind {
    case .regex:
      let source = params.required("pattern", hint: #"like \b\d+\s?mg\b"#)
      if !source.isEmpty {
        detector = checkPattern(source, at: params.pointer("pattern"), params.problems)
      }
      return params.members
    case .keyword:
      let words = params.strings("words", bare: true)
      guard !params.problems.hasErrors(at: params.pointer("words")) else { return params.members }
      do {
        detector = try Keywords(words)
      } catch {
        params.problems.add(
          "GRD_BAD_REGEX",
          at: params.pointer("words"),
          "the words can't be used: \(error.message)",
          hint: "list at least one word"
        )
      }
      return params.members.merging(["words": Self.list(words)]) { _, new in new }
    case .maxLength:
      _ = params.int("max", in: 1 ... 100_000, default: 0)
      if params.value("max") == nil {
        params.problems.add(
          "CFG_MISSING",
          at: params.pointer("max"),
          "max is missing",
          hint: "the most characters"
        )
      }
      return params.members
    case .mustInclude:
      let texts = params.strings("text", maxCount: 20, bare: true)
      if texts.allSatisfy(\.isEmpty), !params.problems.hasErrors(at: params.pointer("text")) {
        params.problems.add(
          "CFG_MISSING",
          at: params.pointer("text"),
          "text is missing",
          hint: "the text that a reply must hold"
        )
      }
      return params.members.merging(["text": Self.list(texts)]) { _, new in new }
    case .urlAllowlist:
      if params.value("hosts") == nil {
        params.problems.add(
          "CFG_MISSING",
          at: params.pointer("hosts"),
          "hosts is missing",
          hint: "list the hosts that links may go to; an empty list allows none"
        )
      }
      // In one form, so that the lists of two tiers can be compared.
      let hosts = params.strings("hosts", bare: true).map(ForeignLinks.normalised)
      return params.members.merging(["hosts": Self.list(hosts)]) { _, new in new }
    case .pii:
      let wanted = params.strings("detect", bare: true)
      for (index, name) in wanted.enumerated() where !Self.personalData.contains(name) {
        params.problems.add(
          "CFG_CHOICE",
          at: params.value("detect")?.arrayValue == nil
            ? params.pointer("detect") : "\(params.pointer("detect"))/\(index)",
          got: .string(name),
          "no such kind of personal data",
          hint: nearest(to: name, among: Self.personalData).map { "did you mean '\($0)'?" }
            ?? "use \(Self.personalData.joined(separator: ", "))"
        )
      }
      return params.members.merging(["detect": Self.list(wanted)]) { _, new in new }
    case .language: return language(params)
    case .topic: return topic(params)
    case .toolArgs: return toolArguments(params)
    case .rate: return rate(params)
    // Refused where the kind is read.
    case .classifier: return params.members
    }
  }

  static func list(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
}
