package import Domain
internal import Matching
internal import Subscription
internal import Wire

/// Chooses the language and script of a reply, and of texts that no model writes: apologies, block
/// messages, greetings.
///
/// In this order: the language that the newest message is in; that of the user's last message whose
/// language could be told, as a short or mixed one keeps the conversation's language; what the
/// channel tells (its locale); the persona's first. Only languages that the persona speaks count.
package enum ReplyLanguage {
  package struct Choice: Hashable, Sendable {
    /// BCP 47; with the script where it is not the language's usual one: "hi-Latn". May be empty.
    package var tag: String
    /// True: the user wrote in it. Otherwise nothing but a guess.
    package var isSpoken: Bool
  }

  /// - Parameter earlier: The user's messages before, the oldest first.
  package static func choice(
    locale: String,
    text: String,
    earlier: [String] = [],
    languages: [String]
  ) -> Choice {
    // English too: a text in it is not in the only other language just because it has Latin letters.
    let detector = LanguageDetector(among: Set(languages.map(primarySubtag) + ["en"]))
    for message in [text] + earlier.suffix(10).reversed() {
      if let found = detector.detect(message), let tag = spoken(found, among: languages) {
        return Choice(tag: tag, isSpoken: true)
      }
    }
    return Choice(tag: match(locale, in: languages) ?? languages.first ?? "", isSpoken: false)
  }

  package static func choose(locale: String, text: String, languages: [String]) -> String {
    choice(locale: locale, text: text, languages: languages).tag
  }

  static func choose(for ground: TurnGround, plan: TurnPlan) -> Choice {
    choice(
      locale: ground.session.locale.isEmpty ? plan.locale : ground.session.locale,
      text: ground.inputs.map(\.body).joined(separator: "\n"),
      earlier: ground.history.filter(\.inbound).map(\.body),
      languages: plan.binding.human.languages
    )
  }

  /// The text for a language, else the one for all others, else any.
  package static func text(_ texts: LocalizedText, language: String) -> String {
    if let exact = texts[language] { return exact }
    if let primary = texts[primarySubtag(language)] { return primary }
    if let general = texts[""] { return general }
    return texts.sorted { $0.key < $1.key }.first?.value ?? ""
  }

  /// The persona's own tag where it fits the script, else the language in the script it was seen in.
  private static func spoken(_ found: DetectedLanguage, among languages: [String]) -> String? {
    let tags = languages.filter { primarySubtag($0) == found.code }
    guard let first = tags.first else { return nil }
    if found.tag == found.code {
      return tags.first { script(of: $0) == nil || script(of: $0) == found.script.lowercased() }
        ?? first
    }
    return tags.first { script(of: $0) == found.script.lowercased() } ?? found.tag
  }

  private static func script(of tag: String) -> String? {
    tag.split(separator: "-").dropFirst().first { $0.count == 4 }?.lowercased()
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
}
