import Foundation
import GRPCCore
import HTTP2
import Logging
import NIOCore
import NIOPosix
import Synchronization
import TLS
import TLSSupport
import Testing
import Transport

@Suite(.serialized) struct `TLS on the transport` {
  let authority: TestAuthority
  let files: TestAuthority.Files

  init() throws {
    authority = try TestAuthority()
    files = try authority.issue("server")
  }

  private func server(
    _ clients: TLSRole.ClientCertificates = .none
  ) throws -> ServerTransportConfiguration {
    var configuration = ServerTransportConfiguration()
    configuration.tls = try ReloadingTLSContext(
      role: .server(clients),
      credentials: TLSCredentials(
        certificate: files.certificate,
        key: files.key,
        trustRoots: clients == .none ? nil : authority.rootFile
      ),
      logger: quiet
    )
    return configuration
  }

  private func client(
    _ own: TestAuthority.Files? = nil,
    trusting roots: String? = nil
  ) throws -> ClientTransportConfiguration {
    var configuration = ClientTransportConfiguration()
    configuration.tls = try ReloadingTLSContext(
      role: .client,
      credentials: TLSCredentials(
        certificate: own?.certificate,
        key: own?.key,
        trustRoots: roots ?? authority.rootFile
      ),
      logger: quiet
    )
    return configuration
  }

  /// What a call to the server says when no connection comes to be.
  private func refusal(
    server: ServerTransportConfiguration,
    client: ClientTransportConfiguration
  ) async throws -> String {
    let message = Mutex("")
    try await withEcho(server: server, client: client) { _, client, _ in
      let error = await #expect(throws: RPCError.self) { try await client.echo("Collect", [[1]]) }
      #expect(error?.code == .unavailable)
      message.withLock { $0 = error?.message ?? "" }
    }
    return message.withLock { $0 }
  }

  @Test func `calls of all kinds go over TLS`() async throws {
    try await withEcho(server: server(), client: client()) { _, client, _ in
      let all = try await client.echo("Collect", [[1], [2, 3]]).messages
      #expect(all == [[1, 2, 3]])
      let each = try await client.echo("Expand", [[1, 2, 3]]).messages
      #expect(each == [[1], [2], [3]])
      let error = await #expect(throws: RPCError.self) { try await client.echo("Fail", [[1]]) }
      #expect(error?.code == .failedPrecondition)
      let big = [UInt8](repeating: 7, count: 3_000_000)
      let returned = try await client.echo("Update", [big, big]).messages
      #expect(returned == [big, big])
    }
  }

  @Test func `a slow reader stops the server over TLS too`() async throws {
    let server = try server()
    try await withEcho(server: server, client: client()) { echo, client, _ in
      try await client.bidirectionalStreaming(
        request: StreamingClientRequest<[UInt8]> { try await $0.write([]) },
        descriptor: EchoService.method("Flood"),
        serializer: RawSerializer(),
        deserializer: RawDeserializer(),
        options: .defaults
      ) { response in
        var iterator = response.messages.makeAsyncIterator()
        _ = try await iterator.next()
        let isStopped = try await eventually { server.metrics.values.traffic.stalls > 0 }
        #expect(isStopped)
        // However much is read, the server is never further ahead than the windows and buffers let it.
        for read in 0 ..< 600 {
          #expect(echo.flooded.withLock { $0 } - read < 200)
          _ = try await iterator.next()
        }
      }
    }
  }

