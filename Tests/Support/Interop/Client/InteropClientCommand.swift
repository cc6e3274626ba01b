internal import ArgumentParser
internal import Foundation
internal import GRPCCore
internal import Interop
internal import Logging
internal import NIOPosix
internal import TLS
internal import Transport

/// `interop-client`: our transport against interoperability servers of any language.
@main
struct InteropClientCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "interop-client",
    abstract: "Tests a server of gRPC's interoperability service over our own transport.",
    discussion: """
      One line a case; exit status 1 when one fails. The cases: \
      \(InteropCase.allCases.map(\.rawValue).joined(separator: ", ")). Those with \
      credentials are not supported.
      """
  )

  @Option(help: "The server's host.")
  var host = "127.0.0.1"

  @Option(help: "The server's port.")
  var port: Int

  @Option(name: .customLong("case"), help: "The name of a case, or \"all\".")
  var test = "all"

  @Option(help: "A file (PEM) with the certificates that the server's one has to come from.")
  var tlsCa: String?

  @Option(help: "The name that the server's certificate has to have, if not the host's.")
  var serverName: String?

  @Option(help: "A file (PEM) with the certificate to show, and those of its issuers.")
  var tlsCert: String?

  @Option(help: "A file (PEM) with the certificate's key.")
  var tlsKey: String?

  func validate() throws {
    guard (1 ... 65535).contains(port) else { throw ValidationError("--port is 1 to 65535.") }
    guard test == "all" || InteropCase(rawValue: test) != nil else {
      throw ValidationError("There is no case '\(test)'; --help lists them.")
    }
  }

  func run() async throws {
    let cases = InteropCase(rawValue: test).map { [$0] } ?? InteropCase.allCases
    let logger = Logger(label: "interop-client") { _ in SwiftLogNoOpLogHandler() }
    var configuration = ClientTransportConfiguration()
    do throws(CredentialFailure) {
      let settings = [
        "tls-ca": tlsCa, "tls-cert": tlsCert, "tls-key": tlsKey, "tls-server-name": serverName,
      ]
      configuration.tls = try TLSSettings.client(logger: logger) { settings[$0] ?? nil }
    } catch {
      FileHandle.standardError.write(Data("interop-client: \(error)\n".utf8))
      throw ExitCode(78)
    }
    configuration.tlsServerName = serverName
    let transport = HTTP2ClientTransport(
      endpoints: [.tcp(host: host, port: port)],
      configuration: configuration,
      group: MultiThreadedEventLoopGroup.singleton,
      logger: logger
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
