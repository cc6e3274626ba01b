/// Languages and scripts in words for a model.
enum LanguageNames {
  private static let languages = [
    "bn": "Bengali", "en": "English", "gu": "Gujarati", "hi": "Hindi", "kn": "Kannada",
    "ml": "Malayalam", "mr": "Marathi", "or": "Odia", "pa": "Punjabi", "ta": "Tamil",
    "te": "Telugu",
  ]
  private static let scripts = ["Latn": "Latin letters", "Deva": "Devanagari"]

  /// "hi-Latn" as "Hindi in Latin letters".
  static func sentence(_ tag: String) -> String {
    let parts = tag.split(separator: "-").map(String.init)
    guard let code = parts.first else { return "the person's language" }
    let language = languages[code.lowercased()] ?? "the language '\(code)'"
    let script = parts.dropFirst().lazy.compactMap { scripts[$0] }.first
    return script.map { "\(language) in \($0)" } ?? language
  }
}
