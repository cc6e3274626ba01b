internal import ArgumentParser
internal import Foundation
internal import GRPCCore
internal import Interop
internal import Logging
internal import NIOPosix
internal import Transport

/// `interop-client`: our transport against interoperability servers of any language.
@main
struct InteropClientCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "interop-client",
    abstract: "Tests a server of gRPC's interoperability service over our own transport.",
    discussion: """
      One line a case; exit status 1 when one fails. The cases: \
      \(InteropCase.allCases.map(\.rawValue).joined(separator: ", ")). The cases with compressed \
      messages or with credentials are not supported yet and not part of "all".
      """
  )

  @Option(help: "The server's host.")
  var host = "127.0.0.1"

  @Option(help: "The server's port.")
  var port: Int

  @Option(name: .customLong("case"), help: "The name of a case, or \"all\".")
  var test = "all"

  func validate() throws {
    guard (1 ... 65535).contains(port) else { throw ValidationError("--port is 1 to 65535.") }
    guard test == "all" || InteropCase(rawValue: test) != nil else {
      throw ValidationError("There is no case '\(test)'; --help lists them.")
    }
  }

  func run() async throws {
    let cases = InteropCase(rawValue: test).map { [$0] } ?? InteropCase.allCases
    let transport = HTTP2ClientTransport(
      endpoints: [.tcp(host: host, port: port)],
      group: MultiThreadedEventLoopGroup.singleton,
      logger: Logger(label: "interop-client") { _ in SwiftLogNoOpLogHandler() }
    )
    let failed = try await withGRPCClient(transport: transport) { client in
      let runner = InteropCases(client: client)
      var failed = 0
      for test in cases {
        if let reason = await outcome(of: test, runner) {
          failed += 1
          say("FAIL  \(padded(test.rawValue)) \(reason)")
        } else {
          say("ok    \(test.rawValue)")
        }
      }
      return failed
    }
    say("\(cases.count - failed) passed, \(failed) failed")
    if failed > 0 { throw ExitCode(1) }
  }

  /// Why the case failed; nil when it did not.
  private func outcome(
    of test: InteropCase,
    _ runner: InteropCases<HTTP2ClientTransport>
  ) async -> String? {
    do {
      try await runner.run(test)
      return nil
    } catch let error as RPCError {
      return "\(error.code): \(error.message)"
    } catch {
      return "\(error)"
    }
  }

  private func padded(_ name: String) -> String {
    name + String(repeating: " ", count: max(0, 28 - name.count))
  }

  private func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
  }
}
