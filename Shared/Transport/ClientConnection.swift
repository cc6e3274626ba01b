internal import GRPCCore
internal import HTTP2
internal import Logging
internal import NIOCore
internal import NIOPosix

/// An open connection of a client.
final class ClientConnection: Sendable {
  /// What becomes of a connection, in this order but for complaints.
  enum Event: Sendable {
    case tooManyPings
    case usable
    case unusable
    case closed
  }

  let remotePeer: String
  let localPeer: String
  let events: AsyncStream<Event>
  let security: ConnectionSecurity
  private let authority: String
  private let channel: any Channel
  private let handler: NIOLoopBound<ConnectionHandler>

  private init(
    channel: any Channel,
    handler: NIOLoopBound<ConnectionHandler>,
    events: AsyncStream<Event>,
    security: ConnectionSecurity,
    authority: String
  ) {
    self.channel = channel
    self.handler = handler
    self.events = events
    self.security = security
    self.authority = authority
    remotePeer = TransportAddress(channel.remoteAddress).peerName
    localPeer = TransportAddress(channel.localAddress).peerName
  }

  /// Connects.
  ///
  /// - Throws: What the system says when nobody listens or the time is up.
  static func open(
    _ address: TransportAddress,
    at target: SocketAddress,
    configuration: ClientTransportConfiguration,
    group: any EventLoopGroup,
    logger: Logger
  ) async throws -> ClientConnection {
    let (events, continuation) = AsyncStream.makeStream(of: Event.self)
    let loop = group.next()
    let security = ConnectionSecurity()
    let handler = try await loop.submit {
      let handler = try ConnectionHandler(
        role: .client,
        http2: configuration.http2,
        maxMessageBytes: configuration.maxReceivedMessageBytes,
        limits: configuration.life,
        metrics: configuration.metrics,
        loop: loop,
        logger: logger
      )
      handler.isPlaintext = configuration.tls == nil
      handler.onUsable = { continuation.yield($0 ? .usable : .unusable) }
      handler.onTooManyPings = { continuation.yield(.tooManyPings) }
      handler.onInactive = {
        continuation.yield(.closed)
        continuation.finish()
      }
      return NIOLoopBound(handler, eventLoop: loop)
    }.get()
    let bootstrap = ClientBootstrap(group: loop)
      .connectTimeout(TimeAmount(configuration.connectTimeout))
      .channelOption(.writeBufferWaterMark, value: .init(low: 64 * 1024, high: 256 * 1024))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try security.guardClient(
            channel,
            to: address,
            configuration: configuration,
            logger: logger
          )
          try channel.pipeline.syncOperations.addHandler(handler.value)
        }
      }
    let channel: any Channel
    let authority: String
    switch address {
    case .tcp:
      authority = configuration.tlsServerName ?? address.description
      channel = try await bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
        .connect(to: target).get()
    case .unix:
      authority = configuration.tlsServerName ?? "localhost"
      channel = try await bootstrap.connect(to: target).get()
    }
    return ClientConnection(
      channel: channel,
      handler: handler,
      events: events,
      security: security,
      authority: authority
    )
  }

  /// A call; its request goes out with the first write.
  func makeCall(
    path: String,
    compresses: Bool,
    maxRequestBytes: Int?,
    maxResponseBytes: Int
  ) async throws -> CallHandle {
    let (loop, handler, authority) = (channel.eventLoop, handler, authority)
    return try await loop.submit {
      let connection = handler.value
      guard connection.context != nil, !connection.isDraining, !connection.isEnding else {
        throw RPCError(code: .unavailable, message: "the connection was lost")
      }
      let stream = CallStream(
        connection: connection,
        side: .client(ClientCall(path: path, authority: authority)),
        maxMessageBytes: maxResponseBytes
      )
      stream.compresses = compresses
      stream.maxSentBytes = maxRequestBytes
      return CallHandle(stream, loop: loop)
    }.get()
  }

  /// Takes no more calls; closes when the running ones are over.
  func finish() {
    let handler = handler
    channel.eventLoop.execute { handler.value.beginGracefulShutdown() }
  }

  func closeNow() {
    let handler = handler
    channel.eventLoop.execute { handler.value.closeNow() }
  }
}
