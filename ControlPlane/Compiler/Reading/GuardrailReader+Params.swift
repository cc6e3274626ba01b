internal import Domain
internal import Matching

extension GuardrailReader {
  private static let personalData = PersonalData.Kind.allCases.map(\.rawValue)

  /// Checks what a kind needs, and gives it back in the form in which nodes read it.
  func check(_ params: SpecReader, of kind: GuardrailRule.Kind) -> [String: JSONValue] {
    switch kind {
    case .regex:
      checkPattern(params)
      return params.members
    case .keyword:
      let words = params.strings("words", bare: true)
      do {
        _ = try Keywords(words)
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
      let text = params.required("text", hint: "the text that a reply must hold")
      return params.members.merging(["text": .string(text)]) { _, new in new }
    case .urlAllowlist:
      let hosts = params.strings("hosts", bare: true)
      return params.members.merging(["hosts": Self.list(hosts)]) { _, new in new }
    case .pii:
      let wanted = params.strings("detect", bare: true)
      for (index, name) in wanted.enumerated() where !Self.personalData.contains(name) {
        params.problems.add(
          "CFG_CHOICE",
          at: "\(params.pointer("detect"))/\(index)",
          got: .string(name),
          "no such kind of personal data",
          hint: nearest(to: name, among: Self.personalData).map { "did you mean '\($0)'?" }
            ?? "use \(Self.personalData.joined(separator: ", "))"
        )
      }
      return params.members.merging(["detect": Self.list(wanted)]) { _, new in new }
    case .language, .topic, .classifier, .toolArgs, .rate:
      return params.members
    }
  }

  private static func list(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }

  private func checkPattern(_ params: SpecReader) {
    let source = params.required("pattern", hint: #"like \b\d+\s?mg\b"#)
    guard !source.isEmpty else { return }
    do {
      _ = try Pattern(source)
    } catch {
      params.problems.add(
        error.isUnsafe ? "GRD_UNSAFE_REGEX" : "GRD_BAD_REGEX",
        at: params.pointer("pattern"),
        got: params.value("pattern"),
        "the pattern can't be used: \(error.message)",
        hint: error.isUnsafe
          ? "backreferences and look-around are not linear-time; write it without"
          : "see the syntax of RE2"
      )
    }
  }
}
