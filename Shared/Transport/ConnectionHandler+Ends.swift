internal import HTTP2
internal import Logging
internal import NIOCore

// How a connection ends over what its peer did or failed to do.
extension ConnectionHandler {
  /// How long what the peer still sends is read and dropped, so that it gets to see the GOAWAY: a
  /// socket closed with bytes unread is reset.
  private static let lingering = TimeAmount.milliseconds(250)

  /// What a finished answer's last bytes may take to be read.
  private static let longestRest = TimeAmount.seconds(30)

  /// Tells the peer why, then closes. Not inside the session's reading.
  func end(over failure: HTTP2Failure) {
    guard !isEnding, let context else { return }
    isEnding = true
    logger.debug("a peer broke the rules", metadata: ["error": "\(failure)"])
    if case .abuse(let cause) = failure.code { metrics.note(.abuse(cause)) }
    session.giveUp(failure)
    sendRest(context)
    closeGently()
  }

  /// Closes our half at once, the other a moment later.
  func closeGently() {
    guard let context else { return }
    isEnding = true
    setUsable(false)
    endStreams()
    guard context.channel.isWritable else {
      context.close(promise: nil)
      return
    }
    context.close(mode: .output, promise: nil)
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    context.eventLoop.scheduleTask(in: Self.lingering) { bound.value.close(promise: nil) }
  }

  /// Closes once the peer has taken what waits for it; one that takes too long is left.
  func closeWhenSent() {
    guard !isEnding, let context else { return }
    isEnding = true
    setUsable(false)
    endStreams()
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    let patience = context.eventLoop.scheduleTask(in: Self.longestRest) {
      bound.value.close(promise: nil)
    }
    let sent = context.eventLoop.makePromise(of: Void.self)
    context.close(mode: .output, promise: sent)
    sent.futureResult.whenComplete { _ in
      patience.cancel()
      bound.value.eventLoop.scheduleTask(in: Self.lingering) { bound.value.close(promise: nil) }
    }
  }

  /// What the session has left to say, in one piece and up to a bound.
  private func sendRest(_ context: ChannelHandlerContext) {
    guard context.channel.isWritable else { return }
    var buffer = context.channel.allocator.buffer(capacity: 16 * 1024)
    do {
      _ = try session.pull(into: &buffer, limit: 256 * 1024)
    } catch {
      // A session that can't say its last says nothing; the connection is closed in any case.
      logger.debug("a connection ends without a word", metadata: ["error": "\(error)"])
    }
    if buffer.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(buffer), promise: nil) }
  }

  /// Bytes that wait because the socket is full.
  var waitingBytes: Int {
    guard let context, let options = context.channel.syncOptions else { return 0 }
    // Channels without a socket keep no such number.
    return (try? options.getOption(.bufferedWritableBytes)) ?? 0
  }

  /// Bytes that the socket has taken; TLS adds to what waits, so with it a little less.
  var takenBytes: Int { session.pulledBytes - waitingBytes }
}
