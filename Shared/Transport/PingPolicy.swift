package import NIOCore

/// How often a server lets a client ask for signs of life (gRPC's proposal A8): two PINGs too early are
/// overlooked.
package struct PingPolicy: Hashable, Sendable {
  /// Least time between two PINGs.
  package var minimumInterval: Duration = .seconds(5)
  /// The same interval while no call is open; else two hours.
  package var permitsWithoutCalls = true

  package init() {}

  /// One connection's count.
  package struct Strikes {
    package static let permitted = 2
    private let policy: PingPolicy
    private var last: NIODeadline?
    private var count = 0

    package init(_ policy: PingPolicy) {
      self.policy = policy
    }

    /// Takes note of a PING. Returns false when it is one too many.
    ///
    /// - Parameter hasSent: Anything of a call was sent since the last PING; then a client that
    ///   measures its flow may well ask again.
    package mutating func received(_ now: NIODeadline, openStreams: Int, hasSent: Bool) -> Bool {
      if hasSent {
        count = 0
        last = now
        return true
      }
      let interval =
        openStreams > 0 || policy.permitsWithoutCalls
        ? policy.minimumInterval : .seconds(2 * 3600)
      if let last, now < last + TimeAmount(interval) {
        count += 1
      }
      last = now
      return count <= Self.permitted
    }
  }
}
