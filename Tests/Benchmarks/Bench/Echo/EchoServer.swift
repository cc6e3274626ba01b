internal import ArgumentParser
internal import Foundation
internal import GRPCCore
internal import Logging
internal import NIOPosix
internal import Observability
internal import Transport

/// The product's transport with a service that costs next to nothing.
struct EchoServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "echo-server",
    abstract: "Serve bindery.bench.Echo on the product's transport (started by 'transport').",
    shouldDisplay: false
  )

  @Option var port: Int

  func run() async throws {
    raiseOpenFileLimit()
    let transport = HTTP2ServerTransport(
      address: .tcp(host: "127.0.0.1", port: port),
      group: MultiThreadedEventLoopGroup.singleton,
      logger: Logger(label: "echo") { _ in SwiftLogNoOpLogHandler() }
    )
    var router = RPCRouter<HTTP2ServerTransport>()
    EchoMethods.register(on: &router, watchers: LoopWatchers())
    let server = GRPCServer(transport: transport, router: router)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve() }
      let address = try await transport.listeningAddress
      FileHandle.standardOutput.write(Data("ready on \(address)\n".utf8))
      try await group.waitForAll()
    }
  }
}
