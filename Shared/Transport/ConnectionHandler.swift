internal import GRPCCore
internal import HTTP2
internal import Logging
internal import NIOCore

/// Joins an `HTTP2Session` to a channel and its streams to calls. Belongs to the channel's loop.
///
/// One flush follows a batch of reads or of writes; while the socket is full nothing is taken from
/// the session.
final class ConnectionHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  let session: HTTP2Session
  let maxMessageBytes: Int
  let logger: Logger
  /// What is sent goes to the socket as it is: no TLS.
  var isPlaintext = true
  /// Of a server's answers, unless their metadata says otherwise.
  var compressesByDefault = false
  let limits: ConnectionLife.Limits
  var life: ConnectionLife?
  var lifeTask: Scheduled<Void>?
  /// A server's count of PINGs that came too early.
  var strikes: PingPolicy.Strikes?
  /// What the peer did while the session reads; the connection ends over it afterwards.
  var complaint: HTTP2Failure?
  let metrics: TransportMetrics
  /// A client's: the server complains of PINGs.
  var onTooManyPings: (() -> Void)?
  /// A server's new call: its path, and the stream. Nil on a client.
  var onCall: ((CallStream, String) -> Void)?
  /// A client's connection is usable (true) or takes no more calls (false).
  var onUsable: ((Bool) -> Void)?
  var onInactive: (() -> Void)?

  var streams: [Int32: CallStream] = [:]
  private(set) var context: ChannelHandlerContext?
  private(set) var flushQueue: FlushQueue?
  private(set) var socket: SocketWriter?
  /// Writes that the channel holds, since the socket was full.
  var heldWrites = 0
  private var isFlushScheduled = false
  private var isReading = false
  private var isPulling = false
  /// The channel's, kept here: asked for at every flush.
  private var isWritable = true
  var hasReceived = false
  private(set) var isDraining = false
  private var awaitsShutdownPing = false
  private var shutdownPingTask: Scheduled<Void>?
  private(set) var isUsable = false
  /// Given up; what arrives is dropped.
  var isEnding = false

  /// - Parameter loop: The channel's.
  init(
    role: HTTP2Session.Role,
    http2: HTTP2Configuration,
    maxMessageBytes: Int,
    limits: ConnectionLife.Limits,
    metrics: TransportMetrics,
    loop: any EventLoop,
    logger: Logger
  ) throws {
    session = try HTTP2Session(role: role, configuration: http2, meter: metrics.meter(of: loop))
    self.metrics = metrics
    self.maxMessageBytes = maxMessageBytes
    self.limits = limits
    self.logger = logger
    session.delegate = self
  }

  // MARK: - Channel

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    flushQueue = FlushQueue.of(context.eventLoop)
    if context.channel.isActive { start(context) }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    stop()
  }

  func channelActive(context: ChannelHandlerContext) {
    start(context)
    context.fireChannelActive()
  }

  private func start(_ context: ChannelHandlerContext) {
    guard life == nil else { return }
    metrics.note(.opened)
    do {
      socket = try isPlaintext ? SocketWriter(context) : nil
    } catch {
      logger.debug("a connection has no socket any more", metadata: ["error": "\(error)"])
    }
    beginLife(on: context.eventLoop)
    flush()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    hasReceived = true
    isReading = true
    do {
      try buffer.withUnsafeReadableBytes { try session.receive($0) }
      if let complaint { end(over: complaint) }
    } catch let failure as HTTP2Failure {
      end(over: failure)
    } catch {
      context.close(promise: nil)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    isReading = false
    awaitHeaders()
    flush()
    context.fireChannelReadComplete()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    isWritable = context.channel.isWritable
    if isWritable { flush() } else { awaitReader() }
    context.fireChannelWritabilityChanged()
  }

  func channelInactive(context: ChannelHandlerContext) {
    stop()
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    logger.debug("a connection failed", metadata: ["error": "\(error)"])
    context.close(promise: nil)
  }

  private func stop() {
    guard context != nil else { return }
    context = nil
    socket = nil
    flushQueue = nil
    lifeTask?.cancel()
    shutdownPingTask?.cancel()
    if life != nil { metrics.note(.closed) }
    setUsable(false)
    endStreams()
    onInactive?()
    onInactive = nil
  }

  func endStreams() {
    // libnghttp2 does not report the streams of a session that ends; we do.
    let lost = RPCError(code: .unavailable, message: "the connection was lost")
    for stream in streams.values { close(stream, failure: lost) }
    session.meter.callsEnded(streams.count)
    streams.removeAll()
  }

  // MARK: - Sending

  /// Flushes once the current batch is over.
  func scheduleFlush() {
    guard !isFlushScheduled, !isReading, let flushQueue else { return }
    isFlushScheduled = true
    flushQueue.add(self)
  }

  /// While a batch is read, its end flushes.
  func flushUnlessReading() {
    if !isReading { flush() }
  }

  /// - Returns: How many bytes that were.
  func flushScheduled() -> Int {
    isFlushScheduled = false
    let before = session.pulledBytes
    flush()
    return session.pulledBytes - before
  }

  func flush() {
    guard let context, !isPulling, !isEnding else { return }
    isPulling = true
    defer { isPulling = false }
    do {
      while isWritable {
        guard try writeBatch(context) else { break }
      }
    } catch {
      logger.debug("a connection can't go on", metadata: ["error": "\(error)"])
      context.close(promise: nil)
      return
    }
    closeIfDone()
  }

  private func closeIfDone() {
    guard let context else { return }
    let isDone = isDraining && streams.isEmpty && !awaitsShutdownPing
    guard !session.isOpen || isDone else { return }
    if waitingBytes > 0 {
      closeWhenSent()
    } else if !session.isOpen {
      closeGently()
    } else {
      context.close(promise: nil)
    }
  }

  // MARK: - Life

  /// What the answer to a shutdown's PING may take at most.
  private static let shutdownPingTime = TimeAmount.seconds(5)

  /// Takes no new calls; closes when the running ones are over (RFC 9113 section 6.8).
  func beginGracefulShutdown() {
    guard !isDraining, context != nil else { return }
    isDraining = true
    setUsable(false)
    do {
      if session.role == .server {
        awaitsShutdownPing = true
        try session.announceShutdown()
        try session.ping()
      }
    } catch {
      context?.close(promise: nil)
      return
    }
    boundShutdownPing()
    // Of a client, this comes while the session reads.
    flushUnlessReading()
  }

  /// A peer that never answers the PING must not put the end off.
  private func boundShutdownPing() {
    guard awaitsShutdownPing, let context else { return }
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    shutdownPingTask = context.eventLoop.scheduleTask(in: Self.shutdownPingTime) {
      bound.value.finishShutdownPing()
    }
  }

  func closeNow() {
    session.terminate()
    flush()
    context?.close(promise: nil)
  }

  func setUsable(_ usable: Bool) {
    guard usable != isUsable else { return }
    isUsable = usable
    onUsable?(usable)
  }

  func finishShutdownPing() {
    guard awaitsShutdownPing else { return }
    awaitsShutdownPing = false
    shutdownPingTask?.cancel()
    do {
      try session.refuseNewStreams()
      scheduleFlush()
    } catch {
      context?.close(promise: nil)
    }
  }

  /// The call's task is over, or gave up.
  func abandon(_ stream: CallStream) {
    guard !stream.isClosed else { return }
    if stream.id != 0 {
      session.reset(stream.id, errorCode: HTTP2ErrorCode.cancel)
      scheduleFlush()
    }
    close(stream, failure: RPCError(code: .cancelled, message: "the call was cancelled"))
  }

  /// Ends a call here; the map forgets it when libnghttp2 has.
  func close(_ stream: CallStream, failure: RPCError) {
    guard !stream.isClosed else { return }
    stream.isClosed = true
    stream.endInbound(.failure(failure))
    stream.failOutbound(failure)
    if case .server(let call) = stream.side {
      call.deadline?.cancel()
      stream.cancelHandler()
    }
  }
}
