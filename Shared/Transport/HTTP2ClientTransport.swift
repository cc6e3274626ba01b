package import GRPCCore
internal import HTTP2
package import Logging
package import NIOCore
internal import Synchronization

/// gRPC over HTTP/2, with TLS or without, to the first of several endpoints that answers.
///
/// `connect` keeps one connection open: when it takes no more calls the endpoints are tried again, with
/// waits between rounds. Calls wait while a connection is made; once a round failed, only those that
/// ask to (`CallOptions.waitForReady`) do.
package final class HTTP2ClientTransport: ClientTransport {
  package typealias Bytes = TransportBytes
  package typealias Inbound = RPCAsyncSequence<RPCResponsePart<Bytes>, any Error>
  package typealias Outbound = RPCWriter<RPCRequestPart<Bytes>>.Closable

  package let retryThrottle: RetryThrottle? = nil

  private let endpoints: [TransportAddress]
  private let configuration: ClientTransportConfiguration
  private let group: any EventLoopGroup
  private let logger: Logger
  private let state: ClientState

  /// - Parameter endpoints: At least one; tried in this order.
  package init(
    endpoints: [TransportAddress],
    configuration: ClientTransportConfiguration = .init(),
    group: any EventLoopGroup,
    logger: Logger
  ) {
    self.endpoints = endpoints
    self.configuration = configuration
    self.group = group
    self.logger = logger
    state = ClientState()
  }

  package func config(forMethod descriptor: MethodDescriptor) -> MethodConfig? { nil }

  /// Whether a connection is open and takes calls.
  package var isReady: Bool { state.isReady }

  /// What the connection is now.
  package var connectivity: ConnectivityState { state.connectivity }

  /// What the connection is now, then every change until the end; a slow reader misses the oldest ones.
  package func connectivityStates() -> AsyncStream<ConnectivityState> { state.watch() }

  /// Keeps a connection open until `beginGracefulShutdown` and the last call is over.
  package func connect() async throws {
    defer { state.shutDown() }
    try await withTaskCancellationHandler {
      try await withThrowingDiscardingTaskGroup { group in
        var keeper = Keeper(self)
        try await keeper.run { connection in
          group.addTask { [state] in await state.outlive(connection) }
        }
      }
    } onCancel: {
      state.cancel()
    }
  }

  /// Does what `PickFirst` says.
  private struct Keeper {
    let transport: HTTP2ClientTransport
    var pick: PickFirst<Target>
    var configuration: ClientTransportConfiguration
    var failure = RPCError(code: .unavailable, message: "there is no endpoint")

    init(_ transport: HTTP2ClientTransport) {
      self.transport = transport
      configuration = transport.configuration
      pick = PickFirst(
        endpoints: transport.endpoints.count,
        backoff: transport.configuration.backoff
      )
    }

    private var random: Double { Double.random(in: -1 ... 1) }

    /// - Parameter leave: Takes a connection that takes no more calls.
    mutating func run(leave: (ClientConnection) -> Void) async throws {
      var step = pick.begin()
      while !transport.state.isShutDown {
        transport.state.report(pick.state)
        switch step {
        case .resolve(let endpoint):
          step = pick.resolved(await resolve(transport.endpoints[endpoint]), random: random)
        case .connect(let target): step = try await connect(target, leave)
        case .wait(let time):
          if pick.state == .transientFailure { transport.state.failed(failure) }
          try await transport.state.pause(for: time)
          step = pick.begin()
        case .stop: return
        }
        try Task.checkCancellation()
      }
    }

    private mutating func resolve(_ endpoint: TransportAddress) async -> [Target] {
      do {
        let addresses: [SocketAddress]
        switch endpoint {
        case .unix(let path): addresses = [try SocketAddress(unixDomainSocketPath: path)]
        case .tcp(let host, let port):
          addresses = try await configuration.resolver.addresses(of: host, port: port)
        }
        if addresses.isEmpty {
          throw NameResolver.Failure(host: "\(endpoint)", reason: "no address")
        }
        return addresses.map { Target(endpoint: endpoint, address: $0) }
      } catch {
        failure = unreachable(endpoint, error)
        return []
      }
    }

    private mutating func connect(
      _ target: Target,
      _ leave: (ClientConnection) -> Void
    ) async throws -> PickFirst<Target>.Step {
      let connection: ClientConnection
      do {
        connection = try await ClientConnection.open(
          target.endpoint,
          at: target.address,
          configuration: configuration,
          group: transport.group,
          logger: transport.logger
        )
      } catch {
        try Task.checkCancellation()
        failure = unreachable(target.endpoint, error)
        return pick.failed(random: random)
      }
      var isResented = false
      let wasUsable = await transport.state.use(connection) { isResented = true }
      leave(connection)
      if isResented { configuration.keepalive = configuration.keepalive.map { $0 * 2 } }
      guard wasUsable else {
        failure = RPCError(code: .unavailable, message: connection.security.failure)
        return pick.failed(random: random)
      }
      pick.connected()
      return pick.lost(random: random)
    }

    private func unreachable(_ endpoint: TransportAddress, _ error: any Error) -> RPCError {
      RPCError(code: .unavailable, message: "\(endpoint) can't be reached: \(error)")
    }
  }

  /// One of an endpoint's addresses.
  private struct Target: Hashable {
    let endpoint: TransportAddress
    let address: SocketAddress
  }

  package func beginGracefulShutdown() {
    state.shutDown()
  }

  package func withStream<T: Sendable>(
    descriptor: MethodDescriptor,
    options: CallOptions,
    _ closure: @concurrent (RPCStream<Inbound, Outbound>, ClientContext) async throws -> T
  ) async throws -> T {
    let connection = try await state.connection(waitForReady: options.waitForReady ?? false)
    let handle = try await connection.makeCall(
      path: "/" + descriptor.fullyQualifiedMethod,
      compresses: options.compression.map { $0 == .gzip } ?? configuration.compressesRequests,
      maxRequestBytes: options.maxRequestMessageBytes,
      maxResponseBytes: options.maxResponseMessageBytes ?? configuration.maxReceivedMessageBytes
    )
    defer { handle.abandon() }
    let stream = RPCStream(
      descriptor: descriptor,
      inbound: RPCAsyncSequence(wrapping: InboundSequence.responses(of: handle)),
      outbound: RPCWriter.Closable(wrapping: OutboundWriter.requests(of: handle))
    )
    return try await closure(
      stream,
      ClientContext(
        descriptor: descriptor,
        remotePeer: connection.remotePeer,
        localPeer: connection.localPeer
      )
    )
  }
}