  @Test func `a service learns who calls`() async throws {
    let node = try authority.issue("node", commonName: "node-7", names: ["DNS:node-7"])
    for (own, clients) in [(node, TLSRole.ClientCertificates.required), (nil, .optional)] {
      try await withEcho(server: server(clients), client: client(own)) { echo, client, _ in
        _ = try await client.echo("Collect", [[1]])
        #expect(
          echo.callers.withLock { $0.map { $0?.commonName } } == [own == nil ? nil : "node-7"]
        )
      }
    }
  }

  @Test func `the server's name may be another than the host's`() async throws {
    let named = try authority.issue("named", names: ["DNS:control.example"])
    var server = try server()
    server.tls = try ReloadingTLSContext(
      role: .server(.none),
      credentials: TLSCredentials(certificate: named.certificate, key: named.key),
      logger: quiet
    )
    var client = try client()
    let wrong = try await refusal(server: server, client: client)
    #expect(wrong.contains("another name"))
    client.tlsServerName = "control.example"
    try await withEcho(server: server, client: client) { _, client, _ in
      let answered = try await client.echo("Collect", [[4]]).messages
      #expect(answered == [[4]])
    }
  }

  @Test func `a call says why there is no connection`() async throws {
    let missing = try await refusal(server: server(.required), client: client())
    #expect(missing.contains("requires a certificate of ours"), "\(missing)")
    let other = try TestAuthority(name: "Another Root")
    let unknown = try await refusal(server: server(), client: client(trusting: other.rootFile))
    #expect(unknown.contains("trust roots"), "\(unknown)")
    let plaintextServer = try await refusal(server: .init(), client: client())
    #expect(plaintextServer.contains("does not speak TLS"), "\(plaintextServer)")
    let plaintextClient = try await refusal(server: server(), client: .init())
    #expect(plaintextClient.contains("the server speaks TLS"), "\(plaintextClient)")
  }

  @Test func `a certificate is replaced while a call goes on`() async throws {
    let configuration = try server()
    let tls = try #require(configuration.tls)
    let next = try authority.issue("next")
    let (files, authority) = (files, try client())
    try await withEcho(server: configuration, client: authority) { _, client, address in
      let (gate, open) = AsyncStream.makeStream(of: Void.self)
      let received = try await client.bidirectionalStreaming(
        request: StreamingClientRequest<[UInt8]> { writer in
          try await writer.write([1])
          for await _ in gate { break }
          try await writer.write([2])
        },
        descriptor: EchoService.method("Update"),
        serializer: RawSerializer(),
        deserializer: RawDeserializer(),
        options: .defaults
      ) { response in
        var received: [[UInt8]] = []
        for try await message in response.messages {
          received.append(message)
          guard received.count == 1 else { continue }
          for (from, to) in [(next.certificate, files.certificate), (next.key, files.key)] {
            try Data(contentsOf: URL(filePath: from)).write(to: URL(filePath: to), options: .atomic)
          }
          #expect(tls.reloadIfChanged())
          let second = HTTP2ClientTransport(
            endpoints: [address],
            configuration: authority,
            group: .singletonMultiThreadedEventLoopGroup,
            logger: quiet
          )
          try await withGRPCClient(transport: second) { client in
            let answered = try await client.echo("Collect", [[9]]).messages
            #expect(answered == [[9]])
          }
          open.finish()
        }
        return received
      }
      #expect(received == [[1], [2]])
    }
  }

  // MARK: - Bad peers

  @Test func `plaintext to a TLS port is answered by an alert and closed`() async throws {
    try await withEchoServer(configuration: server()) { _, address, _ in
      let answer = try await send(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8), to: address)
      #expect(answer.first == 0x15)
    }
  }

  @Test func `a silent and a slow client are closed when the handshake's time is up`() async throws
  {
    var configuration = try server()
    configuration.handshakeTimeout = .milliseconds(100)
    try await withEchoServer(configuration: configuration) { _, address, _ in
      let silent = try await send([], to: address)
      #expect(silent == [])
      let slow = try await send([0x16, 0x03], to: address)
      #expect(slow == [])
    }
  }

  @Test func `a hundred connections cut at any byte leave nothing behind`() async throws {
    try await withEchoServer(configuration: server()) { [root = authority.rootFile] _, address, _ in
      let context = try TLSContext(role: .client, credentials: TLSCredentials(trustRoots: root))
      for round in 0 ..< 100 {
        // Each has another length of a real handshake's first bytes, then is cut.
        let session = try TLSSession(context: context, serverName: "localhost")
        try session.start()
        let hello = session.takeOutput() ?? ByteBuffer()
        guard case .tcp(let host, let port) = address else { return }
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
          .connect(host: host, port: port).get()
        let part = hello.getSlice(
          at: hello.readerIndex,
          length: round * hello.readableBytes / 99
        )
        try await channel.writeAndFlush(part ?? hello)
        try await channel.close()
      }
      let areGone = try await eventually { TLSSession.liveCount == 0 }
      #expect(areGone)
    }
  }
}

/// Connects, sends `bytes`, and waits until the server closes.
private func send(_ bytes: [UInt8], to address: TransportAddress) async throws -> [UInt8] {
  guard case .tcp(let host, let port) = address else { return [] }
  let (received, continuation) = AsyncStream.makeStream(of: [UInt8].self)
  let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(Collector(continuation))
      }
    }
    .connect(host: host, port: port).get()
  if !bytes.isEmpty { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) }
  var all: [UInt8] = []
  for await part in received { all += part }
  return all
}

/// Passes on what arrives until the channel is closed.
private final class Collector: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let continuation: AsyncStream<[UInt8]>.Continuation

  init(_ continuation: AsyncStream<[UInt8]>.Continuation) {
    self.continuation = continuation
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    continuation.yield(Array(unwrapInboundIn(data).readableBytesView))
  }

  func channelInactive(context: ChannelHandlerContext) { continuation.finish() }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }
}
