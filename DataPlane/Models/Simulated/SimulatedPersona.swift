/// What the offline model understands of a prompt: the persona's name, languages and greetings.
///
/// It reads the lines that the compiler writes, and nothing else: `You are <name>,`,
/// `Languages: hi (default), en` and `Greeting (hi): …`; and the turn's `Reply language: hi-Latn.`
struct SimulatedPersona: Hashable {
  /// Empty when the prompt names none.
  var name = ""
  /// The first is the default.
  var languages: [String] = []
  var greetings: [String: String] = [:]
  /// What the turn's own segment tells.
  private var replyLanguage: String?

  init(_ system: [PromptSegment]) {
    for segment in system {
      for line in segment.text.split(whereSeparator: \.isNewline) { read(line) }
    }
    if languages.isEmpty { languages = ["en"] }
  }

  private mutating func read(_ line: Substring) {
    if name.isEmpty, let rest = line.dropping("You are ") {
      name = String(rest.prefix { $0 != "," && $0 != "." })
    } else if languages.isEmpty, let rest = line.dropping("Languages: ") {
      languages = rest.split(separator: ",").map { entry in
        entry.replacing("(default)", with: "").trimmingWhitespace
      }.filter { !$0.isEmpty }
    } else if let rest = line.dropping("Reply language: ") {
      replyLanguage = String(rest.prefix { $0 == "-" || $0.isLetter })
    } else if let rest = line.dropping("Greeting ("), let end = rest.firstIndex(of: ")"),
      let text = rest[end...].dropping("): ")
    {
      greetings[String(rest[..<end])] = text.trimmingWhitespace
    }
  }

  /// The language to answer in: the one that is told; else that of the text's script if the persona speaks it; English for
  /// Latin letters with an English function word; else the default.
  func language(for text: String) -> String {
    if let replyLanguage { return replyLanguage }
    var counts: [String: Int] = [:]
    for scalar in text.unicodeScalars.prefix(2_000) where scalar.properties.isAlphabetic {
      counts[Self.script(of: scalar), default: 0] += 1
    }
    let script = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? ""
    if script == "latin" {
      let isEnglish = !Self.englishWords.isDisjoint(with: SimulatedWords.words(of: text))
      return (isEnglish ? spoken("en") : nil) ?? languages[0]
    }
    return spoken(script) ?? languages[0]
  }

  func greeting(in language: String) -> String? {
    greetings[language] ?? greetings[Self.primary(language)] ?? greetings[languages[0]]
  }

  private func spoken(_ language: String) -> String? {
    languages.first { $0 == language } ?? languages.first { Self.primary($0) == language }
  }

  static func primary(_ language: String) -> String {
    String(language.prefix { $0 != "-" && $0 != "_" })
  }

  private static func script(of scalar: Unicode.Scalar) -> String {
    switch scalar.value {
    case 0x0900 ... 0x097F: "hi"
    case 0x0980 ... 0x09FF: "bn"
    case 0x0A80 ... 0x0AFF: "gu"
    case 0x0B80 ... 0x0BFF: "ta"
    case 0x0C00 ... 0x0C7F: "te"
    case 0x0C80 ... 0x0CFF: "kn"
    case 0x0D00 ... 0x0D7F: "ml"
    case ..<0x0250: "latin"
    default: ""
    }
  }

  /// Words that Hindi or Kannada in Latin letters hardly has.
  private static let englishWords: Set<String> = [
    "the", "is", "are", "what", "when", "where", "how", "my", "your", "you", "please", "can",
    "hello", "hi", "thanks", "of", "for", "and", "with", "this", "that", "have", "want", "need",
    "does", "will",
  ]
}

extension StringProtocol {
  /// What follows the prefix; nil when it is not there.
  func dropping(_ prefix: String) -> SubSequence? {
    hasPrefix(prefix) ? dropFirst(prefix.count) : nil
  }

  var trimmingWhitespace: String {
    var rest = Substring(self)
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }
}
