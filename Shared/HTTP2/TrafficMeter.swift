internal import Synchronization

/// What went over connections.
package struct TrafficCounts: Hashable, Sendable {
  package var bytesIn = 0
  package var bytesOut = 0
  /// Calls that began, and of them those that are over.
  package var callsBegun = 0
  package var callsOver = 0
  /// RST_STREAM frames by error code (RFC 9113 section 7).
  package var resetsReceived: [UInt32: Int] = [:]
  package var resetsSent: [UInt32: Int] = [:]
  /// GOAWAY frames by which we told a peer that it broke the protocol.
  package var violations = 0
  /// How often a writer had to wait for the peer's window or the socket.
  package var stalls = 0

  package init() {}

  package static func += (sum: inout TrafficCounts, other: TrafficCounts) {
    sum.bytesIn += other.bytesIn
    sum.bytesOut += other.bytesOut
    sum.callsBegun += other.callsBegun
    sum.callsOver += other.callsOver
    sum.violations += other.violations
    sum.stalls += other.stalls
    sum.resetsReceived.merge(other.resetsReceived, uniquingKeysWith: +)
    sum.resetsSent.merge(other.resetsSent, uniquingKeysWith: +)
  }
}

/// Counts what goes over the connections of one event loop: only that loop adds, anyone reads.
///
/// So an addition is a load and a store; no connection waits for another, or for whoever reads.
package final class TrafficMeter: Sendable {
  private struct Resets {
    var received: [UInt32: Int] = [:]
    var sent: [UInt32: Int] = [:]
  }

  private let bytesIn = Atomic(0)
  private let bytesOut = Atomic(0)
  private let callsBegun = Atomic(0)
  private let callsOver = Atomic(0)
  private let violations = Atomic(0)
  private let stalls = Atomic(0)
  /// Resets are rare enough for a lock that nobody contends for.
  private let resets = Mutex(Resets())

  package init() {}

  package var counts: TrafficCounts {
    var counts = TrafficCounts()
    counts.bytesIn = bytesIn.load(ordering: .relaxed)
    counts.bytesOut = bytesOut.load(ordering: .relaxed)
    // Read in this order, no call seems to be over before it has begun.
    counts.callsOver = callsOver.load(ordering: .acquiring)
    counts.callsBegun = callsBegun.load(ordering: .relaxed)
    counts.violations = violations.load(ordering: .relaxed)
    counts.stalls = stalls.load(ordering: .relaxed)
    (counts.resetsReceived, counts.resetsSent) = resets.withLock { ($0.received, $0.sent) }
    return counts
  }

  // MARK: - Only on the loop

  func received(_ bytes: Int) { Self.add(bytes, to: bytesIn) }
  func sent(_ bytes: Int) { Self.add(bytes, to: bytesOut) }
  func violated() { Self.add(1, to: violations) }
  func stalled() { Self.add(1, to: stalls) }
  package func callBegan() { Self.add(1, to: callsBegun) }
  package func callsEnded(_ count: Int) {
    callsOver.store(callsOver.load(ordering: .relaxed) &+ count, ordering: .releasing)
  }

  func receivedReset(_ code: UInt32) {
    resets.withLock { $0.received[Self.known(code), default: 0] += 1 }
  }

  func sentReset(_ code: UInt32) {
    resets.withLock { $0.sent[Self.known(code), default: 0] += 1 }
  }

  private static func add(_ count: Int, to counter: borrowing Atomic<Int>) {
    counter.store(counter.load(ordering: .relaxed) &+ count, ordering: .relaxed)
  }

  /// Codes that the RFC does not know count as one, lest a peer choose what we keep.
  private static func known(_ code: UInt32) -> UInt32 { min(code, HTTP2ErrorCode.lastKnown + 1) }
}
