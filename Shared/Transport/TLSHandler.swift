internal import Logging
internal import NIOCore
internal import TLS

/// Joins a `TLSSession` to a channel, in front of a `ConnectionHandler`. Belongs to the channel's
/// loop.
///
/// The channel becomes active for those behind only once the handshake is over, so that nothing is
/// sent before. Writes are kept until the flush and encrypted together: full records, one buffer.
final class TLSHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// Plaintext that a flush may find; with more, writes are encrypted at once, so that the channel's
  /// own limit sees them.
  private static let maxHeldBytes = 64 * 1024

  private let session: TLSSession
  private let handshakeTimeout: TimeAmount
  private let logger: Logger
  /// The handshake is over; who the peer is, if it said.
  private let onEstablished: (PeerIdentity?) -> Void
  /// The handshake or the session failed. At most once, before the channel is closed.
  private let onFailure: (TLSFailure) -> Void

  private var timeout: Scheduled<Void>?
  private var held: [(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)] = []
  private var heldBytes = 0
  private var isEstablished = false
  private var isOver = false

  init(
    session: TLSSession,
    handshakeTimeout: Duration,
    logger: Logger,
    onEstablished: @escaping (PeerIdentity?) -> Void,
    onFailure: @escaping (TLSFailure) -> Void
  ) {
    self.session = session
    self.handshakeTimeout = TimeAmount(handshakeTimeout)
    self.logger = logger
    self.onEstablished = onEstablished
    self.onFailure = onFailure
  }

  // MARK: - Life

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { begin(context) }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    end()
  }

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    if !isOver {
      if !isEstablished {
        report(TLSFailure(.cutOff, "the peer closed the connection during the handshake"))
      } else if session.state == .established, !session.isClosed {
        logger.debug("a peer went away without ending its TLS session")
      }
    }
    end()
    context.fireChannelInactive()
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard timeout == nil, !isOver else { return }
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    timeout = context.eventLoop.scheduleTask(in: handshakeTimeout) {
      let (handler, context) = bound.value
      guard !handler.isEstablished, !handler.isOver else { return }
      handler.fail(TLSFailure(.timedOut, "the peer did not finish the handshake in time"), context)
    }
    do throws(TLSFailure) {
      try session.start()
      sendOutput(context)
    } catch {
      fail(error, context)
    }
  }

  private func end() {
    isOver = true
    timeout?.cancel()
    for write in held { write.promise?.fail(ChannelError.ioOnClosedChannel) }
    held = []
    heldBytes = 0
  }

  private func report(_ failure: TLSFailure) {
    logger.debug("\(failure.message)", metadata: ["code": "\(failure.code)"])
    onFailure(failure)
  }

  /// Sends the alert, if there is one, and closes.
  private func fail(_ failure: TLSFailure, _ context: ChannelHandlerContext) {
    guard !isOver else { return }
    report(failure)
    end()
    sendOutput(context)
    context.close(promise: nil)
  }

  // MARK: - Inbound

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isOver else { return }
    let ciphertext = unwrapInboundIn(data)
    var plaintext = context.channel.allocator.buffer(capacity: ciphertext.readableBytes)
    var failure: TLSFailure?
    do throws(TLSFailure) {
      try session.receive(ciphertext, into: &plaintext)
    } catch {
      failure = error
    }
    if failure == nil { sendOutput(context) }
    if !isEstablished, session.state == .established || session.state == .endedByPeer {
      isEstablished = true
      timeout?.cancel()
      onEstablished(session.peerIdentity)
      context.fireChannelActive()
    }
    // What came in order before a fault or the end is good.
    if isEstablished, plaintext.readableBytes > 0 {
      context.fireChannelRead(wrapInboundOut(plaintext))
    }
    if let failure {
      fail(failure, context)
    } else if session.state == .endedByPeer {
      // Nobody who speaks HTTP/2 goes on after that: we end our side too, with what is left to say.
      context.fireChannelReadComplete()
      close(context: context, mode: .all, promise: nil)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if isEstablished { context.fireChannelReadComplete() }
  }

  // MARK: - Outbound

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard !isOver, !session.isClosed else {
      promise?.fail(ChannelError.ioOnClosedChannel)
      return
    }
    let bytes = unwrapOutboundIn(data)
    held.append((bytes, promise))
    heldBytes += bytes.readableBytes
    if heldBytes >= Self.maxHeldBytes { encrypt(context) }
  }

  func flush(context: ChannelHandlerContext) {
    encrypt(context)
    context.flush()
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    if mode != .input, !isOver {
      encrypt(context)
      session.close()
      sendOutput(context)
      end()
    }
    context.close(mode: mode, promise: promise)
  }

  /// Passes on what is held, as ciphertext in one buffer.
  private func encrypt(_ context: ChannelHandlerContext) {
    guard isEstablished, !held.isEmpty else { return }
    let writes = held
    held.removeAll(keepingCapacity: true)
    defer { heldBytes = 0 }
    do throws(TLSFailure) {
      if writes.count == 1 {
        try session.send(writes[0].bytes)
      } else {
        var joined = context.channel.allocator.buffer(capacity: heldBytes)
        for write in writes { joined.writeImmutableBuffer(write.bytes) }
        try session.send(joined)
      }
    } catch {
      for write in writes { write.promise?.fail(error) }
      fail(error, context)
      return
    }
    let promises = writes.compactMap(\.promise)
    guard let output = session.takeOutput() else {
      for promise in promises { promise.succeed() }
      return
    }
    guard let first = promises.first else {
      context.write(wrapOutboundOut(output), promise: nil)
      return
    }
    for promise in promises.dropFirst() { first.futureResult.cascade(to: promise) }
    context.write(wrapOutboundOut(output), promise: first)
  }

  private func sendOutput(_ context: ChannelHandlerContext) {
    guard let output = session.takeOutput() else { return }
    context.writeAndFlush(wrapOutboundOut(output), promise: nil)
  }
}
