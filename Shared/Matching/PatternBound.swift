/// How many bytes a match of a pattern can span, found without running it.
///
/// Only what is plainly bounded counts; for anything else the whole text is needed: a stream that is
/// held back too long is slow, one that is let go too early leaks.
package enum PatternBound {
  /// Bytes from the start of a match that decide about it, with room for the character after it that
  /// `\b` and `$` look at; nil when there is no bound.
  package static func of(_ pattern: String, ignoringCase: Bool = false) -> Int? {
    var scanner = Scanner(
      scalars: Array(pattern.unicodeScalars),
      folds: ignoringCase || pattern.contains("(?")
    )
    guard let width = scanner.alternatives(), scanner.isAtEnd, width <= 4_000 else { return nil }
    return width + 4
  }

  /// Reads scalars, as the engine does: a quantifier with a combining mark after it is a quantifier.
  private struct Scanner {
    let scalars: [Unicode.Scalar]
    /// Letters may stand for letters of the other case, which can be longer ("k" for U+212A).
    let folds: Bool
    var index = 0

    var isAtEnd: Bool { index == scalars.count }
    private var current: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    mutating func alternatives() -> Int? {
      var widest = 0
      while true {
        guard let width = sequence() else { return nil }
        widest = max(widest, width)
        guard current == "|" else { return widest }
        index += 1
      }
    }

    private mutating func sequence() -> Int? {
      var total = 0
      while let scalar = current, scalar != "|", scalar != ")" {
        guard let width = atom(), let times = quantifier() else { return nil }
        let (product, isTooMuch) = width.multipliedReportingOverflow(by: times)
        total += product
        if isTooMuch || total > 100_000 { return nil }
      }
      return total
    }

    private mutating func atom() -> Int? {
      guard let scalar = current else { return nil }
      index += 1
      switch scalar {
      case "(": return group()
      case "[": return characterClass()
      case "\\": return escape()
      case "^", "$": return 0
      case "*", "+", "?", "{": return nil
      case ".": return 4
      default: return width(of: scalar)
      }
    }

    private mutating func group() -> Int? {
      if current == "?" {
        // (?i), (?:…), (?P<name>…): the flags and names have no width.
        index += 1
        while let next = current, next != ":", next != ")", next != ">" { index += 1 }
        guard let end = current else { return nil }
        index += 1
        if end == ")" { return 0 }
      }
      guard let width = alternatives(), current == ")" else { return nil }
      index += 1
      return width
    }

    private mutating func escape() -> Int? {
      guard let escaped = current else { return nil }
      index += 1
      switch escaped {
      case "b", "B", "A", "z": return 0
      case "d", "s": return 1
      case "p", "P":
        if current == "{" {
          while let next = current, next != "}" { index += 1 }
        }
        guard current != nil else { return nil }
        index += 1
        return 4
      case "Q", "E", "C", "x": return nil
      default:
        let isPunctuation =
          escaped.isASCII && !escaped.properties.isAlphabetic
          && !("0" ... "9").contains(escaped)
        return isPunctuation ? 1 : 4
      }
    }

    private mutating func characterClass() -> Int? {
      var isNarrow = true
      if current == "^" {
        isNarrow = false
        index += 1
      }
      if current == "]" { index += 1 }
      while let scalar = current {
        index += 1
        switch scalar {
        case "\\":
          guard let escaped = current else { return nil }
          if escaped != "d", escaped != "s", escaped.properties.isAlphabetic { isNarrow = false }
          index += 1
        case "[" where current == ":":
          isNarrow = false
          while let next = current, next != "]" { index += 1 }
          index += 1
        case "]": return isNarrow ? (folds ? 3 : 1) : 4
        default: if !scalar.isASCII { isNarrow = false }
        }
      }
      return nil
    }

    private func width(of scalar: Unicode.Scalar) -> Int {
      folds && scalar.properties.isCased ? 4 : UTF8.width(scalar)
    }

    private mutating func quantifier() -> Int? {
      var times = 1
      switch current {
      case "*", "+": return nil
      case "?": index += 1
      case "{":
        let start = index
        while let next = current, next != "}" { index += 1 }
        guard current == "}" else { return nil }
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars[(start + 1) ..< index])
        index += 1
        // Without a least count, the braces are plain characters; {2,} has no most.
        let counts = text.split(separator: ",", omittingEmptySubsequences: false).map {
          $0.allSatisfy { ("0" ... "9").contains($0) } ? Int($0) : nil
        }
        guard counts.count <= 2, counts.allSatisfy({ $0 != nil }), let most = counts.last ?? nil
        else { return nil }
        times = most
      default: return 1
      }
      if current == "?" { index += 1 }
      return times
    }
  }
}
