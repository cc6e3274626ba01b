import TLS
import TLSSupport
import Testing

/// Only Mozilla's intermediate profile, and only HTTP/2.
@Suite struct `What a server accepts` {
  let authority: TestAuthority
  let context: TLSContext

  init() throws {
    authority = try TestAuthority()
    context = try authority.server(authority.issue("server"))
  }

  private func meet(_ change: (inout RawPeer.Options) -> Void) throws -> (Side, RawPeer) {
    var options = RawPeer.Options()
    change(&options)
    var server = try Side(context)
    let client = try RawPeer(options)
    _ = pump(&server, client)
    return (server, client)
  }

  @Test func `TLS 1.2 and 1.3 are taken`() throws {
    for (version, name) in [(RawPeer.Options.Version.tls12, "TLSv1.2"), (.tls13, "TLSv1.3")] {
      let (server, client) = try meet { $0.highest = version }
      #expect(server.session.state == .established)
      #expect(client.isEstablished && client.version == name)
      #expect(server.session.protocolVersion == name)
    }
  }

  @Test func `older versions are refused`() throws {
    for version in [RawPeer.Options.Version.tls10, .tls11] {
      let (server, client) = try meet { $0.highest = version }
      #expect(server.failure?.code == .nothingInCommon)
      #expect(!client.isEstablished && client.failure != nil)
    }
  }

  @Test(arguments: [
    "AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
    "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM", "AECDH-AES128-SHA",
  ]) func `weaker suites are refused`(suite: String) throws {
    let (server, client) = try meet {
      $0.highest = .tls12
      $0.ciphers = suite + ":@SECLEVEL=0"
    }
    #expect(server.failure?.code == .nothingInCommon)
    #expect(!client.isEstablished)
  }

  @Test(arguments: [
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
  ]) func `modern suites are taken`(suite: String) throws {
    let (server, _) = try meet {
      $0.highest = .tls12
      $0.ciphers = suite
    }
    #expect(server.session.state == .established)
    #expect(server.session.cipherSuite == suite)
  }

  @Test func `only the three modern groups are taken`() throws {
    for group in ["X25519", "P-256", "P-384"] {
      let (server, _) = try meet { $0.groups = group }
      #expect(server.session.state == .established, "\(group)")
    }
    for group in ["P-521", "X448", "ffdhe2048"] {
      let (server, client) = try meet { $0.groups = group }
      #expect(server.failure?.code == .nothingInCommon, "\(group)")
      #expect(!client.isEstablished)
    }
  }

  @Test func `a client without ALPN or without h2 is refused before anything else`() throws {
    for protocols in [[], ["http/1.1"], ["h2c", "http/1.1"]] {
      for version in [RawPeer.Options.Version.tls12, .tls13] {
        let (server, client) = try meet {
          $0.protocols = protocols
          $0.highest = version
        }
        #expect(server.failure?.code == .noHTTP2, "\(protocols)")
        #expect(client.failure?.contains("no application protocol") == true, "\(protocols)")
      }
    }
    let (server, _) = try meet { $0.protocols = ["http/1.1", "h2"] }
    #expect(server.session.state == .established)
  }

  @Test func `a server that does not speak h2 is refused by our client`() throws {
    var options = RawPeer.Options()
    options.isServer = true
    options.protocols = []
    options.certificate = try authority.issue("old")
    var client = try Side(authority.client(), serverName: "localhost")
    _ = pump(&client, try RawPeer(options))
    #expect(client.failure?.code == .noHTTP2)
  }

  @Test func `an old server is refused by our client`() throws {
    for version in [RawPeer.Options.Version.tls10, .tls11] {
      var options = RawPeer.Options()
      options.isServer = true
      options.highest = version
      options.certificate = try authority.issue("old")
      var client = try Side(authority.client(), serverName: "localhost")
      _ = pump(&client, try RawPeer(options))
      let code = client.failure?.code
      #expect(code == .nothingInCommon || code == .refusedByPeer, "\(String(describing: code))")
    }
  }

  @Test func `a client can't ask for another handshake in a session`() throws {
    var (server, client) = try meet { $0.highest = .tls12 }
    try #require(client.isEstablished)
    _ = client.renegotiate()
    _ = pump(&server, client)
    client.send([5])
    _ = pump(&server, client)
    // Refused with a warning or ended; in no case another handshake.
    #expect(client.failure?.contains("renegotiation") == true || server.failure != nil)
  }
}
