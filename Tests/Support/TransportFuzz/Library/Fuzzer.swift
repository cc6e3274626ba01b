import HTTP2
import NIOCore
import NIOEmbedded
import RawHTTP2
import Transport

/// Feeds mutated sessions to both ends of the transport and looks at what they leave behind.
package struct Fuzzer {
  package struct Fault: Error, CustomStringConvertible {
    package let input: UInt64
    package let what: String
    package var description: String { "input \(input): \(what)" }
  }

  /// Bytes that went in so far, and calls that servers took of them: none of either, and nothing was
  /// tried.
  package private(set) var bytesFed = 0
  package private(set) var callsServed = 0
  private let forServer: Mutator
  private let forClient: Mutator
  private var server = ServerTransportConfiguration()
  private var client = ClientTransportConfiguration()

  package init() throws {
    server.http2.maxConcurrentStreams = 100
    server.maxConnectionIdle = .seconds(60)
    server.maxConnectionAge = .seconds(600)
    let recorded = try Self.record()
    forServer = Mutator(recordings: recorded.client + Self.handMade)
    forClient = Mutator(recordings: recorded.server)
  }

  /// One input. Its number is its seed: the same number is the same input.
  ///
  /// - Throws: `Fault` when an end keeps too much or leaves something behind.
  package mutating func run(_ input: UInt64) throws {
    var random = SeededGenerator(seed: input)
    let isServer = random.below(3) > 0
    let bytes = (isServer ? forServer : forClient).input(&random)
    let channel = EmbeddedChannel()
    // Fresh each time: their meters go with the loop.
    server.metrics = TransportMetrics()
    client.metrics = TransportMetrics()
    let loop = channel.embeddedEventLoop
    let end =
      try isServer
      ? DrivenConnection.server(server, on: loop) : DrivenConnection.client(client, on: loop)
    try drive(end, channel, bytes, isServer, &random, input)
    try inspect(end, input)
    if isServer { callsServed += server.metrics.values.traffic.callsBegun }
  }

  private mutating func drive(
    _ end: DrivenConnection,
    _ channel: EmbeddedChannel,
    _ bytes: [UInt8],
    _ isServer: Bool,
    _ random: inout SeededGenerator,
    _ input: UInt64
  ) throws {
    try channel.pipeline.syncOperations.addHandler(end.handler)
    // What is not connected counts as closed from the start.
    try channel.connect(to: SocketAddress(unixDomainSocketPath: "/driven")).wait()
    if !isServer { Self.makeCalls(end) }
    var rest = bytes[...]
    while !rest.isEmpty, channel.isActive {
      let piece = rest.prefix(random.below(3) == 0 ? 1 + random.below(20) : rest.count)
      rest = rest.dropFirst(piece.count)
      bytesFed += piece.count
      channel.pipeline.fireChannelRead(ByteBuffer(bytes: piece))
      if random.below(4) > 0 { channel.pipeline.fireChannelReadComplete() }
      switch random.below(24) {
      case 0: channel.embeddedEventLoop.advanceTime(by: .seconds(Int64(random.below(20))))
      case 1:
        channel.isWritable.toggle()
        channel.pipeline.fireChannelWritabilityChanged()
      case 2: end.turn(cancelling: true)
      case 3: end.turn()
      default: break
      }
      channel.embeddedEventLoop.run()
      // What waits is bounded: two high-water marks and one message for each stream.
      if end.queuedBytes > 100 * 300_000 {
        throw Fault(input: input, what: "\(end.queuedBytes) bytes wait to be sent")
      }
    }
    channel.pipeline.fireChannelReadComplete()
    channel.embeddedEventLoop.run()
    channel.close(promise: nil)
    channel.embeddedEventLoop.run()
    if end.openStreams != 0 {
      throw Fault(input: input, what: "\(end.openStreams) streams are open on a closed connection")
    }
    // Timers that were cancelled hold nothing; those that were not fire into nothing.
    channel.embeddedEventLoop.advanceTime(by: .hours(2))
  }

  private func inspect(_ end: DrivenConnection, _ input: UInt64) throws {
    if end.liveCalls != 0 {
      throw Fault(input: input, what: "\(end.liveCalls) calls outlive their connection")
    }
  }

  private static func makeCalls(_ end: DrivenConnection) {
    end.call("/t.T/e", messages: [10, 0, 300], isOpen: false)
    end.call("/t.T/l", messages: [1], isOpen: false)
    end.call("/t.T/f", messages: [], isOpen: true)
    end.call("/t.T/wait", messages: [5], isOpen: true)
  }

  // MARK: - Recordings

  /// Our client calls our server: what each sent.
  private static func record() throws -> (client: [Recording], server: [Recording]) {
    var (fromClient, fromServer): ([Recording], [Recording]) = ([], [])
    for round in 0 ..< 3 {
      let (up, down) = (EmbeddedChannel(), EmbeddedChannel())
      let clientEnd = try DrivenConnection.client(.init(), on: up.embeddedEventLoop)
      let serverEnd = try DrivenConnection.server(.init(), on: down.embeddedEventLoop)
      try up.pipeline.syncOperations.addHandler(clientEnd.handler)
      try down.pipeline.syncOperations.addHandler(serverEnd.handler)
      down.pipeline.fireChannelActive()
      up.pipeline.fireChannelActive()
      makeCalls(clientEnd)
      if round > 0 { makeCalls(clientEnd) }
      var (sent, answered): ([UInt8], [UInt8]) = ([], [])
      for turn in 0 ..< 40 {
        if round == 2, turn == 10 { clientEnd.turn(cancelling: true) } else { clientEnd.turn() }
        up.embeddedEventLoop.run()
        sent += try carry(from: up, to: down)
        answered += try carry(from: down, to: up)
      }
      fromClient.append(Recording(sent))
      fromServer.append(Recording(answered))
      // What a channel holds or complains of at its end is no part of the recording.
      _ = try? up.finish()
      _ = try? down.finish()
    }
    return (fromClient, fromServer)
  }

  private static func carry(
    from source: EmbeddedChannel,
    to target: EmbeddedChannel
  ) throws -> [UInt8] {
    var carried: [UInt8] = []
    source.embeddedEventLoop.run()
    while let buffer = try source.readOutbound(as: ByteBuffer.self) {
      carried += buffer.readableBytesView
      target.pipeline.fireChannelRead(buffer)
      target.pipeline.fireChannelReadComplete()
    }
    target.embeddedEventLoop.run()
    return carried
  }

  /// What our own client would not send.
  private static var handMade: [Recording] {
    let end = RawFrame.endHeaders | RawFrame.endStream
    let sessions: [[RawFrame]] = [
      [
        .settings([(1, 0), (4, 100)]), .headers(1, RawFrame.request(path: "/t.T/l"), flags: end),
        .settings([(1, 4096), (4, 1 << 20)]), .windowUpdate(1, 70_000), .windowUpdate(0, 70_000),
        .headers(3, [0x41, 0x82, 0x3f, 0x20] + RawFrame.request(path: "/t.T/e"), flags: end),
      ],
      [
        .settings(), .headers(1, Array(RawFrame.request(path: "/t.T/e").prefix(30)), flags: 1),
        .continuation(1, Array(RawFrame.request(path: "/t.T/e").dropFirst(30)), flags: 4),
        .headers(3, RawFrame.request(path: "/t.T/w")),
        .data(3, [3, 0, 0, 0, 0, 1, 9, 0, 0, 0], flags: 8),
        .headers(3, RawFrame.field("x", "y"), flags: end), .priority(3, dependsOn: 1), .reset(3),
        .ping(), .goAway(),
      ],
      [
        .settings(),
        .headers(1, RawFrame.request(path: "/t.T/w", adding: [("grpc-timeout", "1S")])),
        .headers(3, RawFrame.request(path: "/t.T/e", adding: [("grpc-timeout", "x")])),
        .headers(5, RawFrame.request(path: "/t.T/e", adding: [("grpc-encoding", "gzip")])),
        .headers(7, RawFrame.request(path: "nonsense", adding: [("a-bin", "AAA=,BB")])),
        .data(1, [0, 0, 0, 0, 2, 1]), .data(1, [1, 1, 0, 0, 0, 0]),
        .data(3, [2, 0, 0, 0, 9], flags: 1),
        .data(5, [0, 0xff, 0xff, 0xff, 0xff]),
      ],
    ]
    return sessions.map { Recording(RawHTTP2Peer.preface + $0.flatMap(\.bytes)) }
  }
}
