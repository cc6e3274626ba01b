import HTTP2
import NIOCore
import RawHTTP2
import Testing

/// Keeps the header lists that come.
private final class HeaderKeeper: HTTP2SessionDelegate {
  var lists: [[HeaderField]] = []

  func received(headers: [HeaderField], on stream: Int32, endStream: Bool) { lists.append(headers) }
  func received(data: UnsafeRawBufferPointer, on stream: Int32) {}
  func receivedEnd(of stream: Int32) {}
  func sentEnd(of stream: Int32) {}
  func closed(stream: Int32, errorCode: UInt32) {}
  func drained(stream: Int32) {}
  func receivedGoAway(lastStream: Int32, errorCode: UInt32, reason: [UInt8]) {}
  func receivedPing() {}
  func receivedPingAck() {}
  func receivedSettings() {}
}

/// The cache names fields by addresses in HPACK's tables; these look whether what it hands out is
/// always what was sent, while entries leave the tables and their memory is used anew.
@Suite struct `Header fields that are kept` {
  private func receive(_ session: HTTP2Session, _ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try session.receive($0) }
  }

  private func move(from source: HTTP2Session, to target: HTTP2Session) throws {
    var buffer = ByteBuffer()
    while try source.pull(into: &buffer, limit: .max) {}
    try buffer.withUnsafeReadableBytes { try target.receive($0) }
  }

  private var begin: [HeaderField] {
    [
      HeaderField(":method", "POST"), HeaderField(":scheme", "http"), HeaderField(":path", "/a"),
      HeaderField(":authority", "x"),
    ]
  }

  @Test(arguments: [UInt64(1), 2, 3])
  func `are what was sent, whatever the peer's table forgets`(seed: UInt64) throws {
    let client = try HTTP2Session(role: .client)
    let server = try HTTP2Session(role: .server)
    let keeper = HeaderKeeper()
    server.delegate = keeper
    var random = Lehmer(seed: seed)
    // Some come often, some are too long to keep, all together are far more than a table holds.
    let pool = (0 ..< 300).map { number in
      HeaderField(
        "x-\(number % 40)",
        String(repeating: "\(number) ", count: number % 7 == 0 ? 80 : number % 9)
          + "\(number)"
      )
    }
    var sent: [[HeaderField]] = []
    for _ in 0 ..< 1_500 {
      let picked = (0 ..< 1 + random.below(8)).map { _ in
        pool[random.below(2) == 0 ? random.below(12) : random.below(pool.count)]
      }
      sent.append(begin + picked)
      let stream = try client.request(begin + picked)
      try move(from: client, to: server)
      // Not by the client, whose resets are counted.
      server.reset(stream, errorCode: HTTP2ErrorCode.cancel)
      try move(from: server, to: client)
    }
    #expect(keeper.lists.count == sent.count)
    for (list, expected) in zip(keeper.lists, sent) { try #require(list == expected) }
  }

  /// Two fields of the same name and table place, one after the other: the second must not be taken
  /// for the first.
  @Test func `are told apart when a table of one entry is used again and again`() throws {
    let server = try HTTP2Session(role: .server)
    let keeper = HeaderKeeper()
    server.delegate = keeper
    try receive(server, RawHTTP2Peer.preface + RawFrame.settings().bytes)
    for number in 0 ..< 500 {
      let value = String(number)
      // Table size 64, then a literal that goes into the table, then that entry by its index.
      let block =
        [0x3f, 0x21] + RawFrame.request() + [0x40, 1, 0x61, UInt8(value.utf8.count)]
        + Array(value.utf8) + [0xbe]
      let stream = UInt32(2 * number + 1)
      try receive(server, RawFrame.headers(stream, block).bytes + RawFrame.reset(stream).bytes)
      let last = try #require(keeper.lists.last)
      #expect(last.suffix(2) == [HeaderField("a", value), HeaderField("a", value)])
    }
    #expect(keeper.lists.count == 500)
  }
}

/// The same numbers for the same seed (Park and Miller 1988).
private struct Lehmer {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func below(_ bound: Int) -> Int {
    state = state &* 48_271 % 0x7fff_ffff
    return Int(state % UInt64(bound))
  }
}
