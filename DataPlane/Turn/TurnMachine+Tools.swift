internal import Crypto
internal import Domain
internal import Foundation
internal import Guardrails
internal import Models
internal import Subscription
internal import Tools
internal import Wire

/// Tool calls, one after another: guard the arguments, journal, run, guard the result.
extension TurnMachine {
  mutating func nextTool(gate: TurnGate, now: Int64) -> TurnAction {
    guard let call = pendingCalls.first else {
      messages.append(.toolResults(results))
      return callModel(gate: gate, now: now)
    }
    guard gate.isOpen else { return giveUp(.held, outcome: .held, now: now) }
    pendingCalls.removeFirst()
    state = .guardingArguments(call)
    return .guardText(call.argumentsJSON, stage: .toolArgs)
  }

  mutating func handleTool(_ event: TurnEvent, gate: TurnGate, now: Int64) -> TurnAction {
    switch (state, event) {
    case (.guardingArguments(let call), .guarded(let outcome)):
      rows.add(outcome, outboundBlocked: false, atMS: now, mint: mint)
      if outcome.blocked != nil {
        return answer(call, with: .ruleRefuses, gate: gate, now: now)
      }
      var allowed = call
      allowed.argumentsJSON = outcome.text
      return decide(allowed, gate: gate, now: now)

    case (.journalingStart(let call), .journaled(true)):
      return run(call, startedStep: lastStep, gate: gate, now: now)
    case (.journalingStart(let call), .journalUnavailable):
      return answer(call, with: .notWithoutJournal, gate: gate, now: now)
    case (.journalingStart, .journaled(false)), (.journalingFinish, .journaled(false)):
      return giveUp(.abandoned, outcome: .abandoned, now: now)

    case (.runningTool(let call, let step), .toolFinished(let outcome)):
      rows.add(tool: call.name, outcome: outcome, messageID: messageID, atMS: now, mint: mint)
      state = .guardingResult(call, startedStep: step, isError: outcome.isError)
      return .guardText(outcome.content, stage: .toolResult)

    case (.guardingResult(let call, let step, let isError), .guarded(let outcome)):
      rows.add(outcome, outboundBlocked: false, atMS: now, mint: mint)
      let withheld = outcome.blocked != nil
      let content = withheld ? "The result was withheld by a rule." : outcome.text
      results.append(
        ModelToolResult(id: call.id, content: content, isError: isError || withheld)
      )
      guard let step else { return nextTool(gate: gate, now: now) }
      state = .journalingFinish
      return .journal(
        journal.finished(call, startedStep: step, content: content, isError: isError || withheld)
      )

    case (.journalingFinish, .journaled(true)), (.journalingFinish, .journalUnavailable):
      return nextTool(gate: gate, now: now)
    default: return outOfOrder(now)
    }
  }

  private mutating func decide(
    _ call: ModelToolCall,
    gate: TurnGate,
    now: Int64
  ) -> TurnAction {
    guard let spec = plan.binding.agent.tools.first(where: { $0.name == call.name }) else {
      return run(call, startedStep: nil, gate: gate, now: now)  // The runner names the mistake.
    }
    if spec.approval == "always" {
      return answer(call, with: .needsApproval, gate: gate, now: now)
    }
    if spec.idempotent { return run(call, startedStep: nil, gate: gate, now: now) }
    if ground?.isDegraded == true {
      return answer(call, with: .notWithoutJournal, gate: gate, now: now)
    }
    switch journal.recall(tool: call.name) {
    case .finished(let content, let isError):
      results.append(ModelToolResult(id: call.id, content: content, isError: isError))
      return nextTool(gate: gate, now: now)
    case .unknown:
      return answer(call, with: .outcomeUnknown, gate: gate, now: now)
    case .fresh:
      let entry = journal.started(call)
      lastStep = entry.step
      state = .journalingStart(call)
      return .journal(entry)
    }
  }

  private mutating func run(
    _ call: ModelToolCall,
    startedStep: Int32?,
    gate: TurnGate,
    now: Int64
  ) -> TurnAction {
    guard gate.isOpen else { return giveUp(.held, outcome: .held, now: now) }
    state = .runningTool(call, startedStep: startedStep)
    return .runTool(
      ToolInvocation(name: call.name, argumentsJSON: call.argumentsJSON),
      idempotencyKey: idempotencyKey(call)
    )
  }

  /// A result that needs no endpoint.
  private mutating func answer(
    _ call: ModelToolCall,
    with refusal: ToolRefusal,
    gate: TurnGate,
    now: Int64
  ) -> TurnAction {
    let outcome = ToolOutcome(
      content: refusal.content,
      isError: true,
      recordedArgumentsJSON: "{}",
      recordedResultJSON: "",
      error: refusal.rawValue,
      latencyMS: 0
    )
    rows.add(tool: call.name, outcome: outcome, messageID: messageID, atMS: now, mint: mint)
    results.append(ModelToolResult(id: call.id, content: refusal.content, isError: true))
    return nextTool(gate: gate, now: now)
  }

  /// The same for the same call of the same turn, so that a repeat after a crash is recognised.
  private func idempotencyKey(_ call: ModelToolCall) -> String {
    let turn = ground?.turnID ?? plan.turnID
    var hash = SHA256()
    hash.update(data: Data("\(turn)\0\(toolRounds)\0\(call.name)\0\(call.argumentsJSON)".utf8))
    let digest = hash.finalize().prefix(16)
    return "\(turn)-"
      + digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
      .joined()
  }

  /// The newest input: what led to the calls of this turn.
  private var messageID: Data { ground?.inputs.last?.messageID ?? Data() }
}

/// Why a tool was not run, in words for the model.
enum ToolRefusal: String {
  case ruleRefuses = "refused_by_rule"
  case needsApproval = "approval_required"
  case notWithoutJournal = "journal_unavailable"
  case outcomeUnknown = "outcome_unknown"

  var content: String {
    switch self {
    case .ruleRefuses: "This call is not allowed by a rule. Do not try it again."
    case .needsApproval: "This call needs a person's approval and was not made."
    case .notWithoutJournal:
      "This call can't be made safely at the moment and was not made. Offer to do it later."
    case .outcomeUnknown:
      "This call was made before, and its outcome is unknown. Do not make it again; say so."
    }
  }
}
