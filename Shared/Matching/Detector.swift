/// Finds things in a text that may still grow.
///
/// What a step says stays true whatever comes after the text: so a text that arrives in pieces has
/// the same hits as the whole, and what is clear can be let go.
package protocol Detector: Sendable {
  /// False: only a complete text can be searched; until then every step is `.clear` up to its start.
  var searchesGrowingText: Bool { get }

  /// Searches UTF-8 from `start`, where an earlier step ended, or 0.
  ///
  /// - Parameter isComplete: nothing comes after these bytes.
  func step(in text: UnsafeRawBufferPointer, from start: Int, isComplete: Bool) -> DetectionStep
}

package enum DetectionStep: Hashable, Sendable {
  /// The next hit, never empty; the search goes on at `resume`.
  case hit(Range<Int>, resume: Int)
  /// No hit begins before this offset; a complete text is clear up to its end.
  case clear(upTo: Int)
}

extension Detector {
  /// All hits in a complete text, in order, without overlap.
  package func hits(in text: [UInt8]) -> [Range<Int>] {
    text.withUnsafeBytes { bytes in
      var hits: [Range<Int>] = []
      var start = 0
      while case .hit(let range, let resume) = step(in: bytes, from: start, isComplete: true) {
        hits.append(range)
        start = resume
      }
      return hits
    }
  }
}

/// A pattern as a detector.
package struct PatternDetector: Detector {
  package let pattern: Pattern
  /// Bytes from the start of a match that decide about it; nil: the whole text does.
  let reach: Int?

  /// - Throws: `PatternError`.
  package init(_ source: String) throws(PatternError) {
    pattern = try Pattern(source)
    reach = PatternBound.of(source)
  }

  package var searchesGrowingText: Bool { reach != nil }

  package func step(
    in text: UnsafeRawBufferPointer,
    from start: Int,
    isComplete: Bool
  ) -> DetectionStep {
    let limit = isComplete ? text.count + 1 : decided(in: text, reach: reach)
    guard start < limit else { return .clear(upTo: start) }
    var start = start
    while let match = pattern.firstMatch(in: text, from: start), match.lowerBound < limit {
      if !match.isEmpty { return .hit(match, resume: match.upperBound) }
      // On to the next character, not into the middle of one.
      start = match.upperBound + 1
      while start < text.count, text[start] & 0xC0 == 0x80 { start += 1 }
      if start > text.count { break }
    }
    return .clear(upTo: min(max(start, limit), text.count))
  }
}

extension Detector {
  /// The first offset whose match, if one begins there, could still change; at a character.
  func decided(in text: UnsafeRawBufferPointer, reach: Int?) -> Int {
    guard let reach, text.count >= reach, reach > 0 else { return 0 }
    var limit = text.count - reach + 1
    while limit > 0, limit < text.count, text[limit] & 0xC0 == 0x80 { limit -= 1 }
    return limit
  }
}

extension Detector {
  /// Whether there is any hit in a complete text.
  package func isFound(in text: [UInt8]) -> Bool {
    text.withUnsafeBytes { bytes in
      if case .hit = step(in: bytes, from: 0, isComplete: true) { true } else { false }
    }
  }
}
