import NIOCore
import TLS
import TLSSupport
import Testing

/// The same numbers at each run.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    // SplitMix64 (Steele, Lea and Flood 2014).
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

@Suite(.serialized) struct `Peers that break TLS` {
  let authority: TestAuthority
  let client: TLSContext
  let server: TLSContext

  init() throws {
    authority = try TestAuthority()
    client = try authority.client()
    server = try authority.server(authority.issue("server"))
  }

  private func established() throws -> Pair {
    var pair = try Pair(client, server)
    pair.pump()
    try #require(pair.server.session.state == .established)
    return pair
  }

  @Test func `plaintext to a server is told from TLS, and answered by an alert`() throws {
    for text in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "P"] {
      var side = try Side(server)
      side.receive(Array(text.utf8))
      #expect(side.failure?.code == .plaintextPeer)
      #expect(side.failure?.message == "plaintext sent to a TLS port")
      #expect(side.takeOutput().first == 0x15)
    }
  }

  @Test func `plaintext from a server is told from TLS`() throws {
    for bytes in [[0, 0, 6, 4, 0, 0, 0, 0, 0] as [UInt8], Array("HTTP/1.1 400".utf8)] {
      var side = try Side(client, serverName: "localhost")
      side.start()
      side.receive(bytes)
      #expect(side.failure?.code == .plaintextPeer)
    }
  }

  @Test func `a record longer than allowed ends the session`() throws {
    var pair = try established()
    // 2^14 + 256 bytes is the most (RFC 8446 section 5.2).
    let record = [0x17, 0x03, 0x03, 0x41, 0x01] + [UInt8](repeating: 0, count: 0x4101)
    pair.server.receive(record)
    #expect(pair.server.failure?.code == .protocolViolation)
    #expect(pair.server.session.state == .failed)
    #expect(throws: TLSFailure.self) { try pair.server.send([1]) }
  }

  @Test func `a changed byte of a record ends the session, and none of it is delivered`() throws {
    var generator = SeededGenerator(state: 1)
    for _ in 0 ..< 50 {
      var pair = try established()
      try pair.client.send([UInt8](repeating: 3, count: 200))
      var bytes = pair.client.takeOutput()
      bytes[Int.random(in: 5 ..< bytes.count, using: &generator)] ^= UInt8.random(
        in: 1 ... 255,
        using: &generator
      )
      pair.server.receive(bytes)
      #expect(pair.server.failure?.code == .protocolViolation)
      #expect(pair.server.takePlaintext().isEmpty)
    }
  }

  @Test func `garbage in place of a handshake fails it or waits for more, never more than that`()
    throws
  {
    var generator = SeededGenerator(state: 2)
    var first = try Side(client, serverName: "localhost")
    first.start()
    let hello = first.takeOutput()
    var refused = 0
    for round in 0 ..< 2_000 {
      var side = try Side(server)
      var bytes = hello
      if round.isMultiple(of: 2) {
        for _ in 0 ..< Int.random(in: 1 ... 8, using: &generator) {
          bytes[Int.random(in: 0 ..< bytes.count, using: &generator)] = .random(
            in: 0 ... 255,
            using: &generator
          )
        }
      } else {
        bytes = (0 ..< Int.random(in: 1 ... 600, using: &generator)).map { _ in
          .random(in: 0 ... 255, using: &generator)
        }
      }
      side.receive(bytes)
      #expect(side.session.state != .established)
      #expect(side.takePlaintext().isEmpty)
      if side.failure != nil { refused += 1 }
    }
    #expect(refused > 1_000)
  }

  @Test func `an ended session is told from one that is cut off`() throws {
    var pair = try established()
    try pair.client.send([1, 2])
    pair.client.session.close()
    pair.server.receive(pair.client.takeOutput())
    #expect(pair.server.takePlaintext() == [1, 2])
    #expect(pair.server.session.state == .endedByPeer)
    // The other half stays open until we end it too.
    try pair.server.send([3])
    pair.server.session.close()
    pair.client.receive(pair.server.takeOutput())
    #expect(pair.client.session.state == .endedByPeer)
    #expect(pair.client.takePlaintext() == [3])
    #expect(throws: TLSFailure.self) { try pair.client.send([4]) }
  }

  @Test func `a hundred connections cut at any byte leave no session behind`() throws {
    let before = TLSSession.liveCount
    var generator = SeededGenerator(state: 3)
    for _ in 0 ..< 100 {
      var pair = try Pair(client, server)
      pair.client.start()
      var budget = Int.random(in: 0 ... 4_000, using: &generator)
      for _ in 0 ..< 6 where budget > 0 {
        let up = pair.client.takeOutput().prefix(budget)
        pair.server.receive(up)
        budget -= up.count
        let down = pair.server.takeOutput().prefix(max(budget, 0))
        pair.client.receive(down)
        budget -= down.count
        if pair.client.session.state == .established { try pair.client.send([1, 2, 3]) }
      }
      #expect(TLSSession.liveCount >= 2)
    }
    #expect(TLSSession.liveCount == before)
  }
}
