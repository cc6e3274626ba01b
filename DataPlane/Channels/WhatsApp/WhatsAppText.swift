internal import Foundation

/// A reply in WhatsApp's own markup, in parts that it takes.
enum WhatsAppText {
  /// Most characters of one text message.
  static let limit = 4_096

  /// Turns the Markdown that models write into WhatsApp's markup.
  ///
  /// `**bold**` becomes `*bold*`, headings become bold lines, `[text](url)` becomes `text (url)`,
  /// `~~gone~~` becomes `~gone~`, list stars become dashes. Fenced code stays as it is.
  static func markup(_ text: String) -> String {
    var isCode = false
    var lines: [String] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("```") {
        isCode.toggle()
        lines.append("```")
      } else {
        lines.append(isCode ? String(line) : self.line(line))
      }
    }
    return lines.joined(separator: "\n")
  }

  private static func line(_ line: Substring) -> String {
    var text = String(line)
    if let heading = text.wholeMatch(of: #/#{1,6}\s+(.+?)\s*#*/#) {
      let title = heading.1.replacingOccurrences(of: "**", with: "")
      return "*\(title)*"
    }
    if let item = text.wholeMatch(of: #/(\s*)[*+]\s+(.*)/#) {
      text = "\(item.1)- \(item.2)"
    }
    text.replace(#/\*\*(\S(?:[^*]*\S)?)\*\*/#) { "*\($0.1)*" }
    text.replace(#/__(\S(?:[^_]*\S)?)__/#) { "*\($0.1)*" }
    text.replace(#/~~(\S(?:[^~]*\S)?)~~/#) { "~\($0.1)~" }
    text.replace(#/\[([^\]\[]+)\]\((https?://[^)\s]+)\)/#) { "\($0.1) (\($0.2))" }
    return text
  }

  /// Splits at paragraphs, else lines, else spaces; within a word only when nothing else is left.
  /// Counted in UTF-16 units, the longest way that a recipient may count.
  static func parts(_ text: String, limit: Int = limit) -> [String] {
    var parts: [String] = []
    var rest = Substring(text)
    while rest.utf16.count > limit {
      let head = prefix(of: rest, limit: limit)
      let cut = cut(in: head)
      let part = head[..<cut].trimmingCharacters(in: .whitespacesAndNewlines)
      if !part.isEmpty { parts.append(part) }
      rest = rest[cut...]
    }
    let last = rest.trimmingCharacters(in: .whitespacesAndNewlines)
    if !last.isEmpty { parts.append(last) }
    return parts
  }

  /// The longest start of whole characters within the limit; at least one.
  private static func prefix(of text: Substring, limit: Int) -> Substring {
    var units = 0
    var end = text.startIndex
    while end < text.endIndex {
      let next = text.index(after: end)
      units += text[end ..< next].utf16.count
      if units > limit { break }
      end = next
    }
    return end == text.startIndex ? text.prefix(1) : text[..<end]
  }

  private static func cut(in head: Substring) -> Substring.Index {
    // A break in the first half would make a needlessly short part.
    let middle = head.index(head.startIndex, offsetBy: head.count / 2)
    for separator in ["\n\n", "\n", " "] {
      if let range = head.range(
        of: separator,
        options: .backwards,
        range: middle ..< head.endIndex
      ) {
        return range.upperBound
      }
    }
    return head.endIndex
  }
}
