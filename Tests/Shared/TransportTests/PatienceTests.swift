import GRPCCore
import HTTP2
import RawHTTP2
import Synchronization
import Testing
import Transport

@Suite struct `Peers that keep a server waiting` {
  /// A configuration with short times, so that the test is short; the times are the only thing changed.
  private func configuration(
    _ change: (inout ServerTransportConfiguration) -> Void
  ) -> ServerTransportConfiguration {
    var configuration = ServerTransportConfiguration()
    change(&configuration)
    return configuration
  }

  @Test(arguments: [0, 5, 24, 30])
  func `a preface that doesn't come whole ends the connection`(sent: Int) async throws {
    let configuration = configuration { $0.prefaceTimeout = .milliseconds(200) }
    try await withEcho(server: configuration) { _, client, address in
      try await whileServing(client) {
        let peer = try RawHTTP2Peer(port: address.tcpPort)
        _ = await peer.send(Array((RawHTTP2Peer.preface + RawFrame.settings().bytes).prefix(sent)))
        let ends = try await peer.ends()
        #expect(ends)
        #expect(configuration.metrics.values.abuse == [.slowPreface: 1])
      }
    }
  }

  @Test func `a header block that doesn't end ends the connection`() async throws {
    let configuration = configuration { $0.headerBlockTimeout = .milliseconds(200) }
    let block = RawFrame.headers(1)
    let attacks: [[UInt8]] = [
      RawFrame.headers(1, flags: 0).bytes,
      RawFrame.headers(1, flags: 0).bytes + RawFrame.continuation(1).bytes,
      Array(block.bytes.dropLast()),
      Array(block.bytes.prefix(9)),
    ]
    try await withEcho(server: configuration) { _, client, address in
      try await whileServing(client) {
        for attack in attacks {
          let peer = try RawHTTP2Peer(port: address.tcpPort)
          try await peer.greet()
          _ = await peer.send(attack)
          let ends = try await peer.ends()
          #expect(ends)
          #expect(peer.goAway?.code == HTTP2ErrorCode.enhanceYourCalm)
        }
        #expect(configuration.metrics.values.abuse == [.slowHeaders: attacks.count])
      }
    }
  }

  @Test func `header blocks that come slowly but end are served`() async throws {
    let configuration = configuration { $0.headerBlockTimeout = .milliseconds(300) }
    try await withEchoServer(configuration: configuration) { _, address, _ in
      let peer = try RawHTTP2Peer(port: address.tcpPort)
      try await peer.greet()
      for stream in stride(from: UInt32(1), to: 21, by: 2) {
        let bytes = RawFrame.headers(stream).bytes
        _ = await peer.send(Array(bytes.prefix(20)))
        try await Task.sleep(for: .milliseconds(40))
        _ = await peer.send(Array(bytes.dropFirst(20)))
      }
      let isServed = try await peer.isServed()
      #expect(isServed)
    }
  }

  @Test func `a connection without a stream is closed, one with a stream is not`() async throws {
    let configuration = configuration { $0.maxConnectionIdle = .milliseconds(400) }
    try await withEchoServer(configuration: configuration) { _, address, _ in
      let idle = try RawHTTP2Peer(port: address.tcpPort)
      let busy = try RawHTTP2Peer(port: address.tcpPort)
      try await idle.greet()
      try await busy.greet()
      _ = await busy.send([.headers(1, RawFrame.request(path: "/bindery.test.Echo/Hang"))])
      // A PING is no use: it does not keep an idle connection open.
      _ = await idle.send([.ping(3)])
      let goAway = try await idle.next { $0.type == 7 }
      #expect(goAway?.payload.suffix(4) == [0, 0, 0, 0])
      // The two steps of a graceful end: a PING asks whether the GOAWAY has come.
      _ = await idle.send([.ping(0, flags: 1)])
      let ends = try await idle.ends()
      #expect(ends)
      #expect(configuration.metrics.values.idle == 1)
      let isServed = try await busy.isServed()
      #expect(isServed)
    }
  }

  @Test func `a reader that never reads is closed, and little waits for it until then`()
    async throws
  {
    let configuration = configuration { $0.unreadTimeout = .milliseconds(500) }
    try await withEcho(server: configuration) { echo, client, address in
      try await whileServing(client) {
        let peer = try RawHTTP2Peer(port: address.tcpPort, receiveBuffer: 4_096)
        try await peer.greet([(4, 1 << 30)])
        _ = await peer.send(
          [.windowUpdate(0, 1 << 30)]
            + (0 ..< 8).map {
              .headers(2 * $0 + 1, RawFrame.request(path: "/bindery.test.Echo/Flood"))
            }
        )
        let happened = try await eventually {
          configuration.metrics.values.abuse == [.unread: 1]
        }
        #expect(happened)
        // What was written went to the kernel's buffers, the channel's and the streams' queues.
        let written = echo.flooded.withLock { $0 } * 16 * 1024
        #expect(written < 16 * 1024 * 1024)
      }
      let closed = try await eventually { configuration.metrics.values.isQuiet }
      #expect(closed)
      let written = echo.flooded.withLock { $0 }
      let answered = try await client.echo("Collect", [[1]]).messages
      #expect(answered == [[1]])
      #expect(echo.flooded.withLock { $0 } == written)
    }
  }

  @Test func `a slow reader is served on`() async throws {
    let configuration = configuration { $0.unreadTimeout = .seconds(1) }
    try await withEchoServer(configuration: configuration) { _, address, _ in
      let peer = try RawHTTP2Peer(port: address.tcpPort, receiveBuffer: 4_096)
      try await peer.greet([(4, 1 << 30)])
      _ = await peer.send([
        .windowUpdate(0, 1 << 30), .headers(1, RawFrame.request(path: "/bindery.test.Echo/Flood")),
      ])
      for _ in 0 ..< 40 {
        try await Task.sleep(for: .milliseconds(50))
        peer.read()
      }
      #expect(!peer.isEnded)
      #expect(configuration.metrics.values.abuse.isEmpty)
    }
  }
}
