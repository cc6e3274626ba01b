internal import API
internal import ArgumentParser
internal import Changelog
internal import Domain
internal import Foundation
internal import GRPCCore
internal import Logging
internal import NIOPosix
internal import Switches
internal import Transport

/// A control plane's distribution over a world in memory, which changes a binding every few
/// milliseconds once `--changes-per-second` is given.
struct LookupServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lookup-server",
    abstract: "Serve bindings to a node (started by 'lookup').",
    shouldDisplay: false
  )

  @Option var port: Int
  @Option var bindings: Int
  @Option var tiers: Int
  @Option var changesPerSecond = 100

  func run() async throws {
    let world = try LookupWorld(bindings: bindings, tiers: tiers)
    let hub = ChangelogHub()
    var revision = Revision(1)
    try hub.reset(
      ConfigState(incarnation: UUID(), revision: revision, resources: try world.resources)
    )
    let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
    let transport = HTTP2ServerTransport(
      address: .tcp(host: "127.0.0.1", port: port),
      group: MultiThreadedEventLoopGroup.singleton,
      logger: logger
    )
    let server = GRPCServer(
      transport: transport,
      services: [DistributionAPI(hub: hub, nodes: NodeRegistry(), logger: logger)]
    )
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve() }
      _ = try await transport.listeningAddress
      FileHandle.standardOutput.write(Data("ready\n".utf8))
      var number = 0
      while !Task.isCancelled {
        try await Task.sleep(for: .seconds(1) / max(1, changesPerSecond))
        guard hub.watcherCount > 0 else { continue }
        revision = revision.next
        number = (number + 7_919) % bindings
        let binding = try world.binding(number, version: Int32(truncatingIfNeeded: revision.value))
        try hub.publish(
          Commit(
            revision: revision,
            committedAt: Date(),
            resources: [.binding(binding)],
            removed: []
          )
        )
      }
      group.cancelAll()
    }
  }
}
