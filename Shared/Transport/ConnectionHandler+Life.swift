internal import HTTP2
internal import Logging
internal import NIOCore

// Timers of a connection: one at a time, set for what comes next.
extension ConnectionHandler {
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
    let actions = life?.due(.now(), signs) ?? []
    hasReceived = false
    for action in actions { perform(action) }
    if context != nil, !isEnding { scheduleLife(on: loop) }
  }

  private var signs: ConnectionLife.Signs {
    var signs = ConnectionLife.Signs()
    signs.hasReceived = hasReceived
    signs.openStreams = streams.count
    signs.lastStream = session.lastStream
    signs.hasReceivedSettings = session.hasReceivedSettings
    signs.openHeaderBlock = session.openHeaderBlock
    signs.waitingBytes = waitingBytes
    signs.takenBytes = takenBytes
    return signs
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
    case .drain:
      if life?.drainCause == .idle { metrics.note(.idle) }
      if life?.drainCause == .age { metrics.note(.age) }
      beginGracefulShutdown()
    case .refuse(let cause): end(over: HTTP2Failure(abuse: cause))
    case .end: closeNow()
    case .giveUp:
      logger.debug("a connection gives no sign of life and was closed")
      metrics.note(.silent)
      context?.close(promise: nil)
    }
  }

  func pingAnswered() {
    // The answer alone is no reason to ask later.
    hasReceived = false
    life?.answered(.now())
    rescheduleLife()
  }

  /// A batch of reads is over.
  func awaitHeaders() {
    guard let block = session.openHeaderBlock, !isEnding else { return }
    if life?.awaitsHeaders(block, .now()) == true { rescheduleLife() }
  }

  /// The socket is full.
  func awaitReader() {
    guard !isEnding, life?.awaitsReader == false else { return }
    if life?.awaitsReader(taken: takenBytes, .now()) == true { rescheduleLife() }
  }

  private func rescheduleLife() {
    guard let loop = context?.eventLoop else { return }
    lifeTask?.cancel()
    scheduleLife(on: loop)
  }

  /// Takes note of a client's PING; one too many ends the connection, once what came with it is read.
  func countPing() {
    let isFine =
      strikes?.received(.now(), openStreams: streams.count, hasSent: session.takeHasSent()) ?? true
    if !isFine { complaint = HTTP2Failure(abuse: .pings) }
  }
}
