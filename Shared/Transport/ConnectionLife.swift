package import HTTP2
package import NIOCore

/// What time does to one connection: keepalive (gRPC's proposals A8 and A9), age, idleness, and the
/// patience with a peer that keeps us waiting. Without a clock and without I/O: it is told the time,
/// says what to do, and when to ask again.
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
    /// From the connection (from the end of the TLS handshake) to the peer's first SETTINGS.
    package var preface: Duration?
    /// From the first byte of a header block to its last.
    package var headerBlock: Duration?
    /// How long bytes may wait of which the peer's socket takes none.
    package var unread: Duration?

    package init() {}
  }

  /// What the connection looks like when asked.
  package struct Signs: Hashable, Sendable {
    /// Anything came since the last question.
    package var hasReceived = false
    package var openStreams = 0
    /// The highest stream id so far, by which calls between two questions are noticed.
    package var lastStream: Int32 = 0
    package var hasReceivedSettings = true
    /// The number of the header block that has begun and not ended.
    package var openHeaderBlock: Int?
    /// Bytes that the socket has not taken, and all that it ever took.
    package var waitingBytes = 0
    package var takenBytes = 0

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
    /// The peer keeps us waiting: tell it so, and end.
    case refuse(AbuseCause)
  }

  /// Why a connection takes no more calls.
  package enum DrainCause: Hashable, Sendable {
    case age
    case idle
  }

  private let limits: Limits
  private var prefaceLimit: NIODeadline?
  /// When to look at a header block again, and which it was.
  private var headerCheck: (at: NIODeadline, block: Int)?
  /// When to look at what waits again, and how much had been taken.
  private var unreadCheck: (at: NIODeadline, taken: Int)?
  private var nextSign: NIODeadline?
  private var awaitsSign = false
  private var ageLimit: NIODeadline?
  private var graceLimit: NIODeadline?
  private var idleCheck: NIODeadline?
  private var idleSince: NIODeadline
  private var lastStream: Int32 = 0
  package private(set) var drainCause: DrainCause?
  private let maxIdle: TimeAmount?

  /// - Parameter jitter: From -1 to 1; changes age and idleness by up to a tenth, so that connections
  ///   that began together don't end together (A9).
  package init(_ limits: Limits, now: NIODeadline, jitter: Double) {
    self.limits = limits
    nextSign = limits.keepalive.map { now + TimeAmount($0) }
    ageLimit = limits.maxAge.map { now + TimeAmount($0 * (1 + 0.1 * jitter)) }
    idleSince = now
    maxIdle = limits.maxIdle.map { TimeAmount($0 * (1 + 0.1 * jitter)) }
    idleCheck = maxIdle.map { now + $0 }
    prefaceLimit = limits.preface.map { now + TimeAmount($0) }
  }

  /// When to ask next.
  package var next: NIODeadline? {
    [
      nextSign, ageLimit, graceLimit, idleCheck, prefaceLimit, headerCheck?.at, unreadCheck?.at,
    ].compactMap { $0 }.min()
  }

  /// What is due.
  package mutating func due(_ now: NIODeadline, _ signs: Signs) -> [Action] {
    if signs.openStreams > 0 || signs.lastStream != lastStream { idleSince = now }
    lastStream = signs.lastStream
    if let cause = waitsInVain(now, signs) { return [.refuse(cause)] }
    var actions: [Action] = []
    if let action = sign(now, signs.hasReceived, signs.openStreams) { actions.append(action) }
    if let limit = ageLimit, limit <= now {
      ageLimit = nil
      graceLimit = limits.maxAgeGrace.map { now + TimeAmount($0) }
      drain(.age, &actions)
    }
    if let limit = graceLimit, limit <= now {
      graceLimit = nil
      actions.append(.end)
    }
    if let maxIdle, let check = idleCheck, check <= now {
      if now - idleSince >= maxIdle {
        idleCheck = nil
        drain(.idle, &actions)
      } else {
        // Not each call sets a timer: a call that just ended is noticed here, an eighth late at most.
        let eighth = TimeAmount.nanoseconds(maxIdle.nanoseconds / 8)
        idleCheck = max(idleSince + maxIdle, now + eighth)
        if signs.openStreams > 0 { idleCheck = now + eighth }
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

  /// A header block has begun and did not end with what was read.
  ///
  /// - Returns: Whether `next` is earlier now.
  package mutating func awaitsHeaders(_ block: Int, _ now: NIODeadline) -> Bool {
    guard headerCheck == nil, let patience = limits.headerBlock else { return false }
    headerCheck = (now + TimeAmount(patience), block)
    return true
  }

  /// Nothing need be said when the socket is full.
  package var awaitsReader: Bool { unreadCheck != nil || limits.unread == nil }

  /// The socket took less than there was to send.
  ///
  /// - Returns: Whether `next` is earlier now.
  package mutating func awaitsReader(taken: Int, _ now: NIODeadline) -> Bool {
    guard unreadCheck == nil, let patience = limits.unread else { return false }
    unreadCheck = (now + TimeAmount(patience), taken)
    return true
  }

  /// Looks whether what is awaited of the peer has come.
  ///
  /// Nothing is noted when it comes: a check that finds it there is dropped or set anew.
  private mutating func waitsInVain(_ now: NIODeadline, _ signs: Signs) -> AbuseCause? {
    if signs.hasReceivedSettings { prefaceLimit = nil }
    if let limit = prefaceLimit, limit <= now { return .slowPreface }
    if let check = headerCheck, check.at <= now {
      headerCheck = nil
      if let block = signs.openHeaderBlock {
        if block == check.block { return .slowHeaders }
        _ = awaitsHeaders(block, now)
      }
    }
    if let check = unreadCheck, check.at <= now {
      unreadCheck = nil
      if signs.waitingBytes > 0, signs.takenBytes <= check.taken { return .unread }
    }
    // Also what waits below the mark at which the channel calls itself full.
    if signs.waitingBytes > 0 { _ = awaitsReader(taken: signs.takenBytes, now) }
    return nil
  }

  private mutating func drain(_ cause: DrainCause, _ actions: inout [Action]) {
    guard drainCause == nil else { return }
    drainCause = cause
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
