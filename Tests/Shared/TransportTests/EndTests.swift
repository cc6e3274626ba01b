import GRPCCore
import HTTP2
import NIOCore
import NIOEmbedded
import RawHTTP2
import Synchronization
import Testing

@testable import Transport

/// Ends of calls and connections that once left something behind, or waited for nothing.
@Suite struct `Ends of calls and connections` {
  private struct Expected: Error {}

  /// A server's connection on a channel that the test drives; its calls go to `take`.
  private func server(
    on channel: EmbeddedChannel,
    _ take: @escaping (CallStream) -> Void
  ) throws -> ConnectionHandler {
    let configuration = ServerTransportConfiguration()
    let connection = try ConnectionHandler(
      role: .server,
      http2: configuration.http2,
      maxMessageBytes: configuration.maxReceivedMessageBytes,
      limits: ConnectionLife.Limits(),
      metrics: configuration.metrics,
      loop: channel.eventLoop,
      logger: quiet
    )
    connection.onCall = { stream, _ in take(stream) }
    try channel.pipeline.syncOperations.addHandler(connection)
    try channel.connect(to: SocketAddress(unixDomainSocketPath: "/driven")).wait()
    return connection
  }

  /// Lets the timers of a closed connection come: a driven loop keeps those that never do, and they it.
  private func wind(down channel: EmbeddedChannel) {
    channel.embeddedEventLoop.advanceTime(by: .seconds(60))
  }

  private func receive(_ frames: [RawFrame], on channel: EmbeddedChannel) throws {
    try channel.writeInbound(ByteBuffer(bytes: frames.flatMap(\.bytes)))
    channel.embeddedEventLoop.run()
  }

  private func open(_ channel: EmbeddedChannel, calls: Int = 1) throws {
    try channel.writeInbound(ByteBuffer(bytes: RawHTTP2Peer.preface))
    let requests = (0 ..< calls).map { RawFrame.headers(UInt32(2 * $0 + 1)) }
    try receive([.settings(), .settingsAck] + requests, on: channel)
  }

  /// All that the connection has sent since the last time.
  private func sent(on channel: EmbeddedChannel) throws -> [RawFrame] {
    channel.embeddedEventLoop.run()
    var bytes: [UInt8] = []
    while let part = try channel.readOutbound(as: ByteBuffer.self) {
      bytes += part.readableBytesView
    }
    var frames: [RawFrame] = []
    while bytes.count >= 9 {
      let length = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
      frames.append(RawFrame(bytes[3], flags: bytes[4], Array(bytes[9 ..< 9 + length])))
      bytes.removeFirst(9 + length)
    }
    return frames
  }

  /// Fills a call until there is no more room: the peer's window is the protocol's 64 KiB.
  private func fill(_ stream: CallStream) throws {
    for _ in 0 ..< 10 {
      _ = try stream.write(.message(.init(repeating: 1, count: 16_384)))
    }
    stream.connection.flush()
  }

  /// As the fan-out does: who waits for room holds the call, and the call holds who waits.
  @Test(arguments: ["the connection is lost", "the call is reset", "the connection is ended"])
  func `a slow watcher that goes away takes its call and its connection along`(
    how: String
  ) throws {
    weak var connection: ConnectionHandler?
    weak var call: CallStream?
    let rooms = Mutex(0)
    let channel = EmbeddedChannel()
    defer { wind(down: channel) }
    let calls = NIOLoopBoundBox<[CallStream]>([], eventLoop: channel.eventLoop)
    connection = try server(on: channel) { stream in calls.value.append(stream) }
    try open(channel)
    try {
      let stream = try #require(calls.value.first)
      call = stream
      let outbound = DirectOutbound(CallHandle(stream, loop: channel.eventLoop))
      let message = EncodedMessage(.init(repeating: 1, count: 16_384))
      // Above the high water also when the peer's window is full.
      for _ in 0 ..< 10 { _ = try outbound.write(message) }
      outbound.flush()
      outbound.whenThereIsRoom {
        rooms.withLock { $0 += 1 }
        outbound.flush()
      }
      calls.value = []
    }()
    channel.embeddedEventLoop.run()
    #expect(call != nil && connection != nil)
    switch how {
    case "the connection is lost": channel.pipeline.fireChannelInactive()
    case "the call is reset": try receive([.reset(1)], on: channel)
    default: connection?.closeNow()
    }
    // It lingers a moment for what the peer still sends.
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(call == nil)
    // Nobody reads what is left of it.
    #expect(rooms.withLock { $0 } == 0)
    channel.close(promise: nil)
    channel.embeddedEventLoop.run()
    #expect(connection == nil)
  }

