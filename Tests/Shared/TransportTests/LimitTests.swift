import GRPCCore
import HTTP2
import RawHTTP2
import Synchronization
import Testing
import Transport

/// Calls one after the other, until `attack` is over: all are answered, and some meanwhile.
///
/// - Returns: How many, and how long the slowest took.
@discardableResult
func whileServing(
  _ client: GRPCClient<HTTP2ClientTransport>,
  _ attack: () async throws -> Void
) async throws -> (calls: Int, slowest: Duration) {
  let isOver = Mutex(false)
  async let served = {
    var (served, slowest) = (0, Duration.zero)
    repeat {
      let begin = ContinuousClock.now
      let answer = try await client.echo("Collect", [[1], [2]]).messages
      slowest = max(slowest, begin.duration(to: .now))
      try #require(answer == [[1, 2]])
      served += 1
    } while !isOver.withLock { $0 }
    return (served, slowest)
  }()
  do {
    try await attack()
  } catch {
    isOver.withLock { $0 = true }
    throw error
  }
  isOver.withLock { $0 = true }
  let (calls, slowest) = try await served
  #expect(calls > 0)
  return (calls, slowest)
}

extension TransportAddress {
  var tcpPort: Int {
    if case .tcp(_, let port) = self { port } else { 0 }
  }
}

@Suite struct `Limits on one bad peer` {
  @Test(arguments: Flood.all)
  func `a flood ends its connection, and only that`(flood: Flood) async throws {
    var configuration = ServerTransportConfiguration()
    // The test asks by PING how far the server is.
    if flood.cause != .pings { configuration.pings.minimumInterval = .zero }
    let metrics = configuration.metrics
    try await withEcho(server: configuration) { _, client, address in
      var closing = Duration.zero
      let neighbour = try await whileServing(client) {
        let begin = ContinuousClock.now
        let peer = try RawHTTP2Peer(port: address.tcpPort)
        try await peer.greet()
        _ = await peer.send(flood.opening)
        var round: UInt32 = flood.opening.isEmpty ? 0 : 1
        // Far above every allowance; none is refilled that fast.
        while !peer.isEnded, round < 100_000 {
          let frames = (round ..< round + 100).flatMap(flood.frames)
          round += 100
          if await !peer.send(frames) { break }
          // Not more streams than allowed at once: that is another limit.
          if flood.cause == .resets { _ = try await peer.isServed() }
          peer.read()
        }
        let ends = try await peer.ends()
        closing = begin.duration(to: .now)
        #expect(ends)
        #expect(round < 100_000)
        if let goAway = peer.goAway {
          #expect(goAway.code == HTTP2ErrorCode.enhanceYourCalm, "\(goAway)")
        }
        let happened = try await eventually {
          metrics.values.abuse == [flood.cause: 1]
        }
        #expect(happened, "\(metrics.values)")
      }
      // For who reads the log: a test that watches the clock would fail on a busy machine.
      print(
        "flood of \(flood.testDescription): closed after \(milliseconds(closing)) ms; a neighbour's",
        "\(neighbour.calls) calls took at most \(milliseconds(neighbour.slowest)) ms"
      )
    }
  }

  private func milliseconds(_ duration: Duration) -> Int { Int(duration / .milliseconds(1)) }

  @Test func `a peer that asks too much is told so`() async throws {
    let told: [(RawFrame, String)] = [
      (.priority(1), "too many frames that move no data"), (.ping(), "too_many_pings"),
    ]
    try await withEchoServer { _, address, _ in
      for (frame, text) in told {
        let peer = try RawHTTP2Peer(port: address.tcpPort)
        try await peer.greet()
        for _ in 0 ..< 30 where !peer.isEnded {
          _ = await peer.send(Array(repeating: frame, count: 100))
          peer.read()
        }
        let ends = try await peer.ends()
        #expect(ends)
        #expect(peer.goAway?.code == HTTP2ErrorCode.enhanceYourCalm)
        #expect(peer.goAway?.text == text)
      }
    }
  }

