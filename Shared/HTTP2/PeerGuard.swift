package import NIOCore

/// Looks at what a peer sends before libnghttp2 does: enforces what that is lenient about and keeps
/// the budget. Knows frames by their heads only.
package struct PeerGuard: Sendable {
  package var budget: AbuseBudget
  private let role: HTTP2Session.Role
  private var scanner: FrameScanner
  private var rules = StreamRules()
  /// Of the header block that is being received: frames after the first, and bytes so far.
  private var continuations = 0
  private var blockBytes = 0
  private var expectsContinuation = false
  private var lastWasHeaders = false
  /// Header blocks begun, to tell one from the next.
  package private(set) var headerBlocks = 0
  package private(set) var hasReceivedSettings = false

  package init(role: HTTP2Session.Role, limits: AbuseLimits, since start: NIODeadline) {
    self.role = role
    budget = AbuseBudget(limits: limits, since: start)
    scanner = FrameScanner(expectsPreface: role == .server)
  }

  /// A header block has begun and its end has not come.
  package var isInsideHeaderBlock: Bool {
    expectsContinuation || (lastWasHeaders && scanner.payloadLeft > 0)
  }

  /// Looks at the next bytes of the connection.
  ///
  /// - Returns: How many of them are good, and what is wrong with those behind: the connection ends.
  package mutating func inspect(
    _ bytes: UnsafeRawBufferPointer,
    now: () -> NIODeadline
  ) -> (good: Int, failure: HTTP2Failure?) {
    var position = 0
    while let (head, start) = scanner.next(in: bytes, from: &position) {
      if let failure = inspect(head, bytes, payload: position, now) { return (start, failure) }
    }
    return (bytes.count, nil)
  }

  private mutating func inspect(
    _ head: FrameHead,
    _ bytes: UnsafeRawBufferPointer,
    payload: Int,
    _ now: () -> NIODeadline
  ) -> HTTP2Failure? {
    lastWasHeaders = head.type == FrameType.headers || head.type == FrameType.continuation
    var abuse: AbuseCause?
    switch head.type {
    case FrameType.data:
      if role == .server {
        switch rules.data(on: head.stream) {
        case .ended:
          return .streamClosed("DATA on stream \(head.stream), which the client had ended")
        case .skipped: return .skippedStream("DATA", head.stream)
        case .new, .old: break
        }
        if head.endsStream { rules.ended(head.stream) }
      }
      if !head.endsStream, isEmpty(head, bytes, payload: payload) {
        abuse = budget.spendUselessFrame(now: now)
      }
    case FrameType.headers:
      if let failure = headers(head, now) { return failure }
    case FrameType.continuation:
      continuations += 1
      blockBytes += head.length
      expectsContinuation = !head.endsHeaders
      if continuations > budget.limits.continuations { abuse = .headerBlock }
      if blockBytes > budget.limits.headerBlockBytes { abuse = .headerBlock }
    case FrameType.resetStream:
      if role == .server {
        rules.ended(head.stream)
        abuse = budget.spendReset(now: now)
      } else {
        // A server resets what this client opened, and each of those has earned that.
        abuse = budget.spendUselessFrame(now: now)
      }
    case FrameType.windowUpdate:
      abuse = budget.spendWindowUpdate(now: now)
    case FrameType.settings:
      if head.flags & FrameFlag.ack == 0 {
        if hasReceivedSettings { abuse = budget.spendUselessFrame(now: now) }
        hasReceivedSettings = true
      }
    case FrameType.ping where role == .server && head.flags & FrameFlag.ack == 0:
      // How often a client may ask is a matter of time between two, and the transport's to judge.
      break
    default:
      abuse = budget.spendUselessFrame(now: now)
    }
    return abuse.map(HTTP2Failure.init(abuse:))
  }

  private mutating func headers(_ head: FrameHead, _ now: () -> NIODeadline) -> HTTP2Failure? {
    headerBlocks += 1
    continuations = 0
    blockBytes = head.length
    expectsContinuation = !head.endsHeaders
    if blockBytes > budget.limits.headerBlockBytes { return HTTP2Failure(abuse: .headerBlock) }
    guard role == .server else {
      // One informational answer is useful, and the answer; a thousand are not.
      return head.endsStream
        ? nil : budget.spendUselessFrame(now: now).map(HTTP2Failure.init(abuse:))
    }
    let verdict = rules.headers(on: head.stream)
    if head.endsStream { rules.ended(head.stream) }
    switch verdict {
    case .new:
      budget.earnStream()
      return nil
    case .old:
      // Trailers, which mean nothing in gRPC, or HEADERS on a stream that is gone.
      return head.endsStream
        ? nil : budget.spendUselessFrame(now: now).map(HTTP2Failure.init(abuse:))
    case .ended:
      return .streamClosed("HEADERS on stream \(head.stream), which the client had ended")
    case .skipped: return .skippedStream("HEADERS", head.stream)
    }
  }

  /// Without content, padding aside. Padding whose length is in the next piece counts as content.
  private func isEmpty(
    _ head: FrameHead,
    _ bytes: UnsafeRawBufferPointer,
    payload: Int
  ) -> Bool {
    guard head.flags & FrameFlag.padded != 0 else { return head.length == 0 }
    guard head.length <= 256, payload < bytes.count else { return false }
    return Int(bytes[payload]) >= head.length - 1
  }
}

extension HTTP2Failure {
  /// Over a limit: ENHANCE_YOUR_CALM.
  package init(abuse: AbuseCause) {
    self.init(.abuse(abuse), abuse.explanation, errorCode: abuse.errorCode)
  }

  fileprivate static func streamClosed(_ message: String) -> HTTP2Failure {
    HTTP2Failure(.protocolViolation, message, errorCode: HTTP2ErrorCode.streamClosed)
  }

  /// RFC 9113 section 5.1.1.
  fileprivate static func skippedStream(_ frame: String, _ stream: Int32) -> HTTP2Failure {
    HTTP2Failure(
      .protocolViolation,
      "\(frame) on stream \(stream), below one that was opened before",
      errorCode: HTTP2ErrorCode.protocolError
    )
  }
}

extension AbuseCause {
  var errorCode: UInt32 {
    switch self {
    // Section 3.4 leaves the code open; nothing was excessive.
    case .slowPreface: HTTP2ErrorCode.protocolError
    default: HTTP2ErrorCode.enhanceYourCalm
    }
  }

  /// For the peer (the debug text of GOAWAY) and the log.
  package var explanation: String {
    switch self {
    case .uselessFrames: "too many frames that move no data"
    // The text by which gRPC's clients know it (proposal A8).
    case .pings: "too_many_pings"
    case .resets: "too many streams reset or broken"
    case .headerBlock: "a header block is too long or in too many frames"
    case .headerWork: "too many long header lists"
    case .unread: "answers are not read"
    case .slowPreface: "the connection preface did not come in time"
    case .slowHeaders: "a header block did not end in time"
    }
  }
}
