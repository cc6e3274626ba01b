internal import Codecs
internal import Domain

/// The tiers' prompt segments: byte-stable, so that providers' prompt caches hit.
enum Prompts {
  static func human(_ spec: HumanSpec) -> String {
    let name = oneLine(spec.displayName)
    var lines = ["You are \(name), and you stay this persona throughout."]
    let languages = spec.languages.enumerated().map { $0 == 0 ? "\($1) (default)" : $1 }
    lines.append("Languages: \(languages.joined(separator: ", "))")
    if let register = spec.culturalRegister, !register.isEmpty {
      lines.append("Cultural register: \(register)")
    }
    let voice = spec.voice
    append("Tone", voice.tone, to: &lines)
    if let register = voice.register { lines.append("Register: \(register)") }
    for (language, form) in sorted(voice.address) {
      lines.append("Address people (\(language)) as: \(form)")
    }
    append("Signature phrases", voice.signature, to: &lines)
    if let emoji = voice.emoji { lines.append("Emoji: \(emoji)") }
    if let most = voice.maxSentences { lines.append("At most \(most) sentences a reply.") }
    append("Never say", voice.forbidden, to: &lines)
    for (language, text) in sorted(spec.greeting) {
      let language = language.isEmpty ? spec.languages.first ?? "en" : language
      lines.append("Greeting (\(language)): \(oneLine(text))")
    }
    return lines.joined(separator: "\n")
  }

  static func team(_ spec: TeamSpec) -> String {
    var lines = ["Your team: \(spec.displayName)"]
    if let department = spec.department, !department.isEmpty { lines[0] += " (\(department))" }
    if !spec.sops.isEmpty { lines.append("Procedures:") }
    for (index, sop) in spec.sops.enumerated() {
      lines.append("\(index + 1). \(text(of: sop))")
    }
    if spec.escalationSpec != [:] {
      lines.append("Hand over to a colleague when: \(spec.escalationSpec.canonicalText)")
    }
    return lines.joined(separator: "\n")
  }

  static func agent(_ spec: AgentSpec) -> String {
    guard !spec.tools.isEmpty else { return "You have no tools." }
    let tools = spec.tools.map { "- \($0.name): \($0.description)" }
    return (["Your tools:"] + tools).joined(separator: "\n")
  }

  private static func text(of sop: JSONValue) -> String {
    if let text = sop.stringValue { return text }
    let title = sop["title"]?.stringValue ?? sop["id"]?.stringValue ?? "procedure"
    if let text = sop["text"]?.stringValue { return "\(title): \(text)" }
    return "\(title): \((sop["steps"] ?? []).canonicalText)"
  }

  /// A line of the prompt is read as a line.
  private static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  private static func append(_ title: String, _ words: [String], to lines: inout [String]) {
    if !words.isEmpty { lines.append("\(title): \(words.joined(separator: ", "))") }
  }

  private static func sorted(_ text: LocalizedText) -> [(String, String)] {
    text.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}

/// What is said when a turn fails, for languages whose author wrote nothing.
enum Apologies {
  private static let builtIn: LocalizedText = [
    "en": "Sorry, something went wrong on our side. Please try again in a moment.",
    "hi": "माफ़ कीजिए, हमारी ओर से कुछ गड़बड़ हो गई। कृपया थोड़ी देर में फिर कोशिश करें।",
    "hi-Latn":
      "Maaf kijiye, hamari taraf se kuch gadbad ho gayi. Kripya thodi der mein phir koshish "
      + "karein.",
    "kn-Latn":
      "Kshamisi, namma kadeyinda eno thondareyagide. Dayavittu swalpa samayada nantara matte "
      + "prayatnisi.",
    "ta-Latn":
      "Mannikkavum, engal pakkathil edho thavaru nadandhuvittathu. Siridhu nerathil meendum "
      + "muyarchikkavum.",
    "te-Latn": "Kshaminchandi, maa vaipu edo porapatu jarigindi. Dayachesi kasepatlo malli "
      + "prayatninchandi.",
    "kn": "ಕ್ಷಮಿಸಿ, ನಮ್ಮ ಕಡೆಯಿಂದ ಏನೋ ತೊಂದರೆಯಾಗಿದೆ. ದಯವಿಟ್ಟು ಸ್ವಲ್ಪ ಸಮಯದ ನಂತರ ಮತ್ತೆ ಪ್ರಯತ್ನಿಸಿ.",
    "ta": "மன்னிக்கவும், எங்கள் பக்கத்தில் ஏதோ தவறு நடந்துவிட்டது. சிறிது நேரத்தில் மீண்டும் முயற்சிக்கவும்.",
    "te": "క్షమించండి, మా వైపు ఏదో పొరపాటు జరిగింది. దయచేసి కాసేపట్లో మళ్లీ ప్రయత్నించండి.",
    "mr": "माफ करा, आमच्याकडून काहीतरी चूक झाली. कृपया थोड्या वेळाने पुन्हा प्रयत्न करा.",
    "bn": "দুঃখিত, আমাদের দিক থেকে কিছু সমস্যা হয়েছে। অনুগ্রহ করে একটু পরে আবার চেষ্টা করুন।",
  ]

  /// Complete for all `languages`: the author's text, the built-in one, or the English one. Where it
  /// is the built-in one, in Latin letters too.
  static func complete(_ written: LocalizedText, for languages: [String]) -> LocalizedText {
    var result = written
    for language in languages where result[language] == nil {
      let primary = String(language.prefix { $0 != "-" })
      let latin = "\(primary)-Latn"
      if let own = written[primary] ?? written[""] {
        result[language] = own
      } else {
        result[language] = builtIn[language] ?? builtIn[primary] ?? builtIn["en"]
        if result[latin] == nil, let text = builtIn[latin] { result[latin] = text }
      }
    }
    return result
  }
}
