import GRPCCore
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Transport

@Suite struct `Connections that come and go` {
  private func client(
    _ endpoints: [TransportAddress],
    _ change: (inout ClientTransportConfiguration) -> Void = { _ in }
  ) -> HTTP2ClientTransport {
    var configuration = ClientTransportConfiguration()
    change(&configuration)
    return HTTP2ClientTransport(
      endpoints: endpoints,
      configuration: configuration,
      group: MultiThreadedEventLoopGroup.singleton,
      logger: quiet
    )
  }

  /// Waits for a state and returns all that came until then.
  private func states(
    of transport: HTTP2ClientTransport,
    until wanted: ConnectivityState
  ) async -> [ConnectivityState] {
    var seen: [ConnectivityState] = []
    for await state in transport.connectivityStates() {
      seen.append(state)
      if state == wanted { break }
    }
    return seen
  }

  @Test func `at its age a connection is left by new calls, and running ones go on`() async throws {
    var configuration = ServerTransportConfiguration()
    configuration.maxConnectionAge = .milliseconds(200)
    try await withEchoServer(configuration: configuration) { _, address, _ in
      let transport = client([address])
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
            guard received.count == 1 else { continue }
            // Others go over new connections meanwhile, several in a row.
            for _ in 0 ..< 3 {
              for await state in transport.connectivityStates() where state != .ready { break }
              var options = CallOptions.defaults
              options.waitForReady = true
              let beside = try await client.echo("Collect", [[7]], options: options).messages
              #expect(beside == [[7]])
            }
            open.finish()
          }
          return received
        }
        #expect(answer == [[1], [2]])
      }
    }
  }

  @Test func `after the grace running calls are ended`() async throws {
    var configuration = ServerTransportConfiguration()
    configuration.maxConnectionAge = .milliseconds(100)
    configuration.maxConnectionAgeGrace = .milliseconds(100)
    try await withEcho(server: configuration) { echo, client, _ in
      let error = await #expect(throws: RPCError.self) { try await client.echo("Hang", [[1]]) }
      #expect(error?.code == .unavailable)
      let happened = try await eventually { echo.cancelled.withLock { $0 } == 1 }
      #expect(happened)
    }
  }

  @Test func `a connection without calls is ended, one with a call is not`() async throws {
    var configuration = ServerTransportConfiguration()
    configuration.maxConnectionIdle = .milliseconds(200)
    try await withEchoServer(configuration: configuration) { _, address, _ in
      let transport = client([address])
      try await withGRPCClient(transport: transport) { client in
        _ = await states(of: transport, until: .ready)
        var left = 0
        for await state in transport.connectivityStates() where state == .connecting {
          left += 1
          if left == 2 { break }
        }
        var options = CallOptions.defaults
        options.timeout = .milliseconds(800)
        options.waitForReady = true
        let error = await #expect(throws: RPCError.self) {
          try await client.echo("Hang", [[1]], options: options)
        }
        #expect(error?.code == .deadlineExceeded)
      }
    }
  }

  @Test func `a client that asks too often is told so, asks less often, and goes on`() async throws
  {
    var server = ServerTransportConfiguration()
    server.pings.minimumInterval = .milliseconds(300)
    try await withEchoServer(configuration: server) { _, address, _ in
      let transport = client([address]) { $0.keepalive = .milliseconds(30) }
      try await withGRPCClient(transport: transport) { client in
        var lost = 0
        var survived = false
        while lost < 8, !survived {
          var options = CallOptions.defaults
          options.waitForReady = true
          options.timeout = .seconds(3)
          do {
            _ = try await client.echo("Hang", [[1]], options: options)
          } catch let error as RPCError {
            if error.code == .deadlineExceeded { survived = true } else { lost += 1 }
          }
        }
        // 30, 60, 120 and 240 ms are too often, if nothing is late; 480 ms is not.
        #expect(survived)
        #expect(lost >= 2)
      }
    }
  }

  @Test func `a server that gives no sign of life is left`() async throws {
    // Speaks HTTP/2 for once, then never answers.
    let accepted = Mutex<[any Channel]>([])
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        accepted.withLock { $0.append(channel) }
        return channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(SettingsOnly())
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let address = TransportAddress.tcp(host: "127.0.0.1", port: listener.localAddress?.port ?? 0)
    let transport = client([address]) {
      $0.keepalive = .milliseconds(50)
      $0.keepaliveTimeout = .milliseconds(50)
    }
    try await withGRPCClient(transport: transport) { client in
      let error = await #expect(throws: RPCError.self) { try await client.echo("Collect", [[1]]) }
      #expect(error?.code == .unavailable)
    }
    try await listener.close()
    for channel in accepted.withLock({ $0 }) { try await channel.closeFuture.get() }
  }

  @Test func `every address of a name is tried, and the name asked for again`() async throws {
    // One that refuses, one that accepts and says nothing, one that serves.
    let mute = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let refusing = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let refused = try #require(refusing.localAddress)
    try await refusing.close()
    let muted = try #require(mute.localAddress)
    let port = Mutex<Int?>(nil)
    let asked = Mutex<[String]>([])
    let transport = client([
      .tcp(host: "nothing.example", port: 1), .tcp(host: "three.example", port: 2),
    ]) {
      $0.connectTimeout = .milliseconds(200)
      $0.resolver = NameResolver { host, _ in
        asked.withLock { $0.append(host) }
        guard host == "three.example" else { return [] }
        guard let port = port.withLock({ $0 }) else { return [refused, muted] }
        return [refused, muted, try SocketAddress(ipAddress: "127.0.0.1", port: port)]
      }
    }
    try await withGRPCClient(transport: transport) { client in
      let error = await #expect(throws: RPCError.self) { try await client.echo("Collect", [[1]]) }
      #expect(error?.code == .unavailable)
      for _ in 0 ..< 2 {
        try await withEchoServer { _, address, _ in
          guard case .tcp(_, let bound) = address else { return }
          port.withLock { $0 = bound }
          var options = CallOptions.defaults
          options.waitForReady = true
          options.timeout = .seconds(20)
          let answered = try await client.echo("Collect", [[2]], options: options).messages
          #expect(answered == [[2]])
        }
      }
    }
    let names = asked.withLock { $0 }
    #expect(names.count >= 6)
    #expect(
      names.enumerated().allSatisfy { $1 == ($0 % 2 == 0 ? "nothing.example" : "three.example") }
    )
    try await mute.close()
  }

  @Test func `a name that means nothing is said in the calls' error`() async throws {
    let transport = client([.tcp(host: "no-such-host.invalid", port: 1)])
    try await withGRPCClient(transport: transport) { client in
      let error = await #expect(throws: RPCError.self) { try await client.echo("Collect", [[1]]) }
      #expect(error?.code == .unavailable)
      #expect(error?.message.contains("'no-such-host.invalid' can't be resolved") == true)
    }
  }

  @Test func `the state of a client's connection is told`() async throws {
    let path = "/tmp/bindery-transport-\(UInt32.random(in: 0 ... .max)).sock"
    let transport = client([.unix(path: path)])
    #expect(transport.connectivity == .idle)
    try await withThrowingTaskGroup(of: [ConnectivityState].self) { group in
      group.addTask { await states(of: transport, until: .shutdown) }
      try await withGRPCClient(transport: transport) { client in
        _ = await states(of: transport, until: .transientFailure)
        try await withEchoServer(at: .unix(path: path)) { _, _, _ in
          _ = await states(of: transport, until: .ready)
        }
        _ = await states(of: transport, until: .transientFailure)
      }
      for try await seen in group {
        // A slow reader may miss some, but not the ends of this one.
        #expect(seen.last == .shutdown)
        #expect(seen.contains(.ready) && seen.contains(.transientFailure))
      }
    }
    #expect(transport.connectivity == .shutdown)
    let late = await states(of: transport, until: .shutdown)
    #expect(late == [.shutdown])
  }
}

/// Sends an empty SETTINGS frame, and nothing else ever.
private final class SettingsOnly: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  func channelActive(context: ChannelHandlerContext) {
    let frame = ByteBuffer(bytes: [0, 0, 0, 4, 0, 0, 0, 0, 0])
    context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
  }
}
