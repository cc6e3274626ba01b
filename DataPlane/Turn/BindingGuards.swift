internal import Domain
package import Guardrails
package import Subscription
internal import Synchronization

/// The guardrails of bindings, compiled once for all bindings of the same tiers.
package final class BindingGuards: GuardsMaking {
  private let programs = Mutex<[CompiledBinding.SectionDigests: GuardrailProgram]>([:])
  private let limit: Int

  /// - Parameter limit: Programs kept; above it they are dropped and made again when needed.
  package init(limit: Int = 1_000) {
    self.limit = limit
  }

  package func guards(
    for binding: ResolvedBinding,
    channel: String,
    language: String
  ) -> any TurnGuards {
    RulesOfTurn(rules: program(of: binding).rules(channel: channel, language: language))
  }

  private func program(of binding: ResolvedBinding) -> GuardrailProgram {
    if let known = programs.withLock({ $0[binding.binding.sections] }) { return known }
    let made = GuardrailProgram(
      platform: binding.platform.guardrails,
      human: binding.human.guardrails,
      team: binding.team.guardrails,
      agent: binding.agent.guardrails
    )
    programs.withLock { programs in
      if programs.count >= limit { programs.removeAll() }
      programs[binding.binding.sections] = made
    }
    return made
  }
}

private struct RulesOfTurn: TurnGuards {
  let rules: GuardrailRules

  func check(_ text: String, stage: GuardrailRule.Stage) -> GuardrailOutcome {
    rules.check(text, stage: stage)
  }

  func makeOutput() -> any OutputGuarding { OutputGuard(rules) }
}

extension OutputGuard: OutputGuarding {}
