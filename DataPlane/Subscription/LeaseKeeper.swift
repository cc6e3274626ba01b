internal import Domain
internal import Synchronization

/// Node leases by this node's clock: each runs from when the Status was sent that a Heartbeat
/// echoes, so that a late heartbeat can't stretch it.
struct LeaseKeeper: Sendable {
  /// Statuses remembered; those that are older are of no more use.
  private static let limit = 32

  private var sent: [(sequence: Int64, at: ContinuousClock.Instant)] = []
  private var sequence: Int64 = 0
  /// The longest told; shorter ones come when the control plane is cut off from its database.
  private var longest: Duration?

  /// However long the leases are: a stream on which nothing comes counts as dead after a while, and on
  /// a quiet one the answers to these are all that comes.
  private static let longestInterval = Duration.seconds(5)

  /// How often a Status is due.
  var interval: Duration { min((longest ?? .seconds(3)) / 3, Self.longestInterval) }

  mutating func nextStatus(at now: ContinuousClock.Instant) -> Int64 {
    sequence += 1
    sent.append((sequence, now))
    if sent.count > Self.limit { sent.removeFirst() }
    return sequence
  }

  /// When the lease ends that this heartbeat renews; nil for an echo of nothing that was sent.
  mutating func renew(_ statusSequence: Int64, lease: Duration) -> ContinuousClock.Instant? {
    guard lease > .zero, let status = sent.first(where: { $0.sequence == statusSequence }) else {
      return nil
    }
    longest = max(longest ?? lease, lease)
    sent.removeAll { $0.sequence < statusSequence }
    return status.at + lease
  }
}
