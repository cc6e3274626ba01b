/// How many bytes a match of a pattern can span, found without running it.
///
/// Only what is plainly bounded counts; for anything else the whole text is needed: a stream that is
/// held back too long is slow, one that is let go too early leaks.
enum RegexBound {
  /// Bytes, with room for what a match looks at around itself; nil when there is no bound.
  static func of(_ pattern: String) -> Int? {
    var scanner = Scanner(characters: Array(pattern))
    guard let width = scanner.alternatives(), scanner.isAtEnd, width <= 2_000 else { return nil }
    // \b and $ look at one character on either side.
    return width + 8
  }

  private struct Scanner {
    let characters: [Character]
    var index = 0

    var isAtEnd: Bool { index == characters.count }
    private var current: Character? { index < characters.count ? characters[index] : nil }

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
      while let character = current, character != "|", character != ")" {
        guard let width = atom(), let times = quantifier() else { return nil }
        total += width * times
        if total > 100_000 { return nil }
      }
      return total
    }

    private mutating func atom() -> Int? {
      guard let character = current else { return nil }
      index += 1
      switch character {
      case "(":
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
      case "[":
        return characterClass()
      case "\\":
        guard let escaped = current else { return nil }
        index += 1
        switch escaped {
        case "b", "B", "A", "z": return 0
        case "p", "P":
          if current == "{" {
            while let next = current, next != "}" { index += 1 }
          }
          guard current != nil else { return nil }
          index += 1
          return 4
        case "Q", "C", "x": return nil
        default: return 4
        }
      case "^", "$": return 0
      case "*", "+", "?", "{": return nil
      default: return max(4, character.utf8.count)
      }
    }

    private mutating func characterClass() -> Int? {
      if current == "^" { index += 1 }
      if current == "]" { index += 1 }
      while let character = current {
        index += 1
        if character == "\\" { index += 1 }
        if character == "[", current == ":" {
          while let next = current, next != "]" { index += 1 }
          index += 1
        } else if character == "]" {
          return 4
        }
      }
      return nil
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
        let text = String(characters[(start + 1) ..< index])
        index += 1
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard let last = parts.last, let most = Int(last), parts.count <= 2 else { return nil }
        times = most
      default: return 1
      }
      if current == "?" { index += 1 }
      return times
    }
  }
}
