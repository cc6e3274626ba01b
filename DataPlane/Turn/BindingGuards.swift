internal import Domain
package import Guardrails
package import Subscription
internal import Synchronization

/// The guardrails of bindings, compiled once for all bindings of the same tiers.
package final class BindingGuards: GuardsMaking {
  private let programs = Mutex<[CompiledBinding.SectionDigests: GuardrailProgram]>([:])
  private let arrivals = Arrivals()
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
    RulesOfTurn(
      rules: program(of: binding).rules(channel: channel, language: language),
      arrivals: arrivals
    )
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
  let arrivals: Arrivals

  func check(
    _ text: String,
    stage: GuardrailRule.Stage,
    in moment: GuardedMoment
  ) -> GuardrailOutcome {
    var subject = GuardSubject(tool: moment.tool)
    if stage == .input, rules.countsMessages { arrivals.note(moment, in: &subject) }
    return rules.check(text, stage: stage, about: subject)
  }

  func makeOutput() -> any OutputGuarding { OutputGuard(rules) }
}

/// The messages of this node's users, for the rules that count them.
private final class Arrivals: Sendable {
  private let table = Mutex(ArrivalTable())

  func note(_ moment: GuardedMoment, in subject: inout GuardSubject) {
    let address = moment.address
    // A user is one of the tenant's on a channel: no tenant's messages count for another.
    let user = "\(address.tenantID)\0\(address.channel)\0\(address.externalID)"
    let conversation = "\(user)\0\(address.bindingID)"
    (subject.userArrivals, subject.conversationArrivals) = table.withLock {
      ($0.note(moment.arrivals, of: user), $0.note(moment.arrivals, of: conversation))
    }
  }
}

extension OutputGuard: OutputGuarding {}
