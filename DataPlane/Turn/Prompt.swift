internal import Domain
internal import Guardrails
package import Models
package import Subscription
package import Wire

/// Lays out a prompt: what never changes first, so that vendors' prompt caches hit.
package enum Prompt {
  /// The compiled segments, from what all bindings share to what only one has.
  package static func system(_ binding: ResolvedBinding) -> [PromptSegment] {
    [
      PromptSegment(tier: "platform", text: binding.platform.prompt),
      PromptSegment(tier: "human", text: binding.human.prompt),
      PromptSegment(tier: "team", text: binding.team.prompt),
      PromptSegment(tier: "agent", text: binding.agent.prompt),
    ].filter { !$0.text.isEmpty }
  }

  /// What differs from turn to turn: behind the static segments, so that these stay cached.
  static func ofTurn(
    language: ReplyLanguage.Choice,
    regeneration: GuardrailOutcome.Regenerate?
  ) -> [PromptSegment] {
    var segments: [PromptSegment] = []
    if language.isSpoken {
      let name = LanguageNames.sentence(language.tag)
      let text = "Reply language: \(language.tag). Write this reply in \(name), as the person does."
      segments.append(PromptSegment(tier: "language", text: text))
    }
    if let regeneration {
      // Without the withheld text: it would only be said again.
      var text =
        "A first draft of this reply broke the rule '\(regeneration.ruleID)' and was withheld."
      if !regeneration.guidance.isEmpty { text += " The rule: \(regeneration.guidance)" }
      text += " Write the reply again so that it keeps the rule, and don't mention the draft."
      segments.append(PromptSegment(tier: "guardrails", text: text))
    }
    return segments
  }

  /// Earlier messages and the new input, as vendors want them: the user first, roles in turns.
  package static func messages(
    history: [Bindery_V1_MessageRecord],
    limit: Int,
    input: String
  ) -> [ModelMessage] {
    var result: [ModelMessage] = []
    for message in history.suffix(limit) where !message.body.isEmpty {
      switch (message.inbound, result.last) {
      case (false, nil):
        continue  // A reply whose question is out of reach.
      case (true, .user(let earlier)):
        result[result.count - 1] = .user(earlier + "\n" + message.body)
      case (true, _):
        result.append(.user(message.body))
      case (false, .assistant(let earlier, _, _)):
        result[result.count - 1] = .assistant(text: earlier + "\n" + message.body, calls: [])
      case (false, _):
        result.append(.assistant(text: message.body, calls: []))
      }
    }
    if case .user(let earlier) = result.last {
      result[result.count - 1] = .user(earlier + "\n" + input)
    } else {
      result.append(.user(input))
    }
    return result
  }
}
