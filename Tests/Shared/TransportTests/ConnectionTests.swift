import GRPCCore
import NIOCore
import NIOPosix
import Testing
import Transport

@Suite struct `Connections of the transport` {
  @Test func `a port that is taken is said so`() async throws {
    try await withEchoServer { _, address, _ in
      let second = HTTP2ServerTransport(
        address: address,
        group: MultiThreadedEventLoopGroup.singleton,
        logger: quiet
      )
      let failure = await #expect(throws: ListenFailure.self) {
        try await second.listen { _, _ in }
      }
      #expect(failure?.isInUse == true)
      #expect(failure?.address == address)
    }
  }

  @Test func `a socket file that a dead server left is taken over, a live one is not`() async throws
  {
    let path = "/tmp/bindery-transport-\(UInt32.random(in: 0 ... .max)).sock"
    let first = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(unixDomainSocketPath: path).get()
    let second = HTTP2ServerTransport(
      address: .unix(path: path),
      group: MultiThreadedEventLoopGroup.singleton,
      logger: quiet
    )
    let failure = await #expect(throws: ListenFailure.self) { try await second.listen { _, _ in } }
    #expect(failure?.isInUse == true)
    try await first.close()
    try await withEcho(at: .unix(path: path)) { _, client, _ in
      let answered = try await client.echo("Collect", [[1]]).messages
      #expect(answered == [[1]])
    }
  }

  @Test func `with nobody listening a call fails at once, or waits when asked to`() async throws {
    let address = TransportAddress.unix(
      path: "/tmp/bindery-transport-\(UInt32.random(in: 0 ... .max)).sock"
    )
    let transport = HTTP2ClientTransport(
      endpoints: [address],
      group: MultiThreadedEventLoopGroup.singleton,
      logger: quiet
    )
    try await withGRPCClient(transport: transport) { client in
      let error = await #expect(throws: RPCError.self) { try await client.echo("Collect", [[1]]) }
      #expect(error?.code == .unavailable)
      try await withEchoServer(at: address) { _, _, _ in
        var options = CallOptions.defaults
        options.waitForReady = true
        let answered = try await client.echo("Collect", [[2]], options: options).messages
        #expect(answered == [[2]])
      }
    }
  }

  @Test func `a client finds the server again after a restart`() async throws {
    let path = "/tmp/bindery-transport-\(UInt32.random(in: 0 ... .max)).sock"
    let transport = HTTP2ClientTransport(
      endpoints: [.unix(path: path)],
      group: MultiThreadedEventLoopGroup.singleton,
      logger: quiet
    )
    try await withGRPCClient(transport: transport) { client in
      var options = CallOptions.defaults
      options.waitForReady = true
      let patient = options
      for round in UInt8(0) ..< 3 {
        try await withEchoServer(at: .unix(path: path)) { _, _, _ in
          let answered = try await client.echo("Collect", [[round]], options: patient).messages
          #expect(answered == [[round]])
        }
        let happened = try await eventually { !transport.isReady }
        #expect(happened)
      }
    }
  }

  @Test func `a graceful shutdown lets a running call end and takes no new one`() async throws {
    try await withEchoServer { _, address, server in
      let transport = HTTP2ClientTransport(
        endpoints: [address],
        group: MultiThreadedEventLoopGroup.singleton,
        logger: quiet
      )
      try await withGRPCClient(transport: transport) { client in
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let answer = try await client.bidirectionalStreaming(
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
            if received.count == 1 {
              server.beginGracefulShutdown()
              let happened = try await eventually { !transport.isReady }
              #expect(happened)
              open.finish()
            }
          }
          return received
        }
        #expect(answer == [[1], [2]])
      }
    }
  }
}
