import Foundation
import GRPCCore
import NIOCore
import NIOPosix
import Synchronization
import TLS
import TLSSupport
import Testing
import Transport

/// Python's grpcio against ours (Shared/Scripts/setup-python puts it there).
@Suite(.serialized) struct `Stock gRPC over TLS` {
  let authority: TestAuthority
  let files: TestAuthority.Files
  let node: TestAuthority.Files

  init() throws {
    authority = try TestAuthority()
    files = try authority.issue("server")
    node = try authority.issue("node", commonName: "node-9", names: ["DNS:node-9"])
  }

  @Test(arguments: [TLSRole.ClientCertificates.none, .optional, .required])
  func `a stock client calls our server`(clients: TLSRole.ClientCertificates) async throws {
    var configuration = ServerTransportConfiguration()
    configuration.tls = try ReloadingTLSContext(
      role: .server(clients),
      credentials: TLSCredentials(
        certificate: files.certificate,
        key: files.key,
        trustRoots: clients == .none ? nil : authority.rootFile
      ),
      logger: quiet
    )
    let (root, node) = (authority.rootFile, node)
    try await withEchoServer(configuration: configuration) { echo, address, _ in
      let own = ["--cert", node.certificate, "--key", node.key]
      let shown = try await StockPeer.call(["\(address)", "--ca", root] + own)
      #expect(shown == "ok")
      let anonymous = try await StockPeer.call(["\(address)", "--ca", root])
      #expect(anonymous == (clients == .required ? "UNAVAILABLE" : "ok"))
      let names = echo.callers.withLock { $0.map { $0?.commonName } }
      switch clients {
      case .none: #expect(names == [nil, nil])
      case .optional: #expect(names == ["node-9", nil])
      case .required: #expect(names == ["node-9"])
      }
    }
  }

  @Test(arguments: [false, true])
  func `our client calls a stock server`(isMutual: Bool) async throws {
    let server = try StockPeer(
      ["serve", "--cert", files.certificate, "--key", files.key]
        + (isMutual ? ["--client-ca", authority.rootFile] : []),
      output: authority.folder + "/output"
    )
    defer { server.stop() }
    let address = try await server.address()
    for own in isMutual ? [node, nil] : [nil] {
      var configuration = ClientTransportConfiguration()
      configuration.tls = try ReloadingTLSContext(
        role: .client,
        credentials: TLSCredentials(
          certificate: own?.certificate,
          key: own?.key,
          trustRoots: authority.rootFile
        ),
        logger: quiet
      )
      let transport = HTTP2ClientTransport(
        endpoints: [address],
        configuration: configuration,
        group: .singletonMultiThreadedEventLoopGroup,
        logger: quiet
      )
      try await withGRPCClient(transport: transport) { client in
        if isMutual, own == nil {
          let error = await #expect(throws: RPCError.self) {
            try await client.echo("Update", [[1]])
          }
          #expect(error?.code == .unavailable)
        } else {
          let answers = try await client.echo("Update", [Array("hello".utf8)]).messages
          let name = isMutual ? "node-9" : "nobody"
          #expect(answers.map { String(decoding: $0, as: UTF8.self) } == ["hello from \(name)"])
        }
      }
    }
  }
}

/// `Tests/Fixtures/python/tls_peer.py`, running.
private struct StockPeer {
  private let process = Process()
  private let output: String

  init(_ arguments: [String], output: String) throws {
    var root = URL(filePath: #filePath)
    for _ in 0 ..< 4 { root.deleteLastPathComponent() }
    try Data().write(to: URL(filePath: output))
    self.output = output
    process.executableURL = root.appending(path: ".bindery/python/bin/python")
    process.arguments =
      [root.appending(path: "Tests/Fixtures/python/tls_peer.py").path] + arguments
    // Its log of handshakes that are meant to fail helps nobody.
    process.environment = ["GRPC_VERBOSITY": "NONE", "PYTHONDONTWRITEBYTECODE": "1"]
    process.standardOutput = try FileHandle(forWritingTo: URL(filePath: output))
    try process.run()
  }

  static func call(_ arguments: [String]) async throws -> String {
    let output = NSTemporaryDirectory() + "bindery-peer-\(UInt64.random(in: 0 ... .max))"
    let peer = try StockPeer(["call"] + arguments, output: output)
    let process = peer.process
    for _ in 0 ..< 6 where process.isRunning { _ = try await eventually { !process.isRunning } }
    peer.stop()
    let line = try peer.line()
    try FileManager.default.removeItem(atPath: output)
    return line
  }

  /// Its end is taken note of by Foundation.
  func stop() {
    // Not SIGTERM: children inherit that blocked from some threads of this process.
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
  }

  func line() throws -> String {
    try String(contentsOfFile: output, encoding: .utf8).trimmingCharacters(in: .newlines)
  }

  func address() async throws -> TransportAddress {
    for _ in 0 ..< 3 {
      _ = try await eventually { (try? line())?.hasPrefix("ready ") == true }
    }
    return try TransportAddress(parsing: String(line().dropFirst("ready ".count)))
  }
}
