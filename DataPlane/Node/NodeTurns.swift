internal import Channels
internal import Domain
internal import Foundation
internal import Logging
internal import Subscription
internal import Turn
internal import Wire

/// Turns of stored inputs: brings the binding here first, then answers on the input's channel.
struct NodeTurns: Sendable {
  let runner: TurnRunner
  let sender: any MessageSending
  /// LAZY: false when there is no such binding.
  let fetchBinding: @Sendable (BindingID, TenantID) async -> Bool

  func run(
    _ address: ConversationAddress,
    known: [Bindery_V1_InboundMessage]
  ) async -> TurnEnd {
    guard await fetchBinding(address.bindingID, address.tenantID),
      let plan = runner.plan(address, channelAccount: account(of: address, known))
    else {
      // Unknown here so far, or lazy with the control plane away; the claims bring it back.
      return TurnEnd(kind: .waiting)
    }
    return await runner.run(plan, known: known, delivery: delivery(address))
  }

  private func delivery(_ address: ConversationAddress) -> ReplyDelivery {
    switch address.channel {
    case "whatsapp": .message(sender)
    // The visitor is not connected any more and finds it in the history.
    default: .stream(UnreadReply())
    }
  }

  /// Empty where the control plane knows it: from the inputs that it leases.
  private func account(
    of address: ConversationAddress,
    _ known: [Bindery_V1_InboundMessage]
  ) -> String {
    known.last { !$0.channelAccount.isEmpty }?.channelAccount ?? ""
  }
}
