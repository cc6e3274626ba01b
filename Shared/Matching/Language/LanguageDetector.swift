internal import Foundation

/// A language as it is written: "hi" in Devanagari, or "hi-Latn" in Latin letters.
package struct DetectedLanguage: Hashable, Sendable {
  /// ISO 639-1.
  package let code: String
  /// ISO 15924.
  package let script: String

  /// BCP 47; the script only where it is not the usual one.
  package var tag: String {
    Scripts.usual(of: code) == script ? code : "\(code)-\(script)"
  }
}

/// Tells the language and the script of what somebody wrote.
///
/// 1. The script that at least 60% of the letters are in. An Indic script tells the language;
///    Devanagari is Marathi where more of Marathi's function words are in it than of Hindi's.
/// 2. Latin letters: a naive Bayes score over the words, each by the character trigrams of a
///    language's words, and a fixed gain for a word that is one of its function words. Words that
///    all of them borrow ("ok", "please"), numbers, links and addresses say nothing.
/// 3. nil where the best is not clearly ahead of the second: the caller keeps what it knew before.
///
/// Romanised languages known: Hindi, Kannada, Tamil, Telugu, Marathi, Bengali.
package struct LanguageDetector: Sendable {
  /// Languages that a text can be told to be in.
  package static let known: Set<String> = Set(Scripts.all.map(\.language)).union(["en", "mr"])

  private let profiles: [RomanProfile]

  /// - Parameter candidates: ISO 639-1 codes that text in Latin letters may be in; nil: all known.
  package init(among candidates: Set<String>? = nil) {
    guard let candidates else {
      profiles = RomanProfile.all
      return
    }
    profiles = RomanProfile.all.filter { candidates.contains($0.language) }
  }

  private static let longest = 600
  private static let share = 0.6
  /// Least lead of the best over the second, in nats: about nineteen to one.
  private static let lead = 3.0

  package func detect(_ text: String) -> DetectedLanguage? {
    let words = Self.words(of: text)
    guard let script = Self.script(of: words) else { return nil }
    if script == "Latn" { return roman(words) }
    guard let language = Scripts.language(of: script) else { return nil }
    if language == "hi", Self.isMarathi(words) {
      return DetectedLanguage(code: "mr", script: script)
    }
    return DetectedLanguage(code: language, script: script)
  }

  /// Whether a text is in a script that none of the known languages is written in, such as Cyrillic,
  /// Arabic or Han.
  package func isOfForeignScript(_ text: String) -> Bool {
    Self.script(of: Self.words(of: text)) == Scripts.foreign
  }

  /// The script of most letters; nil when there are hardly any, or they are of several.
  private static func script(of words: [String]) -> String? {
    var counts: [String: Int] = [:]
    for scalar in words.joined().unicodeScalars where scalar.properties.isAlphabetic {
      counts[Scripts.script(of: scalar), default: 0] += 1
    }
    let letters = counts.values.reduce(0, +)
    guard let most = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }), letters > 1,
      Double(most.value) >= share * Double(letters)
    else { return nil }
    return most.key
  }

  /// In lower case, long drawn letters shortened; what holds a digit, a link or an address left out.
  private static func words(of text: String) -> [String] {
    var start = ""
    start.unicodeScalars.append(contentsOf: text.unicodeScalars.prefix(longest))
    return start.split(whereSeparator: \.isWhitespace)
      .filter { part in !part.contains { $0.isNumber || $0 == "@" || $0 == "/" || $0 == "_" } }
      .flatMap { $0.lowercased().split { !$0.isLetter && $0 != "'" && $0 != "’" } }
      .map { shortened($0.filter(\.isLetter)) }
      .filter { !$0.isEmpty }
  }

  /// "bahuuuut" as "bahuut".
  private static func shortened(_ word: some StringProtocol) -> String {
    var result = ""
    var run = 0
    var last: Character?
    for letter in word {
      run = letter == last ? run + 1 : 1
      last = letter
      if run <= 2 { result.append(letter) }
    }
    return result
  }

  private static func isMarathi(_ words: [String]) -> Bool {
    let (marathi, hindi) = (DevanagariWords.marathi, DevanagariWords.hindi)
    let ours = words.count(where: marathi.contains)
    return ours > 0 && ours > words.count(where: hindi.contains)
  }

  private func roman(_ words: [String]) -> DetectedLanguage? {
    let telling = words.filter { !RomanWords.shared.contains($0) && $0.count > 1 }
    guard !telling.isEmpty, let first = profiles.first else { return nil }
    guard profiles.count > 1 else {
      return DetectedLanguage(code: first.language, script: "Latn")
    }
    let scores = profiles.map { profile in
      (profile.language, telling.reduce(0) { $0 + profile.score(of: $1) })
    }.sorted { ($0.1, $1.0) > ($1.1, $0.0) }
    guard scores[0].1 - scores[1].1 >= Self.lead else { return nil }
    return DetectedLanguage(code: scores[0].0, script: "Latn")
  }
}

/// How a language looks in Latin letters.
struct RomanProfile: Sendable {
  let language: String
  private let function: Set<String>
  private let trigrams: [String: Double]
  private let unseen: Double

  static let all: [RomanProfile] = RomanWords.byLanguage.map { RomanProfile($0.key, $0.value) }
    .sorted { $0.language < $1.language }

  /// What one of a language's own words is worth, in nats.
  private static let gain = 4.0
  /// Trigrams of a word depend on each other: each counts less than it would alone.
  private static let damping = 0.35
  /// Distinct trigrams that a language may have, for smoothing.
  private static let space = 2_000.0

  private init(_ language: String, _ words: RomanWords.Lists) {
    self.language = language
    function = words.function
    var counts: [String: Int] = [:]
    for word in words.function.union(words.content) {
      for trigram in Self.trigrams(of: word) { counts[trigram, default: 0] += 1 }
    }
    let total = Double(counts.values.reduce(0, +)) + Self.space
    trigrams = counts.mapValues { log((Double($0) + 1) / total) }
    unseen = log(1 / total)
  }

  func score(of word: String) -> Double {
    let grams = Self.trigrams(of: word).reduce(0) { $0 + (trigrams[$1] ?? unseen) }
    return grams * Self.damping + (function.contains(word) ? Self.gain : 0)
  }

  /// With the ends of the word: "^ka", "kab", "ab$".
  private static func trigrams(of word: String) -> [String] {
    let letters = Array("^\(word)$")
    guard letters.count >= 3 else { return [String(letters)] }
    return (0 ... letters.count - 3).map { String(letters[$0 ..< $0 + 3]) }
  }
}
