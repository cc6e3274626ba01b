internal import Domain
package import Foundation
internal import Guardrails
internal import Models
internal import Subscription
package import Wire

/// One turn of a conversation, as a value without I/O.
///
/// RECEIVED -> opening -> input guard -> [model -> arguments guard -> journal -> tool -> result
/// guard -> journal] x max_tool_iterations -> output guard -> append -> commit -> send -> settle ->
/// SETTLED. Side exits: held, blocked, failed, abandoned, refused, human-owned.
///
/// The gate comes in with every event, as read at that moment: a step cannot forget to look at it.
package struct TurnMachine: Sendable {
  /// Which answer is awaited. Any other event is a bug of the shell and ends the turn as abandoned.
  enum State: Sendable {
    case received
    case opening
    case guardingInput
    case awaitingModel
    case guardingArguments(ModelToolCall)
    case journalingStart(ModelToolCall)
    /// The step of the journal entry before it; nil for idempotent tools, which need none.
    case runningTool(ModelToolCall, startedStep: Int32?)
    case guardingResult(ModelToolCall, startedStep: Int32?, isError: Bool)
    case journalingFinish
    case guardingOutput
    /// The reply's record is on its way to the disk.
    case appending(Reply)
    case committing(Reply)
    /// Commit has no answer: noting on disk that a send is about to happen.
    case noting(Reply)
    case sending(Reply)
    case settling(Reply)
    /// A record without a reply, or what became of a degraded send; then the end.
    case closing(TurnEnd)
    case done(TurnEnd)
  }

  /// A reply with its minted ids.
  struct Reply: Sendable {
    var kind: TurnEnd.Kind
    var text: String
    var messageID: MessageID
    var outboxID: OutboxID
    var isInterrupted: Bool
    var record: Bindery_V1_TurnRecord
    var nextDueInMS: Int64?
  }

  package let plan: TurnPlan
  let mint: @Sendable () -> UUID
  var state: State = .received
  var ground: TurnGround?
  var journal = TurnJournal([])
  var rows = TurnRows()
  var messages: [ModelMessage] = []
  /// Language of the reply, and of the texts that no model writes.
  var language = ReplyLanguage.Choice(tag: "", isSpoken: false)
  /// The rule that the reply was written again for.
  var regeneration: GuardrailOutcome.Regenerate?
  /// Calls of the round that have not been looked at.
  var pendingCalls: [ModelToolCall] = []
  var results: [ModelToolResult] = []
  /// Step of the newest journal entry before a tool.
  var lastStep: Int32 = 0
  var toolRounds = 0
  /// Models that are not asked any more in this turn: they broke off where nobody saw it, and the
  /// call begins anew with the next of the routing. The first one gets a second try.
  var brokenOff = 0
  var hasRetried = false
  /// Whether the model wrote anything in this turn.
  var hasText = false
  /// What has left already (web).
  var released = ""

  /// - Parameter mint: makes UUIDv7s.
  package init(plan: TurnPlan, mint: @escaping @Sendable () -> UUID) {
    self.plan = plan
    self.mint = mint
  }

  package var isDone: Bool {
    if case .done = state { true } else { false }
  }

  /// Takes the answer to the last action and says what to do next.
  package mutating func handle(
    _ event: TurnEvent,
    gate: TurnGate,
    atMS now: Int64
  ) -> TurnAction {
    switch (state, event) {
    case (.received, .started): start(gate)
    case (.opening, .opened(let opening)): open(opening, gate: gate)
    case (.guardingInput, .guarded(let outcome)): inputGuarded(outcome, gate: gate, now: now)
    case (.awaitingModel, .modelAnswered(let answer, let attempts, let released)):
      modelAnswered(answer, attempts, released, gate: gate, now: now)
    case (.awaitingModel, .modelFailed(let afterOutput, let mayRetry, let attempts, let released)):
      modelFailed(
        mayStartAnew: afterOutput,
        mayRetry: mayRetry,
        attempts,
        released,
        gate: gate,
        now: now
      )
    case (.guardingArguments, _), (.journalingStart, _), (.runningTool, _),
      (.guardingResult, _), (.journalingFinish, _):
      handleTool(event, gate: gate, now: now)
    case (.guardingOutput, .outputGuarded(let outcome, let released)):
      outputGuarded(outcome, released, gate: gate, now: now)
    case (.appending, _), (.committing, _), (.noting, _), (.sending, _), (.settling, _),
      (.closing, _):
      handleEnding(event, gate: gate, now: now)
    default: outOfOrder(now)
    }
  }

  /// Stops a turn in the middle of a long step; records what was spent.
  package mutating func interrupt(
    _ cause: TurnInterruption,
    attempts: [Bindery_V1_ModelCallRecord],
    released: String,
    atMS now: Int64
  ) -> TurnAction {
    guard !isDone else { return outOfOrder(now) }
    rows.add(attempts)
    self.released = released
    switch cause {
    case .leaseLost, .stopped: return giveUp(.abandoned, outcome: .abandoned, now: now)
    case .gateClosed: return giveUp(.held, outcome: .held, now: now)
    }
  }

  // MARK: - Opening

  private mutating func start(_ gate: TurnGate) -> TurnAction {
    switch gate {
    case .open:
      state = .opening
      return .begin(plan.beginRequest)
    case .held, .stale: return finish(TurnEnd(kind: .held))
    case .refused(let message): return finish(TurnEnd(kind: .refused(message)))
    case .closed: return finish(TurnEnd(kind: .unknown))
    }
  }

  private mutating func open(_ opening: TurnOpening, gate: TurnGate) -> TurnAction {
    switch opening {
    case .ground(let ground):
      self.ground = ground
      journal = TurnJournal(ground.journal)
      let text = ground.inputs.map(\.body).joined(separator: "\n")
      language = ReplyLanguage.choose(for: ground, plan: plan)
      guard gate.isOpen else { return giveUp(.held, outcome: .held, now: 0) }
      state = .guardingInput
      return .guardText(text, stage: .input)
    case .nothingDue: return finish(TurnEnd(kind: .nothingDue))
    case .busy(let dueInMS): return finish(TurnEnd(kind: .busy(dueInMS)))
    case .held: return finish(TurnEnd(kind: .held))
    case .refused:
      if case .refused(let message) = gate { return finish(TurnEnd(kind: .refused(message))) }
      return finish(TurnEnd(kind: .refused([:])))
    case .unknown: return finish(TurnEnd(kind: .unknown))
    case .humanOwned: return finish(TurnEnd(kind: .humanOwned))
    case .duplicate: return finish(TurnEnd(kind: .duplicate))
    case .waiting: return finish(TurnEnd(kind: .waiting))
    }
  }

  private mutating func inputGuarded(
    _ outcome: GuardrailOutcome,
    gate: TurnGate,
    now: Int64
  ) -> TurnAction {
    guard let ground else { return outOfOrder(now) }
    rows.add(outcome, outboundBlocked: true, atMS: now, mint: mint)
    if let blocked = outcome.blocked {
      return conclude(.blocked, text: blockText(blocked.message), gate: gate, now: now)
    }
    messages = Prompt.messages(
      history: ground.history,
      limit: Int(plan.limits.history),
      input: outcome.text
    )
    return callModel(gate: gate, now: now)
  }

  // MARK: - Model

  mutating func callModel(gate: TurnGate, now: Int64) -> TurnAction {
    guard gate.isOpen else { return giveUp(.held, outcome: .held, now: now) }
    state = .awaitingModel
    let agent = plan.binding.agent
    return .callModel(modelRequest(toolsAllowed: toolRounds < agent.maxToolIterations))
  }

  /// Each name once, in the order in which they are asked.
  private var routing: [String] {
    let routes = plan.binding.agent.modelRoutes
    return ([routes.default] + routes.fallback).reduce(into: []) { names, name in
      if !names.contains(name) { names.append(name) }
    }
  }

  private func modelRequest(toolsAllowed: Bool) -> ModelRequest {
    let agent = plan.binding.agent
    return ModelRequest(
      model: routing[min(brokenOff, routing.count - 1)],
      system: Prompt.system(plan.binding)
        + Prompt.ofTurn(language: language, regeneration: regeneration),
      messages: messages,
      tools: agent.tools,
      toolsAllowed: toolsAllowed,
      maxTokens: agent.modelRoutes.maxTokens
    )
  }

  private mutating func modelAnswered(
    _ answer: ModelAnswer,
    _ attempts: [Bindery_V1_ModelCallRecord],
    _ released: String,
    gate: TurnGate,
    now: Int64
  ) -> TurnAction {
    rows.add(attempts)
    self.released = released
    if !answer.text.isEmpty { hasText = true }
    let mayCall = regeneration == nil && toolRounds < plan.binding.agent.maxToolIterations
    if !answer.calls.isEmpty, mayCall {
      toolRounds += 1
      messages.append(.assistant(text: answer.text, calls: answer.calls, replay: answer.replay))
      pendingCalls = answer.calls
      results = []
      return nextTool(gate: gate, now: now)
    }
    guard hasText else { return apologise(gate: gate, now: now) }
    state = .guardingOutput
    return .guardOutput
  }

  /// - Parameter mayStartAnew: the router gave up because text was handed on; where nothing failed
  ///   before it, all that can be tried was.
  private mutating func modelFailed(
    mayStartAnew: Bool,
    mayRetry: Bool,
    _ attempts: [Bindery_V1_ModelCallRecord],
    _ released: String,
    gate: TurnGate,
    now: Int64
  ) -> TurnAction {
    rows.add(attempts)
    self.released = released
    if mayStartAnew, released.isEmpty, regeneration == nil {
      if mayRetry, !hasRetried {
        hasRetried = true
        return callModel(gate: gate, now: now)
      }
      if brokenOff < routing.count - 1 {
        brokenOff += 1
        return callModel(gate: gate, now: now)
      }
    }
    return apologise(gate: gate, now: now)
  }

  private mutating func outputGuarded(
    _ outcome: GuardrailOutcome,
    _ released: String,
    gate: TurnGate,
    now: Int64
  ) -> TurnAction {
    self.released = released
    rows.add(outcome, outboundBlocked: true, atMS: now, mint: mint)
    if let blocked = outcome.blocked {
      let text = blockText(blocked.message)
      return conclude(.blocked, text: afterReleased(text), gate: gate, now: now)
    }
    if let again = outcome.regenerate { return regenerate(again, gate: gate, now: now) }
    guard !outcome.text.isEmpty else { return apologise(gate: gate, now: now) }
    return conclude(.replied, text: outcome.text, gate: gate, now: now)
  }

  /// One more try, without tools, told which rule the first one broke; then the rule's message.
  private mutating func regenerate(
    _ wanted: GuardrailOutcome.Regenerate,
    gate: TurnGate,
    now: Int64
  ) -> TurnAction {
    guard regeneration == nil, released.isEmpty else {
      let text = afterReleased(blockText(wanted.message))
      return conclude(.blocked, text: text, gate: gate, now: now)
    }
    guard gate.isOpen else { return giveUp(.held, outcome: .held, now: now) }
    regeneration = wanted
    hasText = false
    state = .awaitingModel
    return .callModelAgain(modelRequest(toolsAllowed: false))
  }

  /// Never silence: the persona's own apology, in the user's language where the persona speaks it.
  private mutating func apologise(gate: TurnGate, now: Int64) -> TurnAction {
    let apology = ReplyLanguage.text(plan.binding.human.apology, language: language.tag)
    return conclude(.failed, text: afterReleased(apology), gate: gate, now: now)
  }

  private func blockText(_ message: LocalizedText) -> String {
    let text = ReplyLanguage.text(message, language: language.tag)
    return text.isEmpty
      ? ReplyLanguage.text(plan.binding.human.apology, language: language.tag) : text
  }

  private func afterReleased(_ text: String) -> String {
    released.isEmpty ? text : released + "\n\n" + text
  }

  // MARK: - Ends

  mutating func finish(_ end: TurnEnd) -> TurnAction {
    state = .done(end)
    return .finish(end)
  }

  /// Ends without a reply; what was spent is recorded all the same.
  mutating func giveUp(
    _ kind: TurnEnd.Kind,
    outcome: Bindery_V1_TurnOutcome,
    now: Int64
  ) -> TurnAction {
    var end = TurnEnd(kind: kind, isInterrupted: !released.isEmpty)
    guard let ground else { return finish(end) }
    end.sessionID = SessionID(bytes: ground.session.sessionID)
    end.isDegraded = ground.isDegraded
    guard !rows.isEmpty else { return finish(end) }
    state = .closing(end)
    return .append(plan.record(ground: ground, rows: rows, outcome: outcome, atMS: now))
  }

  mutating func outOfOrder(_ now: Int64) -> TurnAction {
    if case .done(let end) = state { return .finish(end) }
    return giveUp(.abandoned, outcome: .abandoned, now: now)
  }
}
