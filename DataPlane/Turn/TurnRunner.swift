internal import Domain
internal import Foundation
internal import Guardrails
internal import Logging
internal import Models
internal import Spool
internal import Subscription
internal import Tools
package import Wire

/// Drives a `TurnMachine`: carries out each action and hands back what came of it.
package struct TurnRunner: Sendable {
  package let services: TurnServices

  package init(_ services: TurnServices) { self.services = services }

  /// Runs one turn to its end.
  ///
  /// - Parameter known: inputs of the conversation that this node holds, to answer from without the
  ///   control plane.
  package func run(
    _ plan: TurnPlan,
    known: [Bindery_V1_InboundMessage],
    delivery: ReplyDelivery
  ) async -> TurnEnd {
    var run = Run(plan: plan, known: known, delivery: delivery, services: services)
    services.activity.began()
    let end = await run.toEnd()
    services.activity.ended(end, channel: plan.address.channel)
    return end
  }

  /// A plan pinned to the newest configuration; nil when the binding is unknown here.
  package func plan(
    _ address: ConversationAddress,
    channelAccount: String = "",
    message: Bindery_V1_InboundMessage? = nil,
    locale: String = "",
    limits: TurnPlan.Limits = TurnPlan.Limits()
  ) -> TurnPlan? {
    let snapshot = services.configuration.snapshot
    guard
      let binding = snapshot.binding(
        address.bindingID,
        for: address.externalID,
        on: address.channel
      ),
      binding.binding.tenantID == address.tenantID
    else { return nil }
    return TurnPlan(
      address: address,
      binding: binding,
      revision: snapshot.revision,
      nodeID: services.nodeID,
      channelAccount: channelAccount,
      turnID: TurnID(services.mint()),
      newSessionID: SessionID(services.mint()),
      message: message,
      locale: locale,
      limits: limits
    )
  }
}

/// One run: the machine and what its shell has to remember between steps.
struct Run {
  let plan: TurnPlan
  let known: [Bindery_V1_InboundMessage]
  let delivery: ReplyDelivery
  let services: TurnServices
  var machine: TurnMachine
  var guards: any TurnGuards
  var streamer: ReplyStreamer
  /// The session lease; nil without one.
  var lease: SessionLease?
  /// Place of the reply's record in the spool, until it is known to be committed.
  var sequence: UInt64?

  init(
    plan: TurnPlan,
    known: [Bindery_V1_InboundMessage],
    delivery: ReplyDelivery,
    services: TurnServices
  ) {
    self.plan = plan
    self.known = known
    self.delivery = delivery
    self.services = services
    machine = TurnMachine(plan: plan, mint: services.mint)
    guards = services.guards.guards(
      for: plan.binding,
      channel: plan.address.channel,
      language: plan.locale
    )
    streamer = Self.streamer(guards, delivery)
  }

  static func streamer(_ guards: any TurnGuards, _ delivery: ReplyDelivery) -> ReplyStreamer {
    guard case .stream(let stream) = delivery else {
      return ReplyStreamer(guards: guards.makeOutput(), stream: nil)
    }
    return ReplyStreamer(guards: guards.makeOutput(), stream: stream)
  }

  var gate: TurnGate {
    TurnGate.read(
      services.configuration,
      tenant: plan.address.tenantID,
      binding: plan.address.bindingID
    )
  }

  mutating func toEnd() async -> TurnEnd {
    var action = machine.handle(.started, gate: gate, atMS: services.nowMS())
    while true {
      if case .finish(let end) = action {
        await wrapUp(end)
        return end
      }
      switch await perform(action) {
      case .event(let event):
        action = machine.handle(event, gate: gate, atMS: services.nowMS())
      case .interrupted(let cause, let attempts):
        action = machine.interrupt(
          cause,
          attempts: attempts,
          released: streamer.released,
          atMS: services.nowMS()
        )
      }
    }
  }

  enum Outcome {
    case event(TurnEvent)
    case interrupted(TurnInterruption, attempts: [Bindery_V1_ModelCallRecord])
  }

  private mutating func perform(_ action: TurnAction) async -> Outcome {
    switch action {
    case .begin(let request):
      return .event(.opened(await open(request)))
    case .guardText(let text, let stage):
      return .event(.guarded(guards.check(text, stage: stage, in: machine.moment)))
    case .callModel(let request):
      return await callModel(request)
    case .callModelAgain(let request):
      // Nothing of the first try has left: rules that regenerate need the whole text.
      streamer = Self.streamer(guards, delivery)
      return await callModel(request)
    case .guardOutput:
      return .event(.outputGuarded(streamer.finish(), released: streamer.released))
    case .journal(let entry):
      return .event(await journal(entry))
    case .runTool(let call, let key):
      return await runTool(call, key: key)
    case .append(let record):
      return .event(await append(record))
    case .commit(let request):
      return .event(await commit(request))
    case .send(let message):
      return .event(.sent(await send(message)))
    case .settle(let outbox):
      await settle(outbox)
      return .event(.settled)
    case .finish:
      return .event(.settled)
    }
  }

  /// The last of a streamed reply leaves after its commit; its end is the channel's to tell.
  private mutating func wrapUp(_ end: TurnEnd) async {
    if case .stream(let stream) = delivery, end.kind != .held, end.kind != .abandoned,
      let text = end.text
    {
      let released = streamer.released
      // By bytes: what was released may end before a mark that joins its last letter.
      if text.utf8.starts(with: released.utf8) {
        let rest = String(text.unicodeScalars.dropFirst(released.unicodeScalars.count))
        if !rest.isEmpty { await stream.text(rest) }
      }
    }
    services.logger.debug(
      "turn ended",
      metadata: [
        "turn": "\(plan.turnID)", "binding": "\(plan.address.bindingID)",
        "end": "\(end.kind.name)", "degraded": "\(end.isDegraded)",
      ]
    )
  }
}

extension TurnEnd.Kind {
  /// For logs and metrics.
  package var name: String {
    switch self {
    case .replied: "replied"
    case .blocked: "blocked"
    case .failed: "failed"
    case .held: "held"
    case .abandoned: "abandoned"
    case .nothingDue: "nothing_due"
    case .busy: "busy"
    case .refused: "refused"
    case .unknown: "unknown"
    case .humanOwned: "human_owned"
    case .duplicate: "duplicate"
    case .waiting: "waiting"
    }
  }
}
