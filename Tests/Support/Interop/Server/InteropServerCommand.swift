internal import ArgumentParser
internal import Foundation
internal import GRPCCore
internal import Interop
internal import Logging
internal import NIOPosix
internal import ServiceLifecycle
internal import Transport
internal import UnixSignals
internal import Wire

/// `interop-server`: our transport, as stock clients of any language test it.
@main
struct InteropServerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "interop-server",
    abstract: "Serves gRPC's interoperability service over our own transport.",
    discussion: """
      It serves grpc.testing.TestService, bindery.test.Echo and grpc.health.v1.Health without TLS on \
      the loopback, says "ready HOST:PORT" once it listens, and runs until SIGTERM or SIGINT. \
      Compressed messages are not supported yet: a request with expect_compressed ends with \
      INVALID_ARGUMENT.
      """
  )

  @Option(help: "A loopback address to listen on.")
  var host = "127.0.0.1"

  @Option(help: "The port to listen on; 0 for a free one.")
  var port = 0

  func validate() throws {
    guard (0 ... 65535).contains(port) else { throw ValidationError("--port is 0 to 65535.") }
    guard TransportAddress.tcp(host: host, port: port).isLocal else {
      throw ValidationError("'\(host)' is no loopback address; write 127.0.0.1, ::1 or localhost.")
    }
  }

  func run() async throws {
    let quiet = Logger(label: "interop-server") { _ in SwiftLogNoOpLogHandler() }
    let transport = HTTP2ServerTransport(
      address: .tcp(host: host, port: port),
      group: MultiThreadedEventLoopGroup.singleton,
      logger: quiet
    )
    let health = HealthService()
    for service in ["", "grpc.testing.TestService", "bindery.test.Echo"] {
      health.setStatus(.serving, of: service)
    }
    let server = GRPCServer(
      transport: transport,
      services: [TestService(), EchoService(), health]
    )
    do {
      try await ServiceGroup(
        configuration: .init(
          services: [
            .init(service: Serving(server: server)),
            .init(
              service: Announcing(transport: transport),
              successTerminationBehavior: .ignore
            ),
          ],
          gracefulShutdownSignals: [.sigterm, .sigint],
          logger: quiet
        )
      ).run()
    } catch let failure as ListenFailure {
      FileHandle.standardError.write(Data("interop-server: \(failure)\n".utf8))
      throw ExitCode(69)
    }
  }
}

private struct Serving: Service {
  let server: GRPCServer<HTTP2ServerTransport>

  func run() async throws {
    do {
      try await withGracefulShutdownHandler {
        try await server.serve()
      } onGracefulShutdown: {
        server.beginGracefulShutdown()
      }
    } catch let error as RuntimeError {
      throw error.cause ?? error
    }
  }
}

/// Says once where the server listens; a failure to listen is the server's to report.
private struct Announcing: Service {
  let transport: HTTP2ServerTransport

  func run() async throws {
    do {
      let address = try await transport.listeningAddress
      FileHandle.standardOutput.write(Data("ready \(address)\n".utf8))
    } catch is ListenFailure {
      try await gracefulShutdown()
    }
  }
}
