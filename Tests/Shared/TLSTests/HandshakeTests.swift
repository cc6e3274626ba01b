import Foundation
import TLS
import TLSSupport
import Testing

@Suite struct `Handshakes` {
  let authority: TestAuthority
  let files: TestAuthority.Files

  init() throws {
    authority = try TestAuthority()
    files = try authority.issue("server")
  }

  @Test func `our client and our server agree on TLS 1.3 and carry bytes both ways`() throws {
    var pair = try Pair(authority.client(), authority.server(files))
    pair.pump()
    #expect(pair.client.session.state == .established)
    #expect(pair.server.session.state == .established)
    #expect(pair.server.session.protocolVersion == "TLSv1.3")
    #expect(pair.client.session.peerIdentity?.dnsNames == ["localhost"])
    #expect(pair.server.session.peerIdentity == nil)
    let long = (0 ..< 100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try pair.client.send(long)
    try pair.server.send([1, 2, 3])
    pair.pump()
    #expect(pair.server.takePlaintext() == long)
    #expect(pair.client.takePlaintext() == [1, 2, 3])
  }

  @Test func `a handshake and its data survive every way of cutting the bytes in two`() throws {
    let (client, server) = (try authority.client(), try authority.server(files))
    // The client's flight, then the server's, then the client's with data: cut at each byte in turn.
    var cut = 1
    var longest = 2
    while cut < longest {
      var pair = try Pair(client, server)
      pair.client.start()
      for flight in 0 ..< 4 {
        if flight == 2 {
          try #require(pair.client.session.state == .established)
          try pair.client.send([7, 7, 7])
        }
        let isUp = flight.isMultiple(of: 2)
        let bytes = isUp ? pair.client.takeOutput() : pair.server.takeOutput()
        longest = max(longest, bytes.count)
        for part in [bytes.prefix(cut), bytes.dropFirst(cut)] {
          if isUp { pair.server.receive(part) } else { pair.client.receive(part) }
        }
      }
      try #require(pair.client.failure == nil && pair.server.failure == nil, "cut at \(cut)")
      try #require(pair.server.takePlaintext() == [7, 7, 7], "cut at \(cut)")
      cut += 1
    }
    #expect(longest > 500)
  }

  @Test(arguments: [1, 2, 3, 5, 17, 1000]) func `bytes may come in pieces`(size: Int) throws {
    var pair = try Pair(authority.client(), authority.server(files))
    pair.pump(piece: size)
    try pair.server.send([UInt8](repeating: 9, count: 40_000))
    pair.pump(piece: size)
    #expect(pair.client.takePlaintext() == [UInt8](repeating: 9, count: 40_000))
  }

  /// RFC 6066 section 3: host names, without a trailing dot, and no addresses.
  @Test(
    arguments: [
      ("localhost", "localhost"), ("localhost.", "localhost"),
      ("control.example", "control.example"),
      ("127.0.0.1", nil), ("::1", nil),
    ] as [(String, String?)]
  )
  func `a client says which host it wants, and no address`(name: String, said: String?) throws {
    var options = RawPeer.Options()
    options.isServer = true
    options.certificate = files
    let peer = try RawPeer(options)
    var client = try Side(authority.client(), serverName: name)
    _ = pump(&client, peer)
    #expect(peer.serverName == said)
    // The certificate has to name what was asked for, whatever the server makes of it.
    let isNamed = ["localhost", "localhost.", "127.0.0.1"].contains(name)
    #expect((client.failure == nil) == isNamed, "\(String(describing: client.failure))")
  }

  @Test func `a wrong name is refused, and the peer learns why`() throws {
    for name in ["example.org", "127.0.0.2", "test"] {
      var pair = try Pair(authority.client(), authority.server(files), serverName: name)
      pair.pump()
      #expect(pair.client.failure?.code == .certificateRejected)
      #expect(pair.client.failure?.message.contains("another name") == true)
      #expect(pair.server.failure?.code == .refusedByPeer)
    }
  }

  @Test func `an address in the certificate is a name as good as another`() throws {
    for name in ["127.0.0.1", "localhost", "LOCALHOST", "localhost."] {
      var pair = try Pair(authority.client(), authority.server(files), serverName: name)
      pair.pump()
      #expect(pair.client.session.state == .established, "\(name)")
    }
  }

  @Test func `wildcards stand for one whole label`() throws {
    let wild = try authority.issue("wild", names: ["DNS:*.example.org"])
    for (name, isGood) in [
      ("a.example.org", true), ("a.b.example.org", false), ("example.org", false),
    ] {
      var pair = try Pair(authority.client(), authority.server(wild), serverName: name)
      pair.pump()
      #expect((pair.client.session.state == .established) == isGood, "\(name)")
    }
  }

  @Test func `a server of an unknown authority is refused`() throws {
    let other = try TestAuthority(name: "Another Root")
    var pair = try Pair(
      authority.client(trusting: other.rootFile),
      authority.server(files)
    )
    pair.pump()
    #expect(pair.client.failure?.code == .certificateRejected)
    #expect(pair.client.failure?.message.contains("trust roots") == true)
  }

  @Test func `an expired and a future certificate of a server are refused`() throws {
    for (seconds, word) in [((-7200, -3600), "expired"), ((3600, 7200), "clocks")] {
      let bad = try authority.issue("bad", seconds: seconds)
      var options = RawPeer.Options()
      options.isServer = true
      options.certificate = bad
      let server = try RawPeer(options)
      var client = try Side(authority.client(), serverName: "localhost")
      _ = pump(&client, server)
      #expect(client.failure?.code == .certificateRejected)
      #expect(client.failure?.message.contains(word) == true)
      #expect(server.failure?.contains("alert") == true)
    }
  }

  // MARK: - Client certificates

  @Test func `a server learns who its client is`() throws {
    let node = try authority.issue(
      "node",
      commonName: "node-1",
      names: ["DNS:node-1.example", "URI:spiffe://example/node/1"]
    )
    for clients in [TLSRole.ClientCertificates.required, .optional] {
      var pair = try Pair(authority.client(node), authority.server(files, clients: clients))
      pair.pump()
      let identity = try #require(pair.server.session.peerIdentity)
      #expect(identity.commonName == "node-1")
      #expect(identity.dnsNames == ["node-1.example"])
      #expect(identity.uris == ["spiffe://example/node/1"])
      #expect(identity.serial == "03")
      #expect(identity.fingerprint.count == 64)
      #expect(identity.notAfter > Date())
    }
  }

  @Test func `a client without a certificate is refused where one is required`() throws {
    var pair = try Pair(authority.client(), authority.server(files, clients: .required))
    pair.pump()
    #expect(pair.server.failure?.code == .certificateMissing)
    #expect(pair.client.failure?.code == .refusedByPeer)
    #expect(pair.client.failure?.message.contains("requires a certificate of ours") == true)
    var optional = try Pair(authority.client(), authority.server(files, clients: .optional))
    optional.pump()
    #expect(optional.server.session.state == .established)
    #expect(optional.server.session.peerIdentity == nil)
  }

  @Test func `a client of an unknown authority is refused, also where certificates are optional`()
    throws
  {
    let other = try TestAuthority(name: "Another Root")
    let stranger = try other.issue("stranger")
    for clients in [TLSRole.ClientCertificates.required, .optional] {
      var pair = try Pair(authority.client(stranger), authority.server(files, clients: clients))
      pair.pump()
      #expect(pair.server.failure?.code == .certificateRejected)
      #expect(pair.server.session.peerIdentity == nil)
      #expect(pair.client.failure?.message.contains("does not trust our certificate") == true)
    }
  }
}
