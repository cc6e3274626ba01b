internal import Domain
internal import Foundation
internal import Logging
internal import Subscription
package import Turn
internal import Wire

/// What the webhook leaves to be done after its answer: paused tenants' messages, and statuses of
/// sends for the control plane. Bounded; what does not fit is counted and dropped.
package struct WhatsAppNotices: Sendable {
  enum Work: Sendable {
    case pausedMessage(OutboundMessage)
    case echo(Bindery_V1_OutboxRecord, TenantID)
  }

  private let services: TurnServices
  private let sender: any MessageSending
  private let metrics: ChannelMetrics
  private let work: AsyncStream<Work>
  private let add: AsyncStream<Work>.Continuation

  package init(
    _ services: TurnServices,
    sender: any MessageSending,
    metrics: ChannelMetrics,
    capacity: Int = 1_000
  ) {
    self.services = services
    self.sender = sender
    self.metrics = metrics
    (work, add) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(capacity))
  }

  func enqueue(_ item: Work) {
    if case .dropped = add.yield(item) { metrics.count("bindery_notices_dropped_total") }
  }

  /// Lets `run` end once what waits is done.
  package func finish() { add.finish() }

  package func run() async {
    await withDiscardingTaskGroup { group in
      for _ in 1 ... 4 {
        group.addTask {
          for await item in work { await perform(item) }
        }
      }
    }
  }

  private func perform(_ item: Work) async {
    switch item {
    case .pausedMessage(let message):
      let configuration = services.configuration
      // Only while the pause lasts: afterwards it would be untrue.
      let outcome = await sender.send(message) {
        if case .paused(.refuse, _) = configuration.gate(message.tenantID) { true } else { false }
      }
      if case .failed(let error) = outcome.state {
        services.logger.warning("a paused message was not sent", metadata: ["why": "\(error)"])
      }
    case .echo(let row, let tenant):
      var request = Bindery_V1_SettleOutboxRequest()
      request.tenantID = tenant.data
      request.outbox = row
      do {
        try await services.conversations.settleOutbox(request)
      } catch {
        // The next status of the same message tells it again.
        services.logger.debug("a status was not stored", metadata: ["why": "\(error)"])
      }
    }
  }
}
