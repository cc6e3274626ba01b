package import NIOCore

/// What one peer may ask of us that brings neither side forward.
package struct AbuseLimits: Hashable, Sendable {
  /// Frames without use (SETTINGS, PRIORITY, unknown ones, empty DATA, frames on streams that are gone,
  /// answers to PING, and of a server PING itself) at once, and a second.
  package var uselessFrames = 1_000
  package var uselessFramesPerSecond = 100
  /// As many more, at once, of a peer that was sent enough DATA for them: answers to DATA may come late
  /// and all together.
  package var earnedFrames = 100_000
  /// Streams that the peer resets, or makes us reset by breaking the protocol on them, beyond those
  /// that end well (CVE-2023-44487 and CVE-2025-8671).
  package var resets = 1_000
  package var resetsPerSecond = 200
  /// CONTINUATION frames of one header block (CVE-2024-27316).
  package var continuations = 8
  /// Bytes of one header block as it is sent, before decoding.
  package var headerBlockBytes = 128 * 1024
  /// Bytes of decoded header lists, beyond `freeHeaderBytes` of each, at once and a second.
  package var headerBytes = 4 * 1024 * 1024
  package var headerBytesPerSecond = 1024 * 1024
  package var freeHeaderBytes = 8 * 1024
  /// Frames that wait to be sent because the peer doesn't read (acknowledgements, resets, answers).
  package var waitingFrames = 10_000

  package init() {}
}

/// Why a connection was ended by us although it kept to the protocol.
package enum AbuseCause: String, CaseIterable, Hashable, Sendable {
  case uselessFrames = "useless-frames"
  case pings
  case resets
  case headerBlock = "header-block"
  case headerWork = "header-work"
  case unread
  case slowPreface = "slow-preface"
  case slowHeaders = "slow-headers"
}

/// The allowance of one connection: what each frame of the peer costs, what useful work earns.
///
/// Costs are in tenths of a useless frame. WINDOW_UPDATE is cheap and earned by the DATA that it
/// answers; so is a server's PING, since it may measure how fast that comes. A client's PING is not
/// ours to judge but the transport's, which knows a rule for it (gRPC's proposal A8).
package struct AbuseBudget: Hashable, Sendable {
  private static let frame = 10

  package let limits: AbuseLimits
  private var useless: TokenBucket
  /// What was earned and not spent, beside the bucket.
  private var earned = 0
  private var resets: TokenBucket
  private var headerBytes: TokenBucket
  /// Costs noted where there is no clock.
  private var owedResets = 0
  private var owedHeaderBytes = 0

  package init(limits: AbuseLimits = .init(), since start: NIODeadline) {
    self.limits = limits
    useless = TokenBucket(
      capacity: limits.uselessFrames * Self.frame,
      rate: limits.uselessFramesPerSecond * Self.frame,
      since: start
    )
    resets = TokenBucket(capacity: limits.resets, rate: limits.resetsPerSecond, since: start)
    headerBytes = TokenBucket(
      capacity: limits.headerBytes,
      rate: limits.headerBytesPerSecond,
      since: start
    )
  }

  // MARK: - What the peer does

  /// A frame that brings nobody forward.
  package mutating func spendUselessFrame(now: () -> NIODeadline) -> AbuseCause? {
    spend(Self.frame, now: now)
  }

  package mutating func spendWindowUpdate(now: () -> NIODeadline) -> AbuseCause? {
    spend(1, now: now)
  }

  private mutating func spend(_ cost: Int, now: () -> NIODeadline) -> AbuseCause? {
    if earned >= cost {
      earned -= cost
      return nil
    }
    return useless.spend(cost, now: now) ? nil : .uselessFrames
  }

  private mutating func earn(_ tokens: Int) {
    earned = min(limits.earnedFrames * Self.frame, earned + tokens)
  }

  package mutating func spendReset(now: () -> NIODeadline) -> AbuseCause? {
    resets.spend(1, now: now) ? nil : .resets
  }

  /// The peer made us reset a stream; settled by `settle`.
  package mutating func oweReset() { owedResets += 1 }

  /// A header list was decoded in vain, since it is too long: much work for nothing.
  package mutating func oweLongHeaderList() { owedResets += 50 }

  /// A header list of `bytes` decoded bytes.
  package mutating func oweHeaders(_ bytes: Int) {
    if bytes > limits.freeHeaderBytes { owedHeaderBytes += bytes - limits.freeHeaderBytes }
  }

  /// Pays what is owed.
  package mutating func settle(now: () -> NIODeadline) -> AbuseCause? {
    if owedResets > 0 {
      defer { owedResets = 0 }
      guard resets.spend(owedResets, now: now) else { return .resets }
    }
    if owedHeaderBytes > 0 {
      defer { owedHeaderBytes = 0 }
      guard headerBytes.spend(owedHeaderBytes, now: now) else { return .headerWork }
    }
    return nil
  }

  // MARK: - What earns

  /// The peer gets DATA: it may answer with a WINDOW_UPDATE on the stream, one on the connection, and
  /// a PING.
  package mutating func earnData() { earn(Self.frame + 2) }

  /// A stream begins: it may be prioritised and its window enlarged.
  package mutating func earnStream() { earn(2 * Self.frame) }

  /// A stream ended well.
  package mutating func earnEnd() { resets.earn(1) }
}
