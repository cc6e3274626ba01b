package import Domain

/// Chooses the language of texts that no model writes: apologies, block messages.
package enum ReplyLanguage {
  /// The user's language if the persona speaks it, else the persona's first.
  ///
  /// The channel's locale decides; without one, the script that most letters of the text are in,
  /// where a script tells the language. Latin letters tell nothing, and leave the default.
  package static func choose(locale: String, text: String, languages: [String]) -> String {
    if let told = match(locale, in: languages) { return told }
    if let script = dominantLanguage(of: text), let seen = match(script, in: languages) {
      return seen
    }
    return languages.first ?? ""
  }

  /// The text for a language, else the one for all others, else any.
  package static func text(_ texts: LocalizedText, language: String) -> String {
    if let exact = texts[language] { return exact }
    if let primary = texts[primarySubtag(language)] { return primary }
    if let general = texts[""] { return general }
    return texts.sorted { $0.key < $1.key }.first?.value ?? ""
  }

  private static func match(_ language: String, in languages: [String]) -> String? {
    guard !language.isEmpty else { return nil }
    let wanted = language.lowercased()
    return languages.first { $0.lowercased() == wanted }
      ?? languages.first { primarySubtag($0) == primarySubtag(wanted) }
  }

  private static func primarySubtag(_ language: String) -> String {
    String(language.lowercased().prefix { $0 != "-" && $0 != "_" })
  }

  /// By Unicode block: one language for each Indic script that is mostly one language's.
  private static func dominantLanguage(of text: String) -> String? {
    var counts: [String: Int] = [:]
    var letters = 0
    for scalar in text.unicodeScalars.prefix(2_000) where scalar.properties.isAlphabetic {
      letters += 1
      if let language = language(of: scalar) { counts[language, default: 0] += 1 }
    }
    guard let (language, count) = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }),
      count * 2 > letters
    else { return nil }
    return language
  }

  private static func language(of scalar: Unicode.Scalar) -> String? {
    switch scalar.value {
    case 0x0900 ... 0x097F: "hi"
    case 0x0980 ... 0x09FF: "bn"
    case 0x0A00 ... 0x0A7F: "pa"
    case 0x0A80 ... 0x0AFF: "gu"
    case 0x0B00 ... 0x0B7F: "or"
    case 0x0B80 ... 0x0BFF: "ta"
    case 0x0C00 ... 0x0C7F: "te"
    case 0x0C80 ... 0x0CFF: "kn"
    case 0x0D00 ... 0x0D7F: "ml"
    default: nil
    }
  }
}
