package import Domain
internal import Foundation
package import Guardrails
package import Models
internal import Spool
package import Subscription
internal import Synchronization
package import Tools
package import Turn
package import Wire

/// A spool in memory.
package final class MemorySpool: Spooling {
  private struct State {
    var records: [Bindery_V1_TurnRecord] = []
    var committed: Set<UInt64> = []
    var isFull = false
  }
  private let state = Mutex(State())

  package init() {}

  package func append(_ record: Bindery_V1_TurnRecord) async throws -> UInt64 {
    try state.withLock {
      guard !$0.isFull else { throw DoubleFailure(reason: "full") }
      $0.records.append(record)
      return UInt64($0.records.count)
    }
  }
  package func markCommitted(_ sequence: UInt64) async {
    state.withLock { _ = $0.committed.insert(sequence) }
  }
  package var isAccepting: Bool { state.withLock { !$0.isFull } }
  package var records: [Bindery_V1_TurnRecord] { state.withLock { $0.records } }
  package var committed: Set<UInt64> { state.withLock { $0.committed } }
  package func fill() { state.withLock { $0.isFull = true } }
}

package struct DoubleFailure: Error {
  package var reason: String
}

/// An inbox in memory.
package final class MemoryInbox: Inboxing {
  private struct State {
    var held: [[UInt8]: Bindery_V1_AcceptRequest] = [:]
    var seen: Set<String> = []
    var isFull = false
  }
  private let state = Mutex(State())

  package init() {}

  package func append(_ request: Bindery_V1_AcceptRequest) async throws -> Bool {
    try state.withLock {
      guard !$0.isFull else { throw DoubleFailure(reason: "full") }
      guard $0.seen.insert(request.message.providerMessageID).inserted else { return false }
      $0.held[Array(request.message.inputID)] = request
      return true
    }
  }
  package func settle(_ inputID: [UInt8]) async throws {
    state.withLock { $0.held[inputID] = nil }
  }
  package var count: Int { state.withLock { $0.held.count } }
  package func fill() { state.withLock { $0.isFull = true } }
}

/// A model that answers by a script, one entry a call; the last entry repeats.
package final class ScriptedModel: ModelCalling {
  package enum Step: Sendable {
    case pieces([String])
    case tool(String, arguments: String, text: String = "")
    /// `mayRetry`: the same model may answer otherwise.
    case fails(after: [String], mayRetry: Bool = true)
    /// Waits for cancellation.
    case stalls
    case runs(@Sendable () async -> Void, then: String)
  }

  private struct State {
    var steps: [Step]
    var requests: [ModelRequest] = []
  }
  private let state: Mutex<State>

  package init(_ steps: Step...) { state = Mutex(State(steps: steps)) }

  package var requests: [ModelRequest] { state.withLock { $0.requests } }

  package func call(
    _ request: ModelRequest,
    for binding: ResolvedBinding,
    mayCall: @Sendable () -> Bool,
    onText: @Sendable (String) async throws -> Void
  ) async -> ModelCallReport {
    let step = state.withLock { state -> Step in
      state.requests.append(request)
      guard let first = state.steps.first else { return .pieces(["nothing to say"]) }
      if state.steps.count > 1 { state.steps.removeFirst() }
      return first
    }
    var row = Bindery_V1_ModelCallRecord()
    row.callID = CallID(UUID()).data
    row.provider = "scripted"
    do {
      switch step {
      case .pieces(let pieces):
        for piece in pieces { try await onText(piece) }
        return report(pieces.joined(), [], row)
      case .tool(let name, let arguments, let text):
        if !text.isEmpty { try await onText(text) }
        let call = ModelToolCall(
          id: "call-\(UUID())",
          name: name,
          argumentsJSON: arguments
        )
        return report(text, [call], row)
      case .fails(let pieces, let mayRetry):
        for piece in pieces { try await onText(piece) }
        row.error = "cut"
        return ModelCallReport(
          result: .failed(afterOutput: !pieces.isEmpty, mayRetry: mayRetry),
          attempts: [row]
        )
      case .stalls:
        try await Task.sleep(for: .seconds(3_600))
        return report("", [], row)
      case .runs(let body, let text):
        await body()
        try await onText(text)
        return report(text, [], row)
      }
    } catch {
      row.error = "cancelled"
      return ModelCallReport(result: .cancelled, attempts: [row])
    }
  }

  private func report(
    _ text: String,
    _ calls: [ModelToolCall],
    _ row: Bindery_V1_ModelCallRecord
  ) -> ModelCallReport {
    let answer = ModelAnswer(
      text: text,
      calls: calls,
      stop: calls.isEmpty ? .endTurn : .toolUse,
      model: "scripted-1",
      usage: ModelUsage(source: .estimated),
      requestID: "",
      ttftMS: 1
    )
    return ModelCallReport(result: .answered(answer), attempts: [row])
  }
}

