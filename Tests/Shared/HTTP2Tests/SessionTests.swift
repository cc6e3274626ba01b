import HTTP2
import NIOCore
import Testing

/// Writes down what a session reports.
private final class Recorder: HTTP2SessionDelegate {
  var events: [String] = []
  var data: [Int32: [UInt8]] = [:]
  var onHeaders: ((Int32) -> Void)?

  func received(headers: [HeaderField], on stream: Int32, endStream: Bool) {
    events.append("headers \(stream) \(headers.map { "\($0.name)=\($0.value)" }) \(endStream)")
    onHeaders?(stream)
  }
  func received(data: UnsafeRawBufferPointer, on stream: Int32) {
    self.data[stream, default: []] += Array(data)
  }
  func receivedEnd(of stream: Int32) { events.append("end \(stream)") }
  func sentEnd(of stream: Int32) { events.append("sent \(stream)") }
  func closed(stream: Int32, errorCode: UInt32) { events.append("closed \(stream) \(errorCode)") }
  func drained(stream: Int32) { events.append("drained \(stream)") }
  func receivedGoAway(lastStream: Int32, errorCode: UInt32, reason: [UInt8]) {
    events.append("goaway \(errorCode)")
  }
  func receivedPing() {}
  func receivedPingAck() { events.append("pong") }
  func receivedSettings() { events.append("settings") }
}

/// A client and a server joined by byte arrays, handed over in pieces of `piece` bytes.
private struct Pair {
  let client: HTTP2Session
  let server: HTTP2Session
  let atClient = Recorder()
  let atServer = Recorder()
  let piece: Int

  init(piece: Int = .max, configuration: HTTP2Configuration = .init()) throws {
    client = try HTTP2Session(role: .client, configuration: configuration)
    server = try HTTP2Session(role: .server, configuration: configuration)
    self.piece = piece
    client.delegate = atClient
    server.delegate = atServer
  }

  func exchange() throws {
    while true {
      let moved = try move(from: client, to: server) + move(from: server, to: client)
      if moved == 0 { return }
    }
  }

  private func move(from source: HTTP2Session, to target: HTTP2Session) throws -> Int {
    var buffer = ByteBuffer()
    while try source.pull(into: &buffer, limit: .max) {}
    let count = buffer.readableBytes
    while let part = buffer.readSlice(length: min(piece, buffer.readableBytes)),
      part.readableBytes > 0
    {
      try part.withUnsafeReadableBytes { try target.receive($0) }
    }
    return count
  }
}

private let request = [
  HeaderField(":method", "POST"), HeaderField(":scheme", "http"), HeaderField(":path", "/a/b"),
  HeaderField(":authority", "x"), HeaderField("te", "trailers"),
]

@Suite struct `A session without a socket` {
  @Test(arguments: [1, 7, 100, Int.max])
  func `a request and its answer arrive, however the bytes are cut`(piece: Int) throws {
    let pair = try Pair(piece: piece)
    let stream = try pair.client.request(request)
    pair.client.send(ByteBuffer(string: "ping"), on: stream)
    pair.client.finish(stream)
    try pair.exchange()
    #expect(pair.atServer.data[stream] == Array("ping".utf8))
    #expect(pair.atServer.events.contains("end \(stream)"))
    try pair.server.respond([HeaderField(":status", "200")], on: stream, endStream: false)
    pair.server.send(ByteBuffer(string: "pong"), on: stream)
    pair.server.finish(stream, trailers: [HeaderField("grpc-status", "0")])
    try pair.exchange()
    #expect(pair.atClient.data[stream] == Array("pong".utf8))
    #expect(pair.atClient.events.contains(#"headers 1 ["grpc-status=0"] true"#))
    #expect(pair.atClient.events.last == "closed \(stream) 0")
    #expect(pair.atServer.events.last == "closed \(stream) 0")
  }

  @Test func `what is not consumed stops the sender at the stream's window, not its neighbours`()
    throws
  {
    var configuration = HTTP2Configuration()
    configuration.streamWindow = 100_000
    let pair = try Pair(configuration: configuration)
    let (slow, quick) = (try pair.client.request(request), try pair.client.request(request))
    let isRoomy = pair.client.send(ByteBuffer(repeating: 1, count: 250_000), on: slow)
    #expect(!isRoomy)
    try pair.exchange()
    #expect(pair.atServer.data[slow]?.count == 100_000)
    pair.client.send(ByteBuffer(repeating: 2, count: 60_000), on: quick)
    try pair.exchange()
    #expect(pair.atServer.data[quick]?.count == 60_000)
    pair.server.consume(100_000, on: slow)
    try pair.exchange()
    #expect(pair.atServer.data[slow]?.count == 200_000)
    #expect(!pair.atClient.events.contains("drained \(slow)"))
    pair.server.consume(100_000, on: slow)
    try pair.exchange()
    #expect(pair.atServer.data[slow]?.count == 250_000)
    #expect(pair.atClient.events.contains("drained \(slow)"))
  }

  @Test func `a reset ends the stream on both sides with its code`() throws {
    let pair = try Pair()
    let stream = try pair.client.request(request)
    try pair.exchange()
    pair.client.reset(stream, errorCode: HTTP2ErrorCode.cancel)
    try pair.exchange()
    #expect(pair.atServer.events.last == "closed \(stream) 8")
    #expect(pair.atClient.events.last == "closed \(stream) 8")
  }

  @Test func `after a shutdown in two steps running streams end and new ones are refused`() throws {
    let pair = try Pair()
    let stream = try pair.client.request(request)
    try pair.exchange()
    try pair.server.announceShutdown()
    try pair.exchange()
    #expect(pair.atClient.events.contains("goaway 0"))
    try pair.server.refuseNewStreams()
    try pair.exchange()
    try pair.server.respond([HeaderField(":status", "200")], on: stream, endStream: true)
    pair.client.finish(stream)
    try pair.exchange()
    #expect(pair.atClient.events.contains("closed \(stream) 0"))
    let late = try pair.client.request(request)
    try pair.exchange()
    #expect(pair.atClient.events.last == "closed \(late) \(HTTP2ErrorCode.refusedStream)")
    #expect(!pair.atServer.events.contains { $0.hasPrefix("headers \(late)") })
  }

  @Test func `garbage is a protocol violation and never a crash`() throws {
    var random = SeededRandom(seed: 42)
    for _ in 0 ..< 2_000 {
      let server = try HTTP2Session(role: .server)
      var bytes = (0 ..< Int.random(in: 0 ..< 200, using: &random)).map { _ in
        UInt8.random(in: 0 ... 255, using: &random)
      }
      if Bool.random(using: &random) {
        bytes =
          Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0] + bytes
      }
      do {
        try bytes.withUnsafeBytes { try server.receive($0) }
        var buffer = ByteBuffer()
        while try server.pull(into: &buffer, limit: .max) {}
      } catch is HTTP2Failure {}
    }
  }
}

/// SplitMix64, so that a failure can be repeated.
private struct SeededRandom: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