  /// A writer off the loop may be cancelled before it comes to the call: nothing else would wake it.
  @Test func `a writer that was cancelled before it came is woken, and told so`() async throws {
    let channel = EmbeddedChannel()
    defer { wind(down: channel) }
    let calls = NIOLoopBoundBox<[CallStream]>([], eventLoop: channel.eventLoop)
    // The connection hands its calls to the box, which must not hold them for ever.
    defer { calls.value = [] }
    let connection = try server(on: channel) { stream in calls.value.append(stream) }
    try open(channel, calls: 3)
    try #require(calls.value.count == 3)
    let message = OutboundPart.message(.init(repeating: 1, count: 16_384))
    /// Fails what still waits when `body` is through, so that a writer that sleeps on is seen.
    func ending(
      of stream: CallStream,
      _ body: (CheckedContinuation<Void, any Error>) -> Void
    ) async -> (any Error)? {
      do {
        try await withCheckedThrowingContinuation { continuation in
          body(continuation)
          stream.failOutbound(RPCError(code: .unknown, message: "it slept on"))
        }
        return nil
      } catch {
        return error
      }
    }
    let writing = calls.value[0]
    try fill(writing)
    writing.cancelWriters()
    let written = await ending(of: writing) { writing.write(message, $0) }
    #expect(written is CancellationError, "\(String(describing: written))")
    let waiting = calls.value[1]
    try fill(waiting)
    waiting.cancelWriters()
    let waited = await ending(of: waiting) { waiting.waitForRoom($0) }
    #expect(waited is CancellationError, "\(String(describing: waited))")
    // One that waits already, and one that need not wait.
    let other = calls.value[2]
    let unhindered = await ending(of: other) { other.waitForRoom($0) }
    #expect(unhindered == nil)
    channel.close(promise: nil)
    channel.embeddedEventLoop.run()
    #expect(connection.streams.isEmpty)
  }

