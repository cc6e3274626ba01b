/// Tells whether a text is in another language than those that are allowed.
///
/// An entry is a language ("hi": in any script) or a language in a script ("hi-Latn", "hi-Deva").
/// A text whose language can't be told, as it is short or mixed, passes; one in a script that no known
/// language is written in does not, whichever language that is.
package struct AllowedLanguages: Sendable {
  private let allowed: [String]
  private let detector = LanguageDetector()

  package init(_ allowed: [String]) { self.allowed = allowed }

  package func isForeign(_ text: String) -> Bool {
    guard let found = detector.detect(text) else { return detector.isOfForeignScript(text) }
    return !allowed.contains { entry in
      let parts = entry.split(separator: "-")
      guard parts.first?.lowercased() == found.code else { return false }
      let script = parts.dropFirst().first { $0.count == 4 }
      return script.map { $0.lowercased() == found.script.lowercased() } ?? true
    }
  }
}
