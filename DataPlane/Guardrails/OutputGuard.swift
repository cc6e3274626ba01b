internal import Domain

/// Output rules over a text that arrives in pieces.
///
/// `push` lets go only what no rule can change any more, and nothing after a block; `finish` yields
/// what checking the whole text yields, and that begins with all that was let go.
package struct OutputGuard: Sendable {
  private let rules: GuardrailRules
  /// Empty while every byte may pass; nil: nothing leaves before the end.
  private var stages: [any OutputStage]?
  private var text = ""
  private var released: [UInt8] = []

  package init(_ rules: GuardrailRules) {
    self.rules = rules
    stages = OutputStages.make(of: rules.steps(at: .output))
  }

  /// Takes a piece and returns what may leave now.
  package mutating func push(_ piece: String) -> String {
    text += piece
    guard let count = stages?.count else { return "" }
    var bytes = Array(piece.utf8)
    for index in 0 ..< count {
      guard let free = stages?[index].pass(bytes) else {
        stages = nil
        return ""
      }
      bytes = free
    }
    released += bytes
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Nothing more comes.
  package mutating func finish() -> GuardrailOutcome {
    var outcome = rules.check(text, stage: .output)
    if outcome.blocked == nil, !outcome.text.utf8.starts(with: released) {
      // What is shown and what is stored must be one text, whatever went wrong here.
      outcome.blocked = GuardrailOutcome.Blocked(ruleID: "platform.stream", message: [:])
      outcome.text = ""
    }
    return outcome
  }
}
