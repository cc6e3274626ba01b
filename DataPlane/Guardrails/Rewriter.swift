internal import Domain

/// Carries out the rewrite of a rule that has hit.
struct Rewriter: Sendable {
  let mode: GuardrailRule.Rewrite.Mode
  let with: String?
  let matcher: RuleMatcher

  /// - Parameter hits: as `RuleMatcher.hits` gave them; empty: the text as a whole.
  func apply(to text: String, at hits: [Range<Int>]) -> String {
    if hits.isEmpty { return applyToWhole(text) }
    switch mode {
    case .mask, .replace, .regenerate: return replacing(hits, in: Array(text.utf8))
    case .append: return Self.joined(text, with ?? "")
    case .prepend: return Self.joined(with ?? "", text)
    case .truncate:
      return String(decoding: Array(text.utf8)[..<hits[0].lowerBound], as: UTF8.self)
        + (with ?? "…")
    }
  }

  /// What stands in the place of one hit.
  func replacement(for hit: some Sequence<UInt8>) -> [UInt8] {
    if mode == .replace { return Array((with ?? "").utf8) }
    let count = String(decoding: Array(hit), as: UTF8.self).count
    return Array(String(repeating: "•", count: count).utf8)
  }

  private func replacing(_ hits: [Range<Int>], in text: [UInt8]) -> String {
    var result: [UInt8] = []
    var position = 0
    for hit in hits {
      result += text[position ..< hit.lowerBound]
      result += replacement(for: text[hit])
      position = hit.upperBound
    }
    result += text[position...]
    return String(decoding: result, as: UTF8.self)
  }

  /// A text that is too long is shortened, one that lacks something gets it, whatever else the mode
  /// could mean; only `replace` does away with all of it.
  private func applyToWhole(_ text: String) -> String {
    if mode == .replace { return with ?? "" }
    if case .maxLength(let most) = matcher {
      switch mode {
      case .append: return Self.joined(text, with ?? "")
      case .prepend: return Self.joined(with ?? "", text)
      default: return Shortening(most: most, marker: with ?? "…").apply(to: text)
      }
    }
    let addition = with ?? matcher.missing(in: text).joined(separator: "\n\n")
    return mode == .prepend ? Self.joined(addition, text) : Self.joined(text, addition)
  }

  private static func joined(_ first: String, _ second: String) -> String {
    guard let last = first.last, let next = second.first else { return first + second }
    return last.isWhitespace || next.isWhitespace ? first + second : "\(first)\n\n\(second)"
  }
}

/// Cuts a text to a number of characters, at a space near the end if there is one.
struct Shortening: Sendable {
  /// Characters that are kept in any case, whatever comes after them.
  let head: Int
  private let room: Int
  private let marker: String

  private static let search = 40

  init(most: Int, marker: String) {
    self.marker = String(marker.prefix(most))
    room = most - self.marker.count
    head = max(0, room - Self.search)
  }

  /// For a text that is longer than it may be.
  func apply(to text: String) -> String {
    let kept = text.prefix(room)
    let tail = kept.dropFirst(head)
    guard let space = tail.lastIndex(where: \.isWhitespace) else { return kept + marker }
    let end = tail[..<space].lastIndex { !$0.isWhitespace }.map(tail.index(after:))
    return text[..<(end ?? tail.startIndex)] + marker
  }
}
