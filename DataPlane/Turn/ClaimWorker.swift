internal import Domain
internal import Foundation
internal import Logging
internal import Subscription
internal import Wire

/// Does the work that nobody does: due inputs, lost leases, resumed tenants, unsent replies.
package struct ClaimWorker: Sendable {
  private let services: TurnServices
  private let scheduler: ConversationScheduler
  private let intake: Intake
  private let sender: any MessageSending
  private let capacity: Int32
  private let replayInterval: Duration

  package init(
    _ services: TurnServices,
    scheduler: ConversationScheduler,
    intake: Intake,
    sender: any MessageSending,
    capacity: Int32 = 64,
    replayInterval: Duration = .seconds(1)
  ) {
    self.services = services
    self.scheduler = scheduler
    self.intake = intake
    self.sender = sender
    self.capacity = capacity
    self.replayInterval = replayInterval
  }

  /// Keeps a claim stream open until cancelled, with pauses of 0.2 through 5 s between tries.
  package func run() async {
    let (unsent, send) = AsyncStream.makeStream(
      of: Unsent.self,
      bufferingPolicy: .bufferingOldest(Int(capacity))
    )
    await withDiscardingTaskGroup { group in
      for _ in 1 ... 4 {
        group.addTask {
          for await work in unsent { await self.send(work) }
        }
      }
      await keepClaiming(send)
      send.finish()
    }
  }

  private struct Unsent: Sendable {
    var work: Bindery_V1_ClaimResponse
    var address: ConversationAddress
  }

  private func keepClaiming(_ send: AsyncStream<Unsent>.Continuation) async {
    var pauseMS = 200
    while !Task.isCancelled {
      let began = ContinuousClock.now
      if await intake.replayHeld() { await claim(send) }
      pauseMS = began.duration(to: .now) > .seconds(5) ? 200 : min(pauseMS * 2, 5_000)
      do {
        try await Task.sleep(for: .milliseconds(pauseMS / 2 + Int.random(in: 0 ... pauseMS / 2)))
      } catch {
        return
      }
    }
  }

  private func claim(_ send: AsyncStream<Unsent>.Continuation) async {
    var request = Bindery_V1_ClaimRequest()
    request.nodeID = services.nodeID
    request.capacity = capacity
    let message = request
    await withDiscardingTaskGroup { group in
      group.addTask { await keepReplaying() }
      do {
        try await services.conversations.claim(message) { work in await take(work, send) }
      } catch {
        services.logger.debug("the claim stream ended", metadata: ["why": "\(error)"])
      }
      group.cancelAll()
    }
  }

  /// A message may come to lie in the inbox though the stream stays open: a link that stood still for
  /// longer than a call may take, a control plane without its database.
  private func keepReplaying() async {
    while !Task.isCancelled {
      do { try await Task.sleep(for: replayInterval) } catch { return }
      _ = await intake.replayHeld()
    }
  }

  private func take(
    _ work: Bindery_V1_ClaimResponse,
    _ send: AsyncStream<Unsent>.Continuation
  ) async {
    guard let address = ConversationAddress(work.conversation) else {
      services.logger.error("claimed work names no conversation")
      return
    }
    switch work.reason {
    // What does not fit is claimed again later.
    case .unsent: send.yield(Unsent(work: work, address: address))
    default: await scheduler.schedule(address, dueInMS: 0)
    }
  }

  private func send(_ unsent: Unsent) async {
    let (work, address) = (unsent.work, unsent.address)
    guard let outboxID = OutboxID(bytes: work.outbox.outboxID) else { return }
    let configuration = services.configuration
    let outcome = await sender.send(
      OutboundMessage(
        tenantID: address.tenantID,
        bindingID: address.bindingID,
        outboxID: outboxID,
        channelAccount: work.outbox.channelAccount,
        recipient: work.outbox.recipient,
        text: work.body,
        replyTo: ""
      ),
      gate: {
        TurnGate.read(configuration, tenant: address.tenantID, binding: address.bindingID).isOpen
      }
    )
    await OutboxSettling.settle(
      outcome.applied(to: work.outbox),
      tenant: address.tenantID,
      services.conversations,
      services.logger
    )
  }
}

extension SendOutcome {
  /// The row after this outcome.
  func applied(to row: Bindery_V1_OutboxRecord) -> Bindery_V1_OutboxRecord {
    var row = row
    row.attempts += attempts
    switch state {
    case .sent(let id):
      row.state = .sent
      row.providerMessageID = id
    case .ambiguous: row.state = .ambiguous
    case .held: row.state = .held
    case .failed(let error):
      row.state = .failed
      row.error = error
    }
    return row
  }
}
