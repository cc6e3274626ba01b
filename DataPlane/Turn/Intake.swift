internal import Domain
internal import Foundation
internal import Logging
internal import Spool
internal import Subscription
package import Wire

/// Takes messages in: stored by the control plane, or in the inbox while it is away, before anyone
/// is told so.
package struct Intake: Sendable {
  package enum Outcome: Hashable, Sendable {
    /// Stored; a turn follows.
    case stored
    case duplicate
    /// Paused: stored, answered on resume.
    case held
    /// Paused: not stored, to be answered with the tenant's message.
    case refused
    /// Answers like an unknown route.
    case unknown
    /// Neither the control plane nor the disk took it: the sender has to try again.
    case unavailable
  }

  package struct Debounce: Hashable, Sendable {
    /// Quiet after which an input is due, in ms.
    package var quietMS: Int64 = 1_200
    /// At the latest after this, in ms.
    package var latestMS: Int64 = 4_000

    package init() {}
  }

  private let services: TurnServices
  private let scheduler: ConversationScheduler
  private let held: HeldInputs
  private let debounce: Debounce

  package init(
    _ services: TurnServices,
    scheduler: ConversationScheduler,
    held: HeldInputs,
    debounce: Debounce
  ) {
    self.services = services
    self.scheduler = scheduler
    self.held = held
    self.debounce = debounce
  }

  package func take(
    _ message: Bindery_V1_InboundMessage,
    in address: ConversationAddress
  ) async -> Outcome {
    let (tenant, account, id) = (
      address.tenantID, message.channelAccount, message.providerMessageID
    )
    if services.memory.hasSeen(tenant: tenant, account: account, message: id) {
      return .duplicate
    }
    var request = Bindery_V1_AcceptRequest()
    request.conversation = address.wire
    request.message = message
    request.quietMs = debounce.quietMS
    request.latestMs = debounce.latestMS
    do {
      let response = try await services.conversations.accept(request)
      return await accepted(response, request, address)
    } catch let failure as ConversationFailure where failure.code == .refused {
      services.logger.error("the control plane refused a message", metadata: ["why": "\(failure)"])
      return .unknown
    } catch {
      return await store(request, address)
    }
  }

  private func accepted(
    _ response: Bindery_V1_AcceptResponse,
    _ request: Bindery_V1_AcceptRequest,
    _ address: ConversationAddress
  ) async -> Outcome {
    switch response.disposition {
    case .accepted:
      noteSeen(request, address)
      await scheduler.schedule(address, input: request.message, dueInMS: response.dueInMs)
      return .stored
    case .duplicate:
      noteSeen(request, address)
      return .duplicate
    case .held:
      noteSeen(request, address)
      return .held
    case .refused: return .refused
    default: return .unknown
    }
  }

  /// Without the control plane: on disk here, then answered from the cache if the binding allows it.
  private func store(
    _ request: Bindery_V1_AcceptRequest,
    _ address: ConversationAddress
  ) async -> Outcome {
    do {
      guard try await services.inbox.append(request) else { return .duplicate }
    } catch {
      services.logger.error("the inbox could not take a message", metadata: ["why": "\(error)"])
      return .unavailable
    }
    noteSeen(request, address)
    held.add(request)
    let binding = services.configuration.snapshot.binding(address.bindingID)
    if binding?.binding.degraded == .hold { return .stored }
    await scheduler.schedule(address, input: request.message, dueInMS: debounce.quietMS)
    return .stored
  }

  private func noteSeen(_ request: Bindery_V1_AcceptRequest, _ address: ConversationAddress) {
    services.memory.noteSeen(
      tenant: address.tenantID,
      account: request.message.channelAccount,
      message: request.message.providerMessageID
    )
  }

  /// Hands what lies in the inbox without an answer to the control plane; false while it is away.
  ///
  /// Conversations whose turn is under way are passed over: that turn may be answering them.
  package func replayHeld() async -> Bool {
    for request in held.all {
      let inputID = request.message.inputID
      guard !services.memory.isAnswered(inputID) else {
        // Its answer's record is on disk; a crash may have kept the inbox from noting that.
        do {
          try await services.inbox.settle(Array(inputID))
          held.remove(inputID)
        } catch {
          services.logger.error(
            "the inbox could not note an answered input",
            metadata: ["why": "\(error)"]
          )
        }
        continue
      }
      guard let address = ConversationAddress(request.conversation) else {
        held.remove(inputID)
        continue
      }
      if await scheduler.isUnderWay(address) { continue }
      do {
        let response = try await services.conversations.accept(request)
        try await services.inbox.settle(Array(inputID))
        held.remove(inputID)
        if response.disposition == .accepted {
          await scheduler.schedule(
            address,
            input: request.message,
            dueInMS: response.dueInMs
          )
        }
      } catch let failure as ConversationFailure where failure.code == .refused {
        // Not in the way of the others, nor asked about again and again. It stays in the inbox.
        held.remove(inputID)
        services.logger.error(
          "a held message is set aside until the next start: the control plane refuses it",
          metadata: ["why": "\(failure)"]
        )
      } catch {
        services.logger.notice("held messages have to wait", metadata: ["why": "\(error)"])
        return false
      }
    }
    return true
  }
}
