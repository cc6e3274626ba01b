package import NIOCore

/// What time does to one connection: keepalive (gRPC's proposals A8 and A9), age, idleness. Without a
/// clock and without I/O: it is told the time, says what to do, and when to ask again.
package struct ConnectionLife {
  /// Times that a connection keeps; nil is never.
  package struct Limits: Hashable, Sendable {
    /// Silence after which the peer is asked for a sign of life by PING.
    package var keepalive: Duration?
    /// How long that sign may take.
    package var keepaliveTimeout: Duration = .seconds(20)
    /// Asks also while no call is open.
    package var keepaliveWithoutCalls = false
    /// Age at which the connection takes no more calls.
    package var maxAge: Duration?
    /// What running calls get beyond that age.
    package var maxAgeGrace: Duration?
    /// Time without a call after which it ends.
    package var maxIdle: Duration?

    package init() {}
  }

  package enum Action: Hashable, Sendable {
    case ping
    /// Take no more calls, and end with the last.
    case drain
    /// The peer gives no sign of life.
    case giveUp
    /// The grace is over: end the running calls.
    case end
  }

  private let limits: Limits
  private var nextSign: NIODeadline?
  private var awaitsSign = false
  private var ageLimit: NIODeadline?
  private var graceLimit: NIODeadline?
  private var idleCheck: NIODeadline?
  private var idleSince: NIODeadline
  private var lastStream: Int32 = 0
  private var isDraining = false

  /// - Parameter jitter: From -1 to 1; changes the age by up to a tenth, so that connections that
  ///   began together don't end together (A9).
  package init(_ limits: Limits, now: NIODeadline, jitter: Double) {
    self.limits = limits
    nextSign = limits.keepalive.map { now + TimeAmount($0) }
    ageLimit = limits.maxAge.map { now + TimeAmount($0 * (1 + 0.1 * jitter)) }
    idleSince = now
    idleCheck = limits.maxIdle.map { now + TimeAmount($0) }
  }

  /// When to ask next.
  package var next: NIODeadline? {
    [nextSign, ageLimit, graceLimit, idleCheck].compactMap { $0 }.min()
  }

  /// What is due.
  ///
  /// - Parameters:
  ///   - hasReceived: Anything came since the last question.
  ///   - lastStream: The highest stream id so far, by which calls between two questions are noticed.
  package mutating func due(
    _ now: NIODeadline,
    hasReceived: Bool,
    openStreams: Int,
    lastStream: Int32
  ) -> [Action] {
    if openStreams > 0 || lastStream != self.lastStream { idleSince = now }
    self.lastStream = lastStream
    var actions: [Action] = []
    if let action = sign(now, hasReceived, openStreams) { actions.append(action) }
    if let limit = ageLimit, limit <= now {
      ageLimit = nil
      graceLimit = limits.maxAgeGrace.map { now + TimeAmount($0) }
      drain(&actions)
    }
    if let limit = graceLimit, limit <= now {
      graceLimit = nil
      actions.append(.end)
    }
    if let maxIdle = limits.maxIdle, let check = idleCheck, check <= now {
      if now - idleSince >= TimeAmount(maxIdle) {
        idleCheck = nil
        drain(&actions)
      } else {
        // Not each call sets a timer: a call that just ended is noticed here, an eighth late at most.
        idleCheck = max(idleSince + TimeAmount(maxIdle), now + TimeAmount(maxIdle / 8))
        if openStreams > 0 { idleCheck = now + TimeAmount(maxIdle / 8) }
      }
    }
    return actions
  }

  /// The peer answered a PING.
  package mutating func answered(_ now: NIODeadline) {
    guard let keepalive = limits.keepalive, awaitsSign else { return }
    awaitsSign = false
    nextSign = now + TimeAmount(keepalive)
  }

  private mutating func drain(_ actions: inout [Action]) {
    guard !isDraining else { return }
    isDraining = true
    idleCheck = nil
    actions.append(.drain)
  }

  private mutating func sign(_ now: NIODeadline, _ hasReceived: Bool, _ openStreams: Int) -> Action?
  {
    guard let keepalive = limits.keepalive, let due = nextSign else { return nil }
    if hasReceived {
      awaitsSign = false
      nextSign = now + TimeAmount(keepalive)
      return nil
    }
    guard due <= now else { return nil }
    if awaitsSign {
      nextSign = nil
      return .giveUp
    }
    guard openStreams > 0 || limits.keepaliveWithoutCalls else {
      nextSign = now + TimeAmount(keepalive)
      return nil
    }
    awaitsSign = true
    nextSign = now + TimeAmount(limits.keepaliveTimeout)
    return .ping
  }
}

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
