internal import Domain
internal import Foundation
internal import Subscription
internal import Turn
internal import Wire

/// One message of a web visitor, from its intake to the end of its stream.
struct WebConversation: Sendable {
  /// So long a message waits for another one's turn in the same conversation, in ms.
  static let patienceMS: Int64 = 60_000

  let services: ChannelServices
  let route: RouteResource
  let visitor: UUID
  /// BCP 47, as the browser tells; may be empty.
  let locale: String

  var address: ConversationAddress {
    ConversationAddress(
      tenantID: route.tenantID,
      bindingID: route.bindingID,
      channel: "web",
      externalID: visitor.uuidString.lowercased()
    )
  }

  /// Whether the tenant and the binding are switched on.
  var isOpen: Bool {
    TurnGate.read(
      services.turns.configuration,
      tenant: route.tenantID,
      binding: route.bindingID
    ).isOpen
  }

  /// Runs the turn that answers; text goes to `stream` as it is made.
  func answer(_ text: String, id: String, stream: any ReplyStream) async -> WebEnding {
    let message = inbound(text, id: id)
    switch services.turns.configuration.gate(route.tenantID) {
    case .paused(.refuse, let texts):
      services.metrics.count(#"bindery_refused_total{channel="web"}"#)
      return ending(TurnEnd(kind: .refused(texts)))
    case .paused(.hold, _), .stale:
      return await hold(message)
    case .closed: return ending(TurnEnd(kind: .unknown))
    case .open: break
    }
    guard await services.fetchBinding(route.bindingID, route.tenantID) else {
      return ending(TurnEnd(kind: .unknown))
    }
    services.metrics.count(#"bindery_messages_in_total{channel="web"}"#)
    return await run(message, stream)
  }

  /// Answers, or waits its turn: a second message while the first is answered is queued behind it.
  private func run(
    _ message: Bindery_V1_InboundMessage,
    _ stream: any ReplyStream
  ) async -> WebEnding {
    let began = ContinuousClock.now
    var carried: Bindery_V1_InboundMessage? = message
    while true {
      guard
        let plan = services.runner.plan(address, message: carried, locale: locale)
      else { return ending(TurnEnd(kind: .unknown)) }
      let end = await services.runner.run(plan, known: [message], delivery: .stream(stream))
      guard case .busy(let dueInMS) = end.kind,
        began.duration(to: .now) < .milliseconds(Self.patienceMS)
      else { return ending(end) }
      // It is stored by now; whoever comes next answers it.
      carried = nil
      do {
        try await Task.sleep(for: .milliseconds(min(max(50, dueInMS), 500)))
      } catch {
        return ending(end)
      }
    }
  }

  private func hold(_ message: Bindery_V1_InboundMessage) async -> WebEnding {
    switch await services.intake.take(message, in: address) {
    case .stored, .held: return ending(TurnEnd(kind: .held))
    case .duplicate: return ending(TurnEnd(kind: .duplicate))
    case .refused:
      let tenant = services.turns.configuration.snapshot.tenant(route.tenantID)
      return ending(TurnEnd(kind: .refused(tenant?.pausedMessage ?? [:])))
    case .unknown: return ending(TurnEnd(kind: .unknown))
    case .unavailable: return ending(TurnEnd(kind: .waiting))
    }
  }

  private func ending(_ end: TurnEnd) -> WebEnding {
    let binding = services.turns.configuration.snapshot.binding(route.bindingID)
    let language = ReplyLanguage.choose(
      locale: locale,
      text: "",
      languages: binding?.human.languages ?? []
    )
    return WebEnding(end, language: language)
  }

  private func inbound(_ text: String, id: String) -> Bindery_V1_InboundMessage {
    var message = Bindery_V1_InboundMessage()
    message.inputID = InputID(services.turns.mint()).data
    message.messageID = MessageID(services.turns.mint()).data
    // Two visitors may choose the same id.
    message.providerMessageID = "\(address.externalID):\(id)"
    message.body = text
    message.receivedAtMs = services.turns.nowMS()
    return message
  }

  /// What this node remembers of the conversation, oldest first. While it is switched off, without what
  /// answers the newest message: that may have been withheld.
  var history: [(isVisitor: Bool, text: String)] {
    guard let known = services.turns.memory.recall(address) else { return [] }
    let all: [(isVisitor: Bool, text: String)] = known.messages.map { ($0.inbound, $0.body) }
    if isOpen { return all }
    guard let newest = all.lastIndex(where: { $0.isVisitor }) else { return [] }
    return Array(all[...newest])
  }
}
