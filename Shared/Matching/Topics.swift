package import Domain

/// Tells by weighted words whether a text is about a topic.
///
/// score = Σ weight · (distinct words of the set that occur), over the `deny` sets, minus the same
/// over the `allow` sets. The text is about the topic when a denied word occurs and the score is
/// greater than `max_score` (0 unless said). Words are found as `Keywords` finds them: whole,
/// whatever their case; how often one occurs makes no difference.
package struct Topics: Sendable {
  private struct WordSet: Sendable {
    let keywords: Keywords
    let weight: Double
  }

  private let denied: [WordSet]
  private let allowed: [WordSet]
  private let most: Double

  /// - Parameter params: `deny`, `allow`: lists of `{words, weight}`, the weight 1 unless said;
  ///   `max_score`.
  /// - Throws: `PatternError` when there are no denied words, or too many.
  package init(_ params: [String: JSONValue]) throws(PatternError) {
    denied = try Self.sets(params["deny"])
    allowed = try Self.sets(params["allow"])
    most = params["max_score"]?.doubleValue ?? 0
    guard !denied.isEmpty else {
      throw PatternError(isUnsafe: false, message: "there are no words")
    }
  }

  private static func sets(_ value: JSONValue?) throws(PatternError) -> [WordSet] {
    var sets: [WordSet] = []
    for set in value?.arrayValue ?? [] {
      let words = set["words"]?.arrayValue?.compactMap(\.stringValue) ?? []
      sets.append(
        WordSet(keywords: try Keywords(words), weight: set["weight"]?.doubleValue ?? 1)
      )
    }
    return sets
  }

  /// UTF-8 ranges of the denied words, in order and without overlap; nil: not about the topic.
  package func hits(in text: [UInt8]) -> [Range<Int>]? {
    var score = 0.0
    var hits: [Range<Int>] = []
    for set in denied {
      let found = set.keywords.hits(in: text)
      score += set.weight * Double(Self.distinct(found, in: text))
      hits += found
    }
    guard !hits.isEmpty else { return nil }
    for set in allowed {
      score -= set.weight * Double(Self.distinct(set.keywords.hits(in: text), in: text))
    }
    return score > most ? Self.merged(hits) : nil
  }

  private static func distinct(_ hits: [Range<Int>], in text: [UInt8]) -> Int {
    Set(
      hits.map { hit in
        String(decoding: text[hit], as: UTF8.self).lowercased().split(
          whereSeparator: \.isWhitespace
        )
      }
    ).count
  }

  /// Two sets may have words that overlap.
  private static func merged(_ hits: [Range<Int>]) -> [Range<Int>] {
    var result: [Range<Int>] = []
    for hit in hits.sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) })
    {
      if let last = result.last, hit.lowerBound < last.upperBound {
        result[result.count - 1] = last.lowerBound ..< max(last.upperBound, hit.upperBound)
      } else {
        result.append(hit)
      }
    }
    return result
  }
}
