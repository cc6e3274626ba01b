import HTTP2
import RawHTTP2
import Testing
import Transport

@Suite struct `Rules that a server enforces` {
  @Test func `every rule of RFC 9113 is kept`() async throws {
    try await withEcho { _, client, address in
      try await whileServing(client) {
        for rule in Rule.all {
          let peer = try RawHTTP2Peer(port: address.tcpPort)
          try await peer.greet()
          _ = await peer.send(rule.bytes)
          switch rule.answer {
          case .connectionError(let code):
            let ends = try await peer.ends()
            #expect(ends, "\(rule.testDescription)")
            #expect(peer.goAway?.code == code, "\(rule.testDescription)")
          case .streamError(let code):
            let reset = try await peer.next { $0.type == 3 || $0.type == 7 }
            #expect(reset?.type == 3, "\(rule.testDescription)")
            #expect(reset?.payload == bigEndian(code), "\(rule.testDescription)")
            let isServed = try await peer.isServed()
            #expect(isServed, "\(rule.testDescription)")
          case .ignored:
            let isServed = try await peer.isServed()
            #expect(isServed, "\(rule.testDescription)")
            #expect(peer.goAway == nil, "\(rule.testDescription)")
          }
        }
      }
    }
  }

  /// Section 3.4.
  @Test(arguments: [
    Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), Array("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".utf8),
    RawHTTP2Peer.preface + RawFrame.ping().bytes, RawHTTP2Peer.preface + RawFrame.settingsAck.bytes,
  ])
  func `a connection begins with the preface and SETTINGS`(bytes: [UInt8]) async throws {
    try await withEchoServer { _, address, _ in
      let peer = try RawHTTP2Peer(port: address.tcpPort)
      _ = await peer.send(bytes)
      let ends = try await peer.ends()
      #expect(ends)
      #expect(peer.goAway?.code == 1)
    }
  }

  /// Section 5.4.2: what was under way when we reset the stream is no fault.
  @Test func `frames that cross a reset of ours are ignored`() async throws {
    try await withEchoServer { _, address, _ in
      let peer = try RawHTTP2Peer(port: address.tcpPort)
      try await peer.greet()
      _ = await peer.send([.headers(1), .headers(1, [])])
      let reset = try await peer.next { $0.type == 3 }
      #expect(reset != nil)
      let late: [RawFrame] = [
        .data(1, [1, 2, 3]), .windowUpdate(1, 5), .headers(1, flags: 0x5),
      ]
      _ = await peer.send(late)
      let isServed = try await peer.isServed()
      #expect(isServed)
      #expect(peer.goAway == nil)
    }
  }

  /// Ignored DATA still counts against the connection's window; it has to be given back.
  @Test func `DATA for a stream that is gone does not close the connection's window`() async throws
  {
    var configuration = ServerTransportConfiguration()
    configuration.http2.connectionWindow = 65_535
    try await withEchoServer(configuration: configuration) { _, address, _ in
      let peer = try RawHTTP2Peer(port: address.tcpPort)
      try await peer.greet()
      _ = await peer.send([.headers(1), .headers(1, [])])
      let reset = try await peer.next { $0.type == 3 }
      #expect(reset != nil)
      var sent = 0
      var window = 65_535
      while sent < 1_000_000 {
        while window < 16_384 {
          let update = try await peer.next { $0.type == 8 && $0.stream == 0 }
          window += try #require(update).payload.reduce(0) { $0 << 8 | Int($1) }
        }
        _ = await peer.send([.data(1, [UInt8](repeating: 1, count: 16_384))])
        (sent, window) = (sent + 16_384, window - 16_384)
      }
      let isServed = try await peer.isServed()
      #expect(isServed)
    }
  }
}
