/// A set of words and phrases, found whole and whatever their case.
///
/// Word ends are where letters, marks and digits end, so that a word of Hindi or Kannada is not cut
/// at its vowel signs. A space in a phrase stands for one to eight spaces or line ends. Built on
/// `Pattern`: one pass for all words.
package struct Keywords: Detector {
  package let pattern: Pattern
  private let reach: Int?

  /// - Throws: `PatternError` when there are no words, or too many for one pattern.
  package init(_ words: [String]) throws(PatternError) {
    let escaped = words.map { $0.trimmingSpaces() }.filter { !$0.isEmpty }.map(Self.escape)
    guard !escaped.isEmpty else {
      throw PatternError(isUnsafe: false, message: "there are no words")
    }
    // The longest first, so that "paisa wapas" is found before "paisa".
    let alternatives = escaped.sorted {
      ($0.utf8.count, $1) > ($1.utf8.count, $0)
    }.joined(separator: "|")
    let source = #"(?:^|[^\p{L}\p{M}\p{N}])(\#(alternatives))(?:[^\p{L}\p{M}\p{N}]|$)"#
    pattern = try Pattern(source, ignoringCase: true)
    reach = PatternBound.of(source, ignoringCase: true)
  }

  private static func escape(_ word: String) -> String {
    var result = ""
    var isAfterSpace = false
    for scalar in word.unicodeScalars {
      if scalar.properties.isWhitespace {
        if !isAfterSpace { result += #"\s{1,8}"# }
      } else if scalar.value < 128, !scalar.properties.isAlphabetic,
        !("0" ... "9").contains(scalar)
      {
        result += "\\\(scalar)"
      } else {
        result.unicodeScalars.append(scalar)
      }
      isAfterSpace = scalar.properties.isWhitespace
    }
    return result
  }

  package var searchesGrowingText: Bool { reach != nil }

  package func step(
    in text: UnsafeRawBufferPointer,
    from start: Int,
    isComplete: Bool
  ) -> DetectionStep {
    let limit = isComplete ? text.count + 1 : decided(in: text, reach: reach)
    guard start < limit else { return .clear(upTo: start) }
    guard let found = pattern.firstMatchWithGroup(in: text, from: start),
      found.match.lowerBound < limit
    else { return .clear(upTo: min(limit, text.count)) }
    // Neighbouring words share the character between them, so the search goes on before it.
    return .hit(found.group, resume: found.group.upperBound)
  }

  /// UTF-8 ranges of the words, without what surrounds them.
  package func matches(in text: String) -> [Range<Int>] { hits(in: Array(text.utf8)) }
}

extension String {
  fileprivate func trimmingSpaces() -> String {
    String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }
}
