internal import Logging
internal import Wire

/// A session lease that is kept alive while a long step runs.
struct SessionLease: Sendable {
  let address: ConversationAddress
  let epoch: Int64
  let lengthMS: Int64
  var renewedAt: ContinuousClock.Instant = .now

  /// Renews at each third of the lease; returns only once it is lost.
  ///
  /// Without an answer it goes on trying: whether the lease was lost is said by the commit.
  mutating func keep(_ conversations: any ConversationCalls, _ logger: Logger) async throws {
    while true {
      try await Task.sleep(until: renewedAt + .milliseconds(lengthMS / 3), clock: .continuous)
      var request = Bindery_V1_RenewRequest()
      request.conversation = address.wire
      request.epoch = epoch
      request.leaseMs = lengthMS
      let asked = ContinuousClock.now
      do {
        guard try await conversations.renew(request).renewed else { return }
      } catch let failure as ConversationFailure {
        logger.notice("no answer to a lease renewal", metadata: ["why": "\(failure)"])
      }
      renewedAt = asked
    }
  }
}
