internal import HTTP2
internal import Logging
internal import NIOCore

// Timers of a connection: one at a time, set for what comes next.
extension ConnectionHandler {
  /// What gRPC calls it (proposal A8).
  static let tooManyPings = "too_many_pings"

  func beginLife(on loop: any EventLoop) {
    life = ConnectionLife(limits, now: .now(), jitter: Double.random(in: -1 ... 1))
    scheduleLife(on: loop)
  }

  private func scheduleLife(on loop: any EventLoop) {
    guard let next = life?.next else { return }
    let bound = NIOLoopBound(self, eventLoop: loop)
    lifeTask = loop.scheduleTask(deadline: next) { bound.value.live() }
  }

  private func live() {
    guard let loop = context?.eventLoop else { return }
    let actions =
      life?.due(
        .now(),
        hasReceived: hasReceived,
        openStreams: streams.count,
        lastStream: session.lastStream
      ) ?? []
    hasReceived = false
    for action in actions { perform(action) }
    if context != nil { scheduleLife(on: loop) }
  }

  private func perform(_ action: ConnectionLife.Action) {
    switch action {
    case .ping:
      do {
        try session.ping()
        flush()
      } catch {
        context?.close(promise: nil)
      }
    case .drain: beginGracefulShutdown()
    case .end: closeNow()
    case .giveUp:
      logger.debug("a connection gives no sign of life and was closed")
      context?.close(promise: nil)
    }
  }

  func pingAnswered() {
    guard let loop = context?.eventLoop else { return }
    // The answer alone is no reason to ask later.
    hasReceived = false
    life?.answered(.now())
    lifeTask?.cancel()
    scheduleLife(on: loop)
  }

  /// Takes note of a client's PING; one too many ends the connection.
  func countPing() {
    let isFine = strikes?.received(.now(), openStreams: streams.count, hasSent: hasSent) ?? true
    hasSent = false
    guard !isFine, context != nil else { return }
    strikes = nil
    logger.debug("a client asks for signs of life too often")
    do {
      try session.refuse(errorCode: HTTP2ErrorCode.enhanceYourCalm, reason: Self.tooManyPings)
    } catch {
      context?.close(promise: nil)
      return
    }
    // Not here, inside the session's reading: flush, then close.
    guard let loop = context?.eventLoop else { return }
    let bound = NIOLoopBound(self, eventLoop: loop)
    loop.execute {
      bound.value.flush()
      bound.value.context?.close(promise: nil)
    }
  }
}
