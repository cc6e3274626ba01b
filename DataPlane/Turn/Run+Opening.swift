internal import Domain
internal import Foundation
internal import Guardrails
internal import Logging
internal import Spool
internal import Subscription
internal import Wire

extension Run {
  /// Asks the control plane to begin the turn; goes on from memory when it is away.
  mutating func open(_ request: Bindery_V1_BeginTurnRequest) async -> TurnOpening {
    let asked = ContinuousClock.now
    do {
      let response = try await services.conversations.beginTurn(request)
      return await opened(response, asked: asked)
    } catch let failure as ConversationFailure where failure.code == .refused {
      services.logger.error(
        "the control plane refused to begin a turn",
        metadata: ["turn": "\(plan.turnID)", "why": "\(failure)"]
      )
      return .unknown
    } catch {
      return await openDegraded()
    }
  }

  private mutating func opened(
    _ response: Bindery_V1_BeginTurnResponse,
    asked: ContinuousClock.Instant
  ) async -> TurnOpening {
    switch response.disposition {
    case .leased: break
    case .busy: return .busy(response.dueInMs)
    case .held: return .held
    case .refused: return .refused
    case .unknown: return .unknown
    case .humanOwned: return .humanOwned
    case .duplicate: return .duplicate
    default: return .nothingDue
    }
    // Answered here while the control plane was away: its record is still under way.
    let inputs = response.inputs.filter { !services.memory.isAnswered($0.inputID) }
    guard !inputs.isEmpty else { return .nothingDue }
    services.memory.learn(
      plan.address,
      session: response.session,
      history: response.history
    )
    lease = SessionLease(
      address: plan.address,
      epoch: response.epoch,
      lengthMS: plan.limits.leaseMS,
      renewedAt: asked
    )
    let ground = TurnGround(
      epoch: response.epoch,
      turnID: TurnID(bytes: response.turnID) ?? plan.turnID,
      session: response.session,
      inputs: inputs,
      history: response.history,
      journal: response.journal,
      isDegraded: false
    )
    await begin(ground)
    return .ground(ground)
  }

  private mutating func openDegraded() async -> TurnOpening {
    if plan.binding.binding.degraded == .hold { return .waiting }
    var inputs = known.filter { !services.memory.isAnswered($0.inputID) }
    if let message = plan.message, !services.memory.isAnswered(message.inputID) {
      inputs.append(message)
    }
    guard !inputs.isEmpty else { return .nothingDue }
    let now = services.nowMS()
    var session = provisionalSession(inputs, now: now)
    var history: [Bindery_V1_MessageRecord] = []
    if let known = services.memory.recall(plan.address),
      now - known.session.lastActiveAtMs <= plan.limits.idleMS
    {
      session = known.session
      let new = Set(inputs.map(\.messageID))
      history = known.messages.filter { !new.contains($0.messageID) }
    }
    let ground = TurnGround(
      epoch: 0,
      turnID: plan.turnID,
      session: session,
      inputs: inputs,
      history: history,
      journal: [],
      isDegraded: true
    )
    await begin(ground)
    return .ground(ground)
  }

  private func provisionalSession(
    _ inputs: [Bindery_V1_InboundMessage],
    now: Int64
  ) -> Bindery_V1_SessionRecord {
    var session = Bindery_V1_SessionRecord()
    session.sessionID = plan.newSessionID.data
    session.channel = plan.address.channel
    session.externalID = plan.address.externalID
    session.phone = inputs.last?.phone ?? ""
    session.displayName = inputs.last?.displayName ?? ""
    session.startedAtMs = inputs.first?.receivedAtMs ?? now
    session.lastActiveAtMs = now
    session.provisional = true
    session.locale = plan.locale
    return session
  }

  /// The conversation is ours: choose the rules by its language, and show that we type.
  private mutating func begin(_ ground: TurnGround) async {
    guards = services.guards.guards(
      for: plan.binding,
      channel: plan.address.channel,
      language: ReplyLanguage.choose(for: ground, plan: plan).tag
    )
    streamer = Self.streamer(guards, delivery)
    if case .stream(let stream) = delivery { await stream.typing() }
  }
}
