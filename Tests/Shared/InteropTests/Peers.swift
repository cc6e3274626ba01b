import Foundation
import Interop
import Scenario
import Testing

/// Programs on the other side of a test: ours, and stock ones in Python.
struct Peers {
  private let layout: Layout
  private let folder: URL

  /// Runs `body`, then removes what the programs wrote.
  static func use(_ body: (Peers) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "bindery-interop-\(UUID().uuidString.prefix(8))"
    )
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { removeFolder(folder) }
    try await body(Peers(layout: .ofThisBuild(), folder: folder))
  }

  private var python: String {
    layout.repository.appending(path: ".bindery/python/bin/python").path
  }

  private func script(_ name: String) -> String {
    layout.repository.appending(path: "Tests/Fixtures/python/\(name)").path
  }

  /// Starts a server on a free port, hands over its HOST:PORT, and ends it.
  func serve(
    _ name: String,
    _ options: [String] = [],
    _ body: (String) async throws -> Void
  ) async throws {
    let isPython = name.hasSuffix(".py")
    let server = try Program(
      name,
      path: isPython ? python : layout.program(name),
      arguments: (isPython ? [script(name)] : ["--port", "0"]) + options,
      log: folder.appending(path: "\(name).log")
    )
    do {
      try await server.waitUntilReady(within: .seconds(30))
      let line = server.output.split(separator: "\n").first { $0.hasPrefix("ready ") } ?? ""
      try await body(String(line.dropFirst("ready ".count)))
      try require(server.isRunning, "\(name) died\n\(server.tail())")
    } catch {
      await server.stop()
      throw error
    }
    if let fault = await server.stop() { throw ScenarioFailure(fault) }
  }

  /// Runs a client, or a script, to its end.
  func run(_ name: String, _ arguments: [String]) async throws -> Completed {
    let isPython = name.hasSuffix(".py")
    return try await Completed.run(
      name,
      path: isPython ? python : layout.program(name),
      arguments: isPython ? [script(name)] + arguments : arguments,
      within: .seconds(90)
    )
  }

  /// Runs our client against a server.
  func runOurClient(
    at address: String,
    case name: String = "all",
    _ options: [String] = []
  ) async throws -> Completed {
    let port = address.split(separator: ":").last.map(String.init) ?? ""
    return try await run("interop-client", ["--port", port, "--case", name] + options)
  }
}

extension Peers {
  /// All cases of our client must pass against a server, those left out that it can't know.
  func expectAllCases(of server: String, at address: String, _ options: [String] = []) async throws
  {
    let completed = try await runOurClient(at: address, case: "all", options)
    let lines = completed.standardOutput.split(separator: "\n")
    let passed = lines.filter { $0.hasPrefix("ok ") }
    // grpcio can't tell its services which message came compressed, so that their probes fail.
    let impossible: [InteropCase] =
      server == "interop-server" ? [] : [.clientCompressedUnary, .clientCompressedStreaming]
    #expect(
      passed.count == InteropCase.allCases.count - impossible.count,
      "\(completed.standardOutput)\(completed.standardError)"
    )
    for test in impossible {
      let isProbe = lines.contains {
        $0.hasPrefix("FAIL  \(test.rawValue) ") && $0.contains("expected invalidArgument")
      }
      #expect(isProbe, "\(test)")
    }
    #expect(completed.status == (impossible.isEmpty ? 0 : 1))
  }
}
