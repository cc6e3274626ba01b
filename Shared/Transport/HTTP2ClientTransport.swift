package import GRPCCore
internal import HTTP2
package import Logging
package import NIOCore
internal import Synchronization

/// gRPC over HTTP/2, with TLS or without, to the first of several endpoints that answers.
///
/// `connect` keeps one connection open: when it is lost, the next endpoint is tried, with waits
/// between rounds. Calls wait while a connection is made; once an attempt failed, only those that
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

  /// Keeps a connection open until `beginGracefulShutdown` and the last call is over.
  package func connect() async throws {
    defer { state.shutDown() }
    try await withTaskCancellationHandler {
      var failures = 0
      while !state.isShutDown {
        for endpoint in endpoints where !state.isShutDown {
          let connection: ClientConnection
          do {
            connection = try await ClientConnection.open(
              endpoint,
              configuration: configuration,
              group: group,
              logger: logger
            )
          } catch {
            try Task.checkCancellation()
            failures += 1
            state.failed(
              RPCError(code: .unavailable, message: "\(endpoint) can't be reached: \(error)")
            )
            continue
          }
          if await state.use(connection) { failures = 0 } else { failures += 1 }
          break
        }
        guard !state.isShutDown else { break }
        try await state.pause(
          for: configuration.backoff.delay(
            failures: failures,
            random: Double.random(in: -1 ... 1)
          )
        )
      }
    } onCancel: {
      state.cancel()
    }
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