  /// Requests and their resets that come together start no handler: that is what makes the attack
  /// cheap for the client and dear for the server.
  @Test func `calls that are reset in the read that brought them start nothing`() async throws {
    var configuration = ServerTransportConfiguration()
    configuration.pings.minimumInterval = .zero
    let metrics = configuration.metrics
    try await withEchoServer(configuration: configuration) { echo, address, _ in
      let peer = try RawHTTP2Peer(port: address.tcpPort)
      try await peer.greet()
      var stream: UInt32 = 1
      for _ in 0 ..< 9 {
        var frames: [RawFrame] = []
        for _ in 0 ..< 100 {
          frames += [.headers(stream), .reset(stream)]
          stream += 2
        }
        let isSent = await peer.send(frames)
        let isServed = try await peer.isServed()
        #expect(isSent && isServed)
      }
      let traffic = metrics.values.traffic
      #expect(traffic.callsBegun == 900 && traffic.callsOver == 900)
      // A read may end between a request and its reset.
      #expect(echo.callers.withLock { $0.count } < 90)
    }
  }

  @Test func `more streams than allowed are not opened`() async throws {
    var configuration = ServerTransportConfiguration()
    configuration.http2.maxConcurrentStreams = 10
    try await withEcho(server: configuration) { _, client, address in
      try await whileServing(client) {
        let peer = try RawHTTP2Peer(port: address.tcpPort)
        try await peer.greet()
        _ = await peer.send((0 ..< 11).map { .headers(2 * $0 + 1) })
        // RFC 9113 section 5.1.2: PROTOCOL_ERROR or REFUSED_STREAM.
        let refusal = try await peer.next { $0.type == 7 || $0.type == 3 }
        #expect(refusal?.type == 7 || refusal?.payload.last == 7)
      }
    }
  }

  /// As clients do that measure how fast it comes: a PING whenever the last was answered.
  @Test func `who gets DATA may answer each frame by WINDOW_UPDATE, and go on asking by PING`()
    async throws
  {
    let configuration = ServerTransportConfiguration()
    try await withEchoServer(configuration: configuration) { _, address, _ in
      let peer = try RawHTTP2Peer(port: address.tcpPort)
      try await peer.greet()
      _ = await peer.send([.headers(1, RawFrame.request(path: "/bindery.test.Echo/Flood"))])
      var (acknowledged, asked) = (0, 0)
      var mayAsk = false
      while acknowledged < 5_000 || asked < 10 {
        guard
          let frame = try await peer.next({ $0.type == 0 && !$0.payload.isEmpty || $0.type == 6 })
        else { break }
        if frame.type == 6 {
          mayAsk = true
          continue
        }
        let count = UInt32(frame.payload.count)
        var answer: [RawFrame] = [.windowUpdate(0, count), .windowUpdate(1, count)]
        if asked < 10, mayAsk || asked == 0 {
          answer.append(.ping(1))
          mayAsk = false
          asked += 1
        }
        guard await peer.send(answer) else { break }
        acknowledged += 1
      }
      #expect(acknowledged >= 5_000 && asked == 10)
      #expect(configuration.metrics.values.abuse.isEmpty)
    }
  }

  @Test func `calls that end well outweigh as many that are cancelled`() async throws {
    let configuration = ServerTransportConfiguration()
    try await withEchoServer(configuration: configuration) { _, address, _ in
      let peer = try RawHTTP2Peer(port: address.tcpPort)
      try await peer.greet()
      var stream: UInt32 = 1
      for _ in 0 ..< 30 {
        for _ in 0 ..< 100 {
          _ = await peer.send([
            .headers(stream), .headers(stream + 2), .reset(stream + 2),
            .data(stream, flags: RawFrame.endStream),
          ])
          stream += 4
        }
        let last = stream - 4
        let answer = try await peer.next {
          $0.type == 1 && $0.stream == last && $0.flags & RawFrame.endStream != 0
        }
        try #require(answer != nil)
      }
      #expect(configuration.metrics.values.abuse.isEmpty)
      #expect(configuration.metrics.values.traffic.resetsReceived[HTTP2ErrorCode.cancel] == 3_000)
    }
  }
}
