import Interop
import Scenario
import Testing

@Suite struct `Our gRPC and other implementations'` {
  @Test(arguments: ["echo_client.py", "interop_client.py", "odd_requests.py"])
  func `a stock client passes all its checks against our server`(client: String) async throws {
    try await Peers.use { peers in
      try await peers.serve("interop-server") { address in
        let completed = try await peers.run(client, [address])
        #expect(completed.status == 0, "\(completed.standardOutput)\(completed.standardError)")
        #expect(completed.standardOutput.hasSuffix(" passed, 0 failed\n"))
      }
    }
  }

  @Test(arguments: ["interop_server.py", "interop-server"])
  func `our client passes all cases against a server`(server: String) async throws {
    try await Peers.use { peers in
      try await peers.serve(server) { address in
        try await peers.expectAllCases(of: server, at: address)
      }
    }
  }

  @Test func `a case that fails is told by line and by exit status`() async throws {
    try await Peers.use { peers in
      // A server that knows none of the methods.
      try await peers.serve("odd_server.py") { address in
        let failing = try await peers.runOurClient(at: address, case: "empty_unary")
        #expect(failing.status == 1)
        #expect(failing.standardOutput.hasPrefix("FAIL  empty_unary"))
        #expect(failing.standardOutput.hasSuffix("0 passed, 1 failed\n"))
        let passing = try await peers.runOurClient(at: address, case: "unimplemented_method")
        #expect(passing.status == 0, "\(passing.standardOutput)")
        let unknown = try await peers.runOurClient(at: address, case: "no_such_case")
        #expect(unknown.status == 64)
        #expect(unknown.standardError.contains("no_such_case"))
      }
    }
  }

  @Test func `a stock client learns by reflection what is served`() async throws {
    try await Peers.use { peers in
      try await peers.serve("interop-server") { address in
        let completed = try await peers.run(
          "reflection_client.py",
          [
            address, "grpc.testing.TestService", "FullDuplexCall",
            "grpc.testing.ResponseParameters",
          ]
        )
        #expect(completed.status == 0, "\(completed.standardOutput)\(completed.standardError)")
        #expect(completed.standardOutput.hasSuffix("6 passed, 0 failed\n"))
      }
    }
  }

  @Test func `a port that is taken is said in one line`() async throws {
    try await Peers.use { peers in
      try await peers.serve("interop-server") { address in
        let port = address.split(separator: ":").last.map(String.init) ?? ""
        let second = try await peers.run("interop-server", ["--port", port])
        #expect(second.status == 69)
        #expect(second.standardError.hasPrefix("interop-server: \(address) is taken"))
        #expect(second.standardOutput.isEmpty)
      }
    }
  }
}
