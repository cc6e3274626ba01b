import Scenario
import TLSSupport
import Testing

@Suite struct `Our gRPC and other implementations' over TLS` {
  let authority: TestAuthority
  let server: [String]
  let client: [String]
  let node: [String]

  init() throws {
    authority = try TestAuthority()
    let files = try authority.issue("server")
    let own = try authority.issue("node", commonName: "node-9", names: ["DNS:node-9"])
    server = ["--tls-cert", files.certificate, "--tls-key", files.key]
    client = ["--tls-ca", authority.rootFile]
    node = ["--tls-cert", own.certificate, "--tls-key", own.key]
  }

  @Test(arguments: ["interop_server.py", "interop-server"], [false, true])
  func `our client passes all cases`(server name: String, isMutual: Bool) async throws {
    try await Peers.use { peers in
      let roots = isMutual ? ["--tls-client-ca", authority.rootFile] : []
      try await peers.serve(name, server + roots) { address in
        try await peers.expectAllCases(of: name, at: address, client + (isMutual ? node : []))
        guard isMutual else { return }
        let stranger = try await peers.runOurClient(at: address, case: "empty_unary", client)
        #expect(stranger.status == 1)
        #expect(stranger.standardOutput.hasPrefix("FAIL  empty_unary"))
      }
    }
  }

  @Test(arguments: [false, true])
  func `a stock client passes all its checks against our server`(isMutual: Bool) async throws {
    try await Peers.use { peers in
      let roots = isMutual ? ["--tls-client-ca", authority.rootFile] : []
      try await peers.serve("interop-server", server + roots) { address in
        let options = client + (isMutual ? node : [])
        let completed = try await peers.run("interop_client.py", [address] + options)
        #expect(completed.status == 0, "\(completed.standardOutput)\(completed.standardError)")
        #expect(completed.standardOutput.hasSuffix(" passed, 0 failed\n"))
      }
    }
  }

  @Test func `the name that a certificate must have can be given`() async throws {
    let other = try authority.issue("other", names: ["DNS:grpc.example"])
    let files = ["--tls-cert", other.certificate, "--tls-key", other.key]
    try await Peers.use { peers in
      try await peers.serve("interop-server", files) { address in
        let named = client + ["--server-name", "grpc.example"]
        let passing = try await peers.runOurClient(at: address, case: "large_unary", named)
        #expect(passing.status == 0, "\(passing.standardOutput)")
        let failing = try await peers.runOurClient(at: address, case: "large_unary", client)
        #expect(failing.status == 1)
        let plaintext = try await peers.runOurClient(at: address, case: "large_unary")
        #expect(plaintext.status == 1)
        #expect(plaintext.standardOutput.contains("tls-ca"))
      }
    }
  }

  @Test func `a certificate that can't be read is said in one line`() async throws {
    try await Peers.use { peers in
      let files = ["--tls-cert", "/nowhere/cert.pem", "--tls-key", "/nowhere/key.pem"]
      let server = try await peers.run("interop-server", files)
      #expect(server.status == 78)
      #expect(server.standardError.hasPrefix("interop-server: /nowhere/cert.pem"))
      #expect(server.standardError.split(separator: "\n").count == 1)
      let client = try await peers.run(
        "interop-client",
        ["--port", "1", "--tls-ca", "/nowhere/ca.pem"]
      )
      #expect(client.status == 78)
      #expect(client.standardError.hasPrefix("interop-client: /nowhere/ca.pem"))
    }
  }
}
