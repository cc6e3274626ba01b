import GRPCCore
import Logging
import NIOCore
import NIOPosix
import Transport
import Wire

/// A server with the echo service and the health service, and a client, on real sockets.
func withEcho(
  at address: TransportAddress = .tcp(host: "127.0.0.1", port: 0),
  server configuration: ServerTransportConfiguration = .init(),
  client clientConfiguration: ClientTransportConfiguration = .init(),
  _ body:
    @escaping @Sendable (EchoService, GRPCClient<HTTP2ClientTransport>, TransportAddress)
    async throws -> Void
) async throws {
  try await withEchoServer(at: address, configuration: configuration) { echo, address, _ in
    let transport = HTTP2ClientTransport(
      endpoints: [address],
      configuration: clientConfiguration,
      group: .singletonMultiThreadedEventLoopGroup,
      logger: quiet
    )
    try await withGRPCClient(transport: transport) { try await body(echo, $0, address) }
  }
}

func withEchoServer(
  at address: TransportAddress = .tcp(host: "127.0.0.1", port: 0),
  configuration: ServerTransportConfiguration = .init(),
  _ body:
    @escaping @Sendable (EchoService, TransportAddress, GRPCServer<HTTP2ServerTransport>)
    async throws -> Void
) async throws {
  let echo = EchoService()
  let health = HealthService()
  health.setStatus(.serving, of: "")
  let transport = HTTP2ServerTransport(
    address: address,
    configuration: configuration,
    group: .singletonMultiThreadedEventLoopGroup,
    logger: quiet
  )
  let server = GRPCServer(transport: transport, services: [echo, health])
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await server.serve() }
    let bound = try await transport.listeningAddress
    do {
      try await body(echo, bound, server)
    } catch {
      group.cancelAll()
      throw error
    }
    server.beginGracefulShutdown()
    try await group.waitForAll()
  }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

extension EventLoopGroup where Self == MultiThreadedEventLoopGroup {
  static var singletonMultiThreadedEventLoopGroup: MultiThreadedEventLoopGroup { .singleton }
}

extension GRPCClient<HTTP2ClientTransport> {
  /// Calls a method of the echo service: sends `messages`, then reads all.
  func echo(
    _ method: String,
    _ messages: [[UInt8]],
    metadata: Metadata = [:],
    options: CallOptions = .defaults
  ) async throws -> (initial: Metadata, messages: [[UInt8]], trailing: Metadata) {
    try await bidirectionalStreaming(
      request: StreamingClientRequest(metadata: metadata) { writer in
        for message in messages { try await writer.write(message) }
      },
      descriptor: EchoService.method(method),
      serializer: RawSerializer(),
      deserializer: RawDeserializer(),
      options: options
    ) { response in
      let contents = try response.accepted.get()
      var received: [[UInt8]] = []
      var trailing = Metadata()
      for try await part in contents.bodyParts {
        switch part {
        case .message(let message): received.append(message)
        case .trailingMetadata(let metadata): trailing = metadata
        }
      }
      return (contents.metadata, received, trailing)
    }
  }
}

/// Waits until `condition` holds; gives up after ten seconds.
func eventually(_ condition: () -> Bool) async throws -> Bool {
  let deadline = ContinuousClock.now + .seconds(10)
  while ContinuousClock.now < deadline {
    if condition() { return true }
    try await Task.sleep(for: .milliseconds(5))
  }
  return condition()
}
