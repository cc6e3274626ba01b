internal import CRE2

/// A pattern that can't be used.
package struct PatternError: Error, Hashable, Sendable, CustomStringConvertible {
  /// True for constructs that no linear-time engine has: backreferences and look-around.
  package let isUnsafe: Bool
  package let message: String
  package var description: String { message }
}

/// A regular expression in RE2's syntax, matched in time linear in the text
/// (https://github.com/google/re2/wiki/Syntax).
///
/// Offsets are UTF-8 bytes. Immutable once made, and matched from any thread at once.
package final class Pattern: Sendable {
  package let source: String
  // RE2 objects are thread-safe for matching ("re2.h"); this class alone owns and frees it.
  private nonisolated(unsafe) let raw: OpaquePointer

  /// - Throws: `PatternError`.
  package init(_ source: String, ignoringCase: Bool = false) throws(PatternError) {
    guard source.utf8.count <= 4096 else {
      throw PatternError(isUnsafe: false, message: "the pattern is longer than 4,096 bytes")
    }
    var message = [CChar](repeating: 0, count: 256)
    var text = source
    let raw = text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        cre2_compile($0.baseAddress, $0.count, ignoringCase, 8 << 20, &message, message.count)
      }
    }
    guard let raw else {
      let reason = String(
        decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)),
        as: UTF8.self
      )
      throw PatternError(isUnsafe: Self.usesUnsafeConstruct(source), message: reason)
    }
    guard !Self.matchesHalfCharacters(source) else {
      cre2_free(raw)
      throw PatternError(isUnsafe: false, message: "\\C takes characters apart: write .")
    }
    self.source = source
    self.raw = raw
  }

  deinit { cre2_free(raw) }

  /// Whether what the engine refuses is a construct of backtracking engines: look-around, atomic
  /// groups, possessive quantifiers, backreferences, conditionals, recursion, callouts.
  private static func usesUnsafeConstruct(_ source: String) -> Bool {
    let groups = [
      "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?(", "(?R", "(?&", "(?P=", "(?P>", "(?|", "(?#", "(?0",
      "(?1", "(?C",
    ]
    var rest = Substring(source)
    var isInClass = false
    while let first = rest.first {
      if first == "\\" {
        let escaped = rest.dropFirst().first
        if let escaped, !isInClass, ("1" ... "9").contains(escaped) || "kKgGR".contains(escaped) {
          return true
        }
        rest = rest.dropFirst(2)
        continue
      }
      if isInClass {
        isInClass = first != "]"
      } else if first == "[" {
        isInClass = true
        // "]" at the start of a class is itself.
        rest = rest.dropFirst(rest.dropFirst().first == "^" ? 2 : 1)
        if rest.first != "]" { continue }
      } else if groups.contains(where: rest.hasPrefix) || isPossessive(rest) {
        return true
      }
      rest = rest.dropFirst()
    }
    return false
  }

  /// `\C` is one byte, which may be a part of a character.
  private static func matchesHalfCharacters(_ source: String) -> Bool {
    var isEscaped = false
    for character in source {
      if isEscaped, character == "C" { return true }
      isEscaped = character == "\\" && !isEscaped
    }
    return false
  }

  private static func isPossessive(_ text: Substring) -> Bool {
    ["*+", "++", "?+", "}+"].contains { text.hasPrefix($0) }
  }

  /// The leftmost match at or after `start`.
  package func firstMatch(in text: UnsafeRawBufferPointer, from start: Int = 0) -> Range<Int>? {
    guard start <= text.count else { return nil }
    return find(in: text, from: start, withGroup: false)?.match
  }

  /// The leftmost match at or after `start`, and what its first group took.
  func firstMatchWithGroup(
    in text: UnsafeRawBufferPointer,
    from start: Int
  ) -> (match: Range<Int>, group: Range<Int>)? {
    guard start <= text.count else { return nil }
    return find(in: text, from: start, withGroup: true)
  }

  private func find(
    in text: UnsafeRawBufferPointer,
    from start: Int,
    withGroup: Bool
  ) -> (match: Range<Int>, group: Range<Int>)? {
    var bounds = [0, 0, 0, 0]
    let base = text.baseAddress?.assumingMemoryBound(to: CChar.self)
    guard cre2_find(raw, base, text.count, start, withGroup, &bounds) else { return nil }
    return (bounds[0] ..< bounds[1], bounds[2] ..< bounds[3])
  }

  /// All matches, leftmost first and without overlap; empty ones are left out.
  package func matches(in text: String) -> [Range<Int>] {
    var text = text
    return text.withUTF8 { utf8 in
      let bytes = UnsafeRawBufferPointer(utf8)
      var matches: [Range<Int>] = []
      var start = 0
      while let match = firstMatch(in: bytes, from: start) {
        if match.isEmpty {
          // On to the next character, not into the middle of one.
          start = match.upperBound + 1
          while start < bytes.count, bytes[start] & 0xC0 == 0x80 { start += 1 }
          if start > bytes.count { break }
        } else {
          matches.append(match)
          start = match.upperBound
        }
      }
      return matches
    }
  }

  package func isFound(in text: String) -> Bool {
    var text = text
    return text.withUTF8 { firstMatch(in: UnsafeRawBufferPointer($0)) != nil }
  }
}
