import GRPCCore
import HTTP2
import NIOCore
import NIOEmbedded
import RawHTTP2
import Testing
import Transport

@Suite struct `Metrics of the transport` {
  @Test func `every metric is described once, before its samples`() async throws {
    let lines = TransportMetrics().exposition.split(
      separator: "\n",
      omittingEmptySubsequences: false
    )
    #expect(lines.last == "")
    var (helped, typed): ([Substring], [Substring]) = ([], [])
    for line in lines.dropLast() {
      let words = line.split(separator: " ", maxSplits: 3)
      if line.hasPrefix("# HELP ") {
        helped.append(words[2])
        #expect(words.count == 4)
      } else if line.hasPrefix("# TYPE ") {
        typed.append(words[2])
        #expect(helped.last == words[2])
        #expect(words[3] == (words[2].hasSuffix("_total") ? "counter" : "gauge"))
      } else {
        #expect(words.count == 2)
        #expect(typed.last == words[0].prefix { $0 != "{" })
        #expect(words[1] == "0")
      }
    }
    #expect(helped.count == 13 && Set(helped).count == helped.count && typed == helped)
  }

  @Test func `calls, resets, floods and failed handshakes are counted`() async throws {
    let server = ServerTransportConfiguration()
    let client = ClientTransportConfiguration()
    try await withEcho(server: server, client: client) { _, calling, address in
      for _ in 0 ..< 3 { _ = try await calling.echo("Collect", [[1]]) }
      let peer = try RawHTTP2Peer(port: address.tcpPort)
      try await peer.greet()
      // One that goes, one with a code that the RFC does not know, then a flood.
      let hang = RawFrame.request(path: "/bindery.test.Echo/Hang")
      _ = await peer.send([.headers(1, hang), .reset(1), .headers(3, hang), .reset(3, code: 99)])
      _ = await peer.send(Array(repeating: RawFrame.priority(5), count: 2_000))
      let ends = try await peer.ends()
      #expect(ends)
      let tls = try RawHTTP2Peer(port: address.tcpPort)
      _ = await tls.send([0x16, 3, 1, 0, 5])
      let isRefused = try await tls.ends()
      #expect(isRefused)
      let expected = [
        "connections 1", "connections_total 3", "handshake_failures_total 1",
        #"floods_total{kind="useless-frames"} 1"#, "streams 0", "streams_total 5",
        #"resets_received_total{code="CANCEL"} 1"#, #"resets_received_total{code="unknown"} 1"#,
        "protocol_violations_total 0",
      ]
      let happened = try await eventually {
        let lines = Set(server.metrics.exposition.split(separator: "\n").map(String.init))
        return expected.allSatisfy { lines.contains("bindery_transport_\($0)") }
      }
      #expect(happened, "\(server.metrics.exposition)")
      // What one end sends the other gets, and the raw peer's comes on top.
      let (up, down) = (client.metrics.values.traffic, server.metrics.values.traffic)
      #expect(up.callsBegun == 3 && up.callsOver == 3)
      #expect(up.bytesOut > 0 && down.bytesIn > up.bytesOut)
      #expect(up.bytesIn > 0 && down.bytesOut > up.bytesIn)
    }
  }

  @Test func `connections on one loop share a meter, and loops add up`() throws {
    var configuration = ServerTransportConfiguration()
    configuration.metrics = TransportMetrics()
    let bytes = RawHTTP2Peer.preface + RawFrame.settings().bytes
    var open: [EmbeddedChannel] = []
    for (loop, connections) in [(EmbeddedEventLoop(), 2), (EmbeddedEventLoop(), 1)] {
      for _ in 0 ..< connections {
        let end = try DrivenConnection.server(configuration, on: loop)
        let own = EmbeddedChannel(loop: loop)
        try own.pipeline.syncOperations.addHandler(end.handler)
        own.pipeline.fireChannelActive()
        try own.writeInbound(own.allocator.buffer(bytes: bytes))
        open.append(own)
      }
    }
    #expect(configuration.metrics.values.traffic.bytesIn == 3 * bytes.count)
    #expect(configuration.metrics.values.open == 3)
    for channel in open { _ = try channel.finish() }
    #expect(configuration.metrics.values.open == 0)
  }
}
