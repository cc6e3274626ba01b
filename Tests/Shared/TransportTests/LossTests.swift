import GRPCCore
import Glibc
import HTTP2
import NIOCore
import NIOPosix
import Observability
import RawHTTP2
import Synchronization
import Testing
import Transport

@Suite struct `Connections that are lost` {
  /// A client's whole session: greeting, a unary call, a stream that is reset, an ordinary end.
  static let session: [UInt8] =
    RawHTTP2Peer.preface
    + [
      RawFrame.settings(), .settingsAck, .headers(1),
      .data(1, [0, 0, 0, 0, 2, 7, 7], flags: RawFrame.endStream),
      .headers(3, RawFrame.request(path: "/bindery.test.Echo/Hang")), .data(3, [0, 0, 0, 0]),
      .ping(1), .reset(3), .goAway(),
    ].flatMap(\.bytes)

  @Test func `a client that is cut off at any byte leaves no connection and no call`() async throws
  {
    let configuration = ServerTransportConfiguration()
    try await withEcho(server: configuration) { echo, client, address in
      try await whileServing(client) {
        for length in 0 ... Self.session.count {
          let peer = try RawHTTP2Peer(port: address.tcpPort)
          _ = await peer.send(Array(Self.session.prefix(length)))
          peer.close()
        }
      }
      // The client's own connection stays.
      let happened = try await eventually { configuration.metrics.values.isQuiet }
      #expect(happened, "\(configuration.metrics.values)")
      #expect(configuration.metrics.values.abuse.isEmpty)
      #expect(configuration.metrics.values.traffic.violations == 0)
    }
  }

  /// A port that hands on what the server says, but only so many bytes of it.
  @Test func `a server that is cut off at any byte fails the call or has answered it`() async throws
  {
    let configuration = ServerTransportConfiguration()
    try await withEchoServer(configuration: configuration) { _, address, _ in
      var (answered, failed) = (0, 0)
      for length in 0 ..< 220 {
        let cut = try await CutProxy.start(to: address.tcpPort, after: length)
        let transport = HTTP2ClientTransport(
          endpoints: [.tcp(host: "127.0.0.1", port: cut.port)],
          group: MultiThreadedEventLoopGroup.singleton,
          logger: quiet
        )
        try await withGRPCClient(transport: transport) { client in
          do {
            let answer = try await client.echo("Collect", [[1]]).messages
            #expect(answer == [[1]])
            answered += 1
          } catch let error as RPCError {
            #expect(error.code == .unavailable, "\(length): \(error)")
            failed += 1
          }
        }
        try await cut.channel.close()
      }
      #expect(answered > 0 && failed > 0)
      let happened = try await eventually { configuration.metrics.values.open == 0 }
      #expect(happened)
    }
  }

  @Test func `a client that closes its half leaves nothing behind`() async throws {
    let configuration = ServerTransportConfiguration()
    try await withEcho(server: configuration) { echo, client, address in
      try await whileServing(client) {
        for path in ["Hang", "Collect", "Flood"] {
          let peer = try RawHTTP2Peer(port: address.tcpPort)
          try await peer.greet()
          _ = await peer.send([.headers(1, RawFrame.request(path: "/bindery.test.Echo/\(path)"))])
          // Hang and Flood run once they have answered; Collect waits for the rest of the request.
          if path != "Collect" {
            let answer = try await peer.next { $0.type == 0 }
            #expect(answer != nil)
          }
          peer.closeOutput()
          let ends = try await peer.ends()
          #expect(ends, "\(path)")
        }
      }
      let happened = try await eventually {
        configuration.metrics.values.isQuiet && echo.cancelled.withLock { $0 } == 1
      }
      #expect(happened)
    }
  }

  /// Two sockets for each: ten thousand, or as many as the limit of open files has room for, or as
  /// BINDERY_IDLE_CONNECTIONS says.
  @Test func `thousands of idle connections are kept, served, and returned`() async throws {
    let configuration = ServerTransportConfiguration()
    let wanted = idleConnections
    try #require(
      raiseOpenFileLimit() > UInt64(2 * wanted + 200),
      "raise the hard limit of open files (ulimit -Hn)"
    )
    try await withEcho(server: configuration) { _, client, address in
      var peers: [RawHTTP2Peer] = []
      try await whileServing(client) {
        while peers.count < wanted {
          // A hundred at a time wait for the server, and not each for itself.
          let next = try (0 ..< min(100, wanted - peers.count)).map { _ in
            try RawHTTP2Peer(port: address.tcpPort)
          }
          for peer in next { _ = await peer.send(RawHTTP2Peer.preface + RawFrame.settings().bytes) }
          for peer in next {
            let settings = try await peer.next { $0.type == 4 && $0.flags & 1 == 0 }
            #expect(settings != nil)
            _ = await peer.send([.settingsAck])
          }
          peers += next
        }
        let open = try await eventually { configuration.metrics.values.open == wanted + 1 }
        #expect(open)
        for peer in peers.shuffled().prefix(200) {
          let isServed = try await peer.isServed()
          #expect(isServed)
        }
      }
      for peer in peers { peer.close() }
      let returned = try await eventually { configuration.metrics.values.isQuiet }
      #expect(returned, "\(configuration.metrics.values)")
    }
  }
}

extension TransportMetrics.Values {
  /// Only the well-behaved client is left, and no call.
  var isQuiet: Bool { open == 1 && traffic.callsBegun == traffic.callsOver }
}

private var idleConnections: Int {
  getenv("BINDERY_IDLE_CONNECTIONS").flatMap { Int(String(cString: $0)) }
    ?? min(10_000, max(2_000, (Int(clamping: raiseOpenFileLimit()) - 400) / 2))
}
