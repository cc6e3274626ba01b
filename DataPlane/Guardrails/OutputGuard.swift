internal import Domain

/// Output rules over a text that arrives in pieces.
///
/// Lets go only what no rule can change any more: everything up to the look-back of the rules, and
/// nothing more once a rule has hit. So `finish` yields what checking the whole text yields, and that
/// begins with all that was let go.
package struct OutputGuard: Sendable {
  private let rules: GuardrailRules
  private let lookBack: Int?
  private var text = ""
  private var released = 0
  private var hasHit = false

  package init(_ rules: GuardrailRules) {
    self.rules = rules
    lookBack = rules.lookBack
  }

  /// Takes a piece and returns what may leave now.
  package mutating func push(_ piece: String) -> String {
    text += piece
    guard let lookBack, !hasHit else { return "" }
    var end = text.utf8.count - lookBack
    guard end > released else { return "" }
    let outcome = rules.check(text, stage: .output)
    if outcome.blocked != nil || outcome.text != text {
      hasHit = true
      return ""
    }
    let bytes = Array(text.utf8)
    // Not within a character: its end may be in a later piece.
    while end > released, end < bytes.count, bytes[end] & 0xC0 == 0x80 { end -= 1 }
    guard end > released else { return "" }
    defer { released = end }
    return String(decoding: bytes[released ..< end], as: UTF8.self)
  }

  /// Nothing more comes.
  package mutating func finish() -> GuardrailOutcome {
    rules.check(text, stage: .output)
  }
}
