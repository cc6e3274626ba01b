/// A set of words and phrases, found whole and whatever their case.
///
/// Word ends are where letters, marks and digits end, so that a word of Hindi or Kannada is not cut
/// at its vowel signs. Built on `Pattern`: one pass for all words.
package struct Keywords: Sendable {
  package let pattern: Pattern

  /// - Throws: `PatternError` when there are no words, or too many for one pattern.
  package init(_ words: [String]) throws(PatternError) {
    let escaped = words.map { $0.trimmingSpaces() }.filter { !$0.isEmpty }.map(Self.escape)
    guard !escaped.isEmpty else {
      throw PatternError(isUnsafe: false, message: "there are no words")
    }
    // The longest first, so that "paisa wapas" is found before "paisa".
    let alternatives = escaped.sorted { $0.utf8.count > $1.utf8.count }.joined(separator: "|")
    pattern = try Pattern(
      #"(?:^|[^\p{L}\p{M}\p{N}])(?:\#(alternatives))(?:[^\p{L}\p{M}\p{N}]|$)"#,
      ignoringCase: true
    )
  }

  private static func escape(_ word: String) -> String {
    var result = ""
    for scalar in word.unicodeScalars {
      if scalar.value < 128, !scalar.properties.isAlphabetic, !("0" ... "9").contains(scalar) {
        result += scalar == " " ? #"\s+"# : "\\\(scalar)"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// UTF-8 ranges of the words, without what surrounds them.
  package func matches(in text: String) -> [Range<Int>] {
    let utf8 = Array(text.utf8)
    var result: [Range<Int>] = []
    var start = 0
    // Neighbouring words share the character between them, so the search goes back by it.
    while start <= utf8.count,
      let match = utf8.withUnsafeBytes({ pattern.firstMatch(in: $0, from: start) })
    {
      let inner = trimmed(match, in: utf8)
      result.append(inner)
      start = max(inner.upperBound, match.lowerBound + 1)
      while start < utf8.count, utf8[start] & 0xC0 == 0x80 { start += 1 }
    }
    return result
  }

  /// Takes the surrounding characters off again: everything at the ends that is no letter or digit.
  private func trimmed(_ match: Range<Int>, in utf8: [UInt8]) -> Range<Int> {
    let text = String(decoding: utf8[match], as: UTF8.self)
    var (lower, upper) = (match.lowerBound, match.upperBound)
    for scalar in text.unicodeScalars {
      if Self.isInWord(scalar) { break }
      lower += UTF8.width(scalar)
    }
    for scalar in text.unicodeScalars.reversed() {
      if Self.isInWord(scalar) || upper <= lower { break }
      upper -= UTF8.width(scalar)
    }
    return lower < upper ? lower ..< upper : match
  }

  private static func isInWord(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .letterNumber, .otherNumber:
      true
    default: false
    }
  }
}

extension String {
  fileprivate func trimmingSpaces() -> String {
    String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }
}