/// Tools that say "done", and remember what was asked of them.
package final class RecordingTools: ToolRunning {
  private let calls = Mutex<[(name: String, key: String)]>([])

  package init() {}

  package var names: [String] { calls.withLock { $0.map(\.name) } }
  package var keys: [String] { calls.withLock { $0.map(\.key) } }

  package func run(
    _ call: ToolInvocation,
    of tools: [ToolSpec],
    tenant: TenantID,
    tenantSlug: String,
    idempotencyKey: String
  ) async throws -> ToolOutcome {
    calls.withLock { $0.append((call.name, idempotencyKey)) }
    return ToolOutcome(
      content: "done",
      isError: false,
      recordedArgumentsJSON: call.argumentsJSON,
      recordedResultJSON: "\"done\"",
      error: "",
      latencyMS: 3
    )
  }
}

/// Guards by plain words: "BLOCK" blocks, "SECRET" becomes "[hidden]". Holds back `window` characters.
package struct WordGuards: GuardsMaking, TurnGuards {
  package var window: Int

  package init(window: Int = 6) { self.window = window }

  package func guards(
    for binding: ResolvedBinding,
    channel: String,
    language: String
  ) -> any TurnGuards { self }

  package func check(
    _ text: String,
    stage: GuardrailRule.Stage,
    in moment: GuardedMoment
  ) -> GuardrailOutcome {
    check(text, stage: stage)
  }

  private func check(_ text: String, stage: GuardrailRule.Stage) -> GuardrailOutcome {
    var outcome = GuardrailOutcome(text: text.replacingOccurrences(of: "SECRET", with: "[hidden]"))
    if text.contains("SECRET") { outcome.violations.append(violation(.rewrite, stage)) }
    if text.contains("AGAIN"), stage == .output {
      outcome.regenerate = .init(
        ruleID: "no-again",
        guidance: "Never shout.",
        message: ["": "Let us talk about something else."]
      )
      outcome.text = ""
      outcome.violations.append(violation(.rewrite, stage))
    }
    if text.contains("BLOCK") {
      outcome.blocked = GuardrailOutcome.Blocked(
        ruleID: "no-block",
        message: ["": "I can't talk about that."]
      )
      outcome.text = "I can't talk about that."
      outcome.violations.append(violation(.block, stage))
    }
    return outcome
  }

  private func violation(
    _ severity: GuardrailRule.Severity,
    _ stage: GuardrailRule.Stage
  ) -> GuardrailOutcome.Violation {
    GuardrailOutcome.Violation(
      tier: "team",
      ruleID: "words",
      severity: severity,
      stage: stage,
      range: 0 ..< 1,
      digest: String(repeating: "0", count: 64)
    )
  }

  package func makeOutput() -> any OutputGuarding { Output(guards: self) }

  private struct Output: OutputGuarding {
    let guards: WordGuards
    var text = ""
    var released = 0

    mutating func push(_ piece: String) -> String {
      text += piece
      let outcome = guards.check(text, stage: .output)
      guard outcome.blocked == nil else { return "" }
      let free = outcome.text.count - guards.window
      guard free > released else { return "" }
      defer { released = free }
      return String(outcome.text.dropFirst(released).prefix(free - released))
    }
    mutating func finish() -> GuardrailOutcome { guards.check(text, stage: .output) }
  }
}

/// A stream that keeps what it was given.
package final class CollectingStream: ReplyStream {
  private let state = Mutex<(typing: Int, pieces: [String])>((0, []))

  package init() {}

  package func typing() async { state.withLock { $0.typing += 1 } }
  package func text(_ piece: String) async { state.withLock { $0.pieces.append(piece) } }
  package var pieces: [String] { state.withLock { $0.pieces } }
  package var text: String { pieces.joined() }
  package var typingCount: Int { state.withLock { $0.typing } }
}

/// A sender that keeps what it was given; refuses a second message of the same outbox id.
package final class CollectingSender: MessageSending {
  private struct State {
    var messages: [OutboundMessage] = []
    var outcome: SendOutcome?
    var repeats = 0
  }
  private let state = Mutex(State())

  package init(outcome: SendOutcome? = nil) { state.withLock { $0.outcome = outcome } }

  package func send(
    _ message: OutboundMessage,
    gate: @escaping @Sendable () -> Bool
  ) async -> SendOutcome {
    guard gate() else { return SendOutcome(state: .held, attempts: 0) }
    return state.withLock { state in
      if state.messages.contains(where: { $0.outboxID == message.outboxID }) { state.repeats += 1 }
      state.messages.append(message)
      return state.outcome
        ?? SendOutcome(
          state: .sent(providerMessageID: "wamid.\(state.messages.count)"),
          attempts: 1
        )
    }
  }
  package var messages: [OutboundMessage] { state.withLock { $0.messages } }
  package var repeats: Int { state.withLock { $0.repeats } }
}