  @Test func `a shutdown's PING that is never answered puts the end off by five seconds at most`()
    throws
  {
    let channel = EmbeddedChannel()
    defer { wind(down: channel) }
    let connection = try server(on: channel) { _ in }
    try open(channel, calls: 0)
    _ = try sent(on: channel)
    connection.beginGracefulShutdown()
    let asked = try sent(on: channel)
    #expect(asked.map(\.type) == [7, 6] || asked.map(\.type) == [6, 7], "\(asked)")
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(4_999))
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
    channel.embeddedEventLoop.run()
    #expect(!channel.isActive)
    // The second GOAWAY names the last stream there was.
    let told = try sent(on: channel)
    #expect(told.first?.type == 7 && told.first?.payload.prefix(4) == [0, 0, 0, 0], "\(told)")
  }

  @Test func `a call that is open at a shutdown ends in order although its PING is not answered`()
    throws
  {
    let channel = EmbeddedChannel()
    defer { wind(down: channel) }
    let calls = NIOLoopBoundBox<[CallStream]>([], eventLoop: channel.eventLoop)
    // The connection hands its calls to the box, which must not hold them for ever.
    defer { calls.value = [] }
    let connection = try server(on: channel) { stream in calls.value.append(stream) }
    try open(channel)
    connection.beginGracefulShutdown()
    channel.embeddedEventLoop.advanceTime(by: .seconds(60))
    #expect(channel.isActive)
    _ = try sent(on: channel)
    _ = try calls.value.first?.write(.status(Status(code: .ok, message: ""), [:]))
    let answer = try sent(on: channel)
    #expect(answer.contains { $0.type == 1 && $0.flags & RawFrame.endStream != 0 }, "\(answer)")
    #expect(!channel.isActive)
  }

  /// The end of the answer waits in the channel when the session has nothing left and the connection,
  /// drained, is over.
  @Test func `an answer that the socket has not taken when its connection is over is not dropped`()
    throws
  {
    let channel = EmbeddedChannel()
    defer { wind(down: channel) }
    let calls = NIOLoopBoundBox<[CallStream]>([], eventLoop: channel.eventLoop)
    // The connection hands its calls to the box, which must not hold them for ever.
    defer { calls.value = [] }
    let socket = SlowSocket()
    try channel.pipeline.syncOperations.addHandler(socket)
    let connection = try server(on: channel) { stream in calls.value.append(stream) }
    try open(channel)
    connection.beginGracefulShutdown()
    let asked = try sent(on: channel).first { $0.type == 6 }
    try receive([RawFrame(6, flags: 1, asked?.payload ?? [])], on: channel)
    socket.isFull = true
    let stream = try #require(calls.value.first)
    _ = try stream.write(.message(.init(repeating: 1, count: 10_000)))
    _ = try stream.write(.status(Status(code: .ok, message: ""), [:]))
    channel.embeddedEventLoop.advanceTime(by: .seconds(29))
    #expect(connection.streams.isEmpty)
    #expect(channel.isActive)
    socket.drain()
    let answer = try sent(on: channel)
    #expect(answer.filter { $0.type == 0 }.reduce(0) { $0 + $1.payload.count } == 10_005)
    #expect(answer.last { $0.type == 1 }?.flags == RawFrame.endStream | RawFrame.endHeaders)
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(!channel.isActive)
  }

  @Test func `a peer that takes nothing of its last answer is left after half a minute`() throws {
    let channel = EmbeddedChannel()
    defer { wind(down: channel) }
    let calls = NIOLoopBoundBox<[CallStream]>([], eventLoop: channel.eventLoop)
    // The connection hands its calls to the box, which must not hold them for ever.
    defer { calls.value = [] }
    let socket = SlowSocket()
    try channel.pipeline.syncOperations.addHandler(socket)
    let connection = try server(on: channel) { stream in calls.value.append(stream) }
    try open(channel)
    connection.beginGracefulShutdown()
    let asked = try sent(on: channel).first { $0.type == 6 }
    try receive([RawFrame(6, flags: 1, asked?.payload ?? [])], on: channel)
    socket.isFull = true
    _ = try calls.value.first?.write(.status(Status(code: .ok, message: ""), [:]))
    channel.embeddedEventLoop.advanceTime(by: .seconds(29))
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .seconds(2))
    #expect(!channel.isActive)
  }

  /// The socket is slow, so that the end of the answer waits in the channel when the session has
  /// nothing left and the connection, drained, is over.
  @Test func `an answer that is finished when its connection drains is sent to its last byte`()
    async throws
  {
    try await withEchoServer { _, address, server in
      let peer = try RawHTTP2Peer(port: address.tcpPort, receiveBuffer: 4_096)
      try await peer.greet([(4, 1 << 30)])
      _ = await peer.send([
        .windowUpdate(0, 1 << 30),
        .headers(1, RawFrame.request(path: "/bindery.test.Echo/Large")),
      ])
      // The call is there, and answers when its request ends.
      let isServed = try await peer.isServed()
      #expect(isServed)
      server.beginGracefulShutdown()
      let asked = try await peer.next { $0.type == 6 && $0.flags == 0 }
      _ = await peer.send([
        RawFrame(6, flags: 1, asked?.payload ?? []), .data(1, flags: RawFrame.endStream),
      ])
      let trailers = try await peer.next { $0.type == 1 && $0.flags & RawFrame.endStream != 0 }
      #expect(trailers != nil)
      let received = peer.history.filter { $0.type == 0 }.reduce(0) { $0 + $1.payload.count }
      #expect(received == 5 + EchoService.largeBytes)
      let ends = try await peer.ends()
      #expect(ends)
    }
  }
}

/// As NIO's channels do over a socket: what is written waits while the socket is full, an end of the
/// output waits for it, and an end of all drops it.
private final class SlowSocket: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  var isFull = false
  private var context: ChannelHandlerContext?
  private var ending: EventLoopPromise<Void>?

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    ending?.fail(ChannelError.ioOnClosedChannel)
    ending = nil
  }

  func flush(context: ChannelHandlerContext) {
    if !isFull { context.flush() }
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    guard mode == .output else {
      context.close(mode: mode, promise: promise)
      return
    }
    if isFull { ending = promise } else { promise?.succeed() }
  }

  func drain() {
    isFull = false
    context?.flush()
    ending?.succeed()
    ending = nil
  }
}
