package import GRPCCore
internal import HTTP2
package import Logging
package import NIOCore
internal import NIOPosix
internal import Synchronization

/// A server that could not listen.
package struct ListenFailure: Error, Hashable, Sendable, CustomStringConvertible {
  package let address: TransportAddress
  /// Another program has the port or the socket.
  package let isInUse: Bool
  package let reason: String

  package var description: String {
    isInUse
      ? "\(address) is taken by another program; stop it or choose another address"
      : "\(address) can't be listened on: \(reason)"
  }
}

/// gRPC over HTTP/2, with TLS or without ("prior knowledge", RFC 9113 section 3.3), on TCP or a unix
/// socket.
package final class HTTP2ServerTransport: ServerTransport {
  package typealias Bytes = TransportBytes
  package typealias Inbound = RPCAsyncSequence<RPCRequestPart<Bytes>, any Error>
  package typealias Outbound = RPCWriter<RPCResponsePart<Bytes>>.Closable

  private enum Phase {
    case idle
    case listening(any Channel)
    case stopped
  }

  private struct State {
    var phase = Phase.idle
    var connections: [ObjectIdentifier: ServerConnection] = [:]
    var accepted: AsyncStream<ServerConnection>.Continuation?
    var memory = MemoryReturn()
  }

  private let address: TransportAddress
  private let configuration: ServerTransportConfiguration
  private let group: any EventLoopGroup
  private let logger: Logger
  private let state = Mutex(State())
  private let bound: AsyncStream<Result<TransportAddress, any Error>>
  private let boundContinuation: AsyncStream<Result<TransportAddress, any Error>>.Continuation
  private let boundAddress = Mutex<Result<TransportAddress, any Error>?>(nil)

  package init(
    address: TransportAddress,
    configuration: ServerTransportConfiguration = .init(),
    group: any EventLoopGroup,
    logger: Logger
  ) {
    self.address = address
    self.configuration = configuration
    self.group = group
    self.logger = logger
    (bound, boundContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Where it listens, with the real port; waits until it does. For one waiter at a time.
  ///
  /// - Throws: `ListenFailure`; `CancellationError`.
  package var listeningAddress: TransportAddress {
    get async throws {
      if let known = boundAddress.withLock({ $0 }) { return try known.get() }
      for await result in bound { return try result.get() }
      if let known = boundAddress.withLock({ $0 }) { return try known.get() }
      throw CancellationError()
    }
  }

  /// Serves until `beginGracefulShutdown` and all calls are over; when cancelled, ends at once.
  ///
  /// - Throws: `ListenFailure`.
  package func listen(
    streamHandler:
      @escaping @concurrent @Sendable (RPCStream<Inbound, Outbound>, ServerContext) async -> Void
  ) async throws {
    let (accepted, continuation) = AsyncStream.makeStream(of: ServerConnection.self)
    let channel: any Channel
    do {
      channel = try await bind(continuation)
    } catch {
      let failure = ListenFailure(
        address: address,
        isInUse: (error as? IOError)?.errnoCode == EADDRINUSE,
        reason: (error as? IOError).map { String(describing: $0) } ?? "\(error)"
      )
      announce(.failure(failure))
      throw failure
    }
    let isStopped = state.withLock { state in
      if case .stopped = state.phase { return true }
      state.phase = .listening(channel)
      state.accepted = continuation
      return false
    }
    announce(.success(TransportAddress(channel.localAddress, or: address)))
    if isStopped {
      continuation.finish()
      try await channel.close()
    }
    await withTaskCancellationHandler {
      await withDiscardingTaskGroup { group in
        for await connection in accepted {
          state.withLock { state in
            state.connections[ObjectIdentifier(connection)] = connection
            state.memory.opened(now: state.connections.count)
          }
          group.addTask(executorPreference: connection.executor) {
            await connection.run(streamHandler)
            self.forget(connection)
          }
        }
      }
    } onCancel: {
      stop { $0.closeNow() }
    }
    // Until then the address is taken; who restarts at once would meet it.
    try await channel.closeFuture.get()
  }

  private func forget(_ connection: ServerConnection) {
    let mustReturnMemory = state.withLock { state in
      state.connections[ObjectIdentifier(connection)] = nil
      return state.memory.closed(now: state.connections.count)
    }
    guard mustReturnMemory else { return }
    group.next().scheduleTask(in: MemoryReturn.delay) { [weak self] in
      self?.state.withLock { $0.memory.due(now: $0.connections.count) }
      MemoryReturn.perform()
    }
  }

  /// Takes no new connections and calls; running ones get the drain time, then are cancelled.
  package func beginGracefulShutdown() {
    let drain = TimeAmount(configuration.drain)
    stop { $0.beginGracefulShutdown(drain: drain) }
  }

  private func stop(_ end: (ServerConnection) -> Void) {
    let (channel, connections, accepted) = state.withLock { state in
      var channel: (any Channel)?
      if case .listening(let listening) = state.phase { channel = listening }
      state.phase = .stopped
      return (channel, Array(state.connections.values), state.accepted)
    }
    channel?.close(promise: nil)
    accepted?.finish()
    boundContinuation.finish()
    connections.forEach(end)
  }

  private func announce(_ result: Result<TransportAddress, any Error>) {
    boundAddress.withLock { $0 = result }
    boundContinuation.yield(result)
    boundContinuation.finish()
  }

  private func bind(
    _ accepted: AsyncStream<ServerConnection>.Continuation
  ) async throws
    -> any Channel
  {
    let (configuration, logger) = (configuration, logger)
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let handler = try ConnectionHandler(
            role: .server,
            http2: configuration.http2,
            maxMessageBytes: configuration.maxReceivedMessageBytes,
            limits: configuration.life,
            metrics: configuration.metrics,
            loop: channel.eventLoop,
            logger: logger
          )
          handler.strikes = PingPolicy.Strikes(configuration.pings)
          handler.compressesByDefault = configuration.compressesResponses
          handler.isPlaintext = configuration.tls == nil
          let connection = ServerConnection(
            handler,
            channel: channel,
            runsOnLoop: configuration.runsOnLoop
          )
          try connection.security.guardServer(
            channel,
            configuration: configuration,
            logger: logger
          )
          try channel.pipeline.syncOperations.addHandler(handler)
          if case .terminated = accepted.yield(connection) { channel.close(promise: nil) }
        }
      }
      .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 * 1024, high: 256 * 1024))
    switch address {
    case .tcp(let host, let port):
      return try await bootstrap.childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .bind(host: host, port: port).get()
    case .unix(let path):
      try removeStaleSocket(path)
      return try await bootstrap.bind(unixDomainSocketPath: path).get()
    }
  }
}

extension TransportAddress {
  init(_ address: SocketAddress?, or fallback: TransportAddress) {
    if case .unix = fallback { self = fallback } else { self.init(address) }
  }
}
