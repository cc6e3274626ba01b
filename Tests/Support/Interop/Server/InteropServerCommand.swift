internal import ArgumentParser
internal import Foundation
internal import GRPCCore
internal import Interop
internal import Logging
internal import NIOPosix
internal import ServiceLifecycle
internal import TLS
internal import TestWire
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
      It serves grpc.testing.TestService, bindery.test.Echo, grpc.health.v1.Health and server \
      reflection on the loopback, with --tls-cert and --tls-key over TLS, says "ready HOST:PORT" once it listens, and runs until SIGTERM or SIGINT.
      """
  )

  @Option(help: "A loopback address to listen on.")
  var host = "127.0.0.1"

  @Option(help: "The port to listen on; 0 for a free one.")
  var port = 0

  @Option(help: "A file (PEM) with the certificate to show, and those of its issuers.")
  var tlsCert: String?

  @Option(help: "A file (PEM) with the certificate's key.")
  var tlsKey: String?

  @Option(help: "A file (PEM) with the certificates that clients' ones have to come from.")
  var tlsClientCa: String?

  func validate() throws {
    guard (0 ... 65535).contains(port) else { throw ValidationError("--port is 0 to 65535.") }
    guard TransportAddress.tcp(host: host, port: port).isLocal else {
      throw ValidationError("'\(host)' is no loopback address; write 127.0.0.1, ::1 or localhost.")
    }
  }

  func run() async throws {
    let quiet = Logger(label: "interop-server") { _ in SwiftLogNoOpLogHandler() }
    var configuration = ServerTransportConfiguration()
    do throws(CredentialFailure) {
      let files = ["tls-cert": tlsCert, "tls-key": tlsKey, "tls-client-ca": tlsClientCa]
      configuration.tls = try TLSSettings.server(logger: quiet) { files[$0] ?? nil }
    } catch {
      FileHandle.standardError.write(Data("interop-server: \(error)\n".utf8))
      throw ExitCode(78)
    }
    let transport = HTTP2ServerTransport(
      address: .tcp(host: host, port: port),
      configuration: configuration,
      group: MultiThreadedEventLoopGroup.singleton,
      logger: quiet
    )
    let health = HealthService()
    for service in ["", "grpc.testing.TestService", "bindery.test.Echo"] {
      health.setStatus(.serving, of: service)
    }
    let reflection = ReflectionService(
      services: ["grpc.testing.TestService", "bindery.test.Echo", "grpc.health.v1.Health"],
      descriptors: try DescriptorIndex(
        base64: [WireDescriptors.fileDescriptorSet, TestWireDescriptors.fileDescriptorSet]
      )
    )
    let server = GRPCServer(
      transport: transport,
      services: [TestService(), EchoService(), health, reflection]
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
