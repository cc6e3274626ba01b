internal import API
internal import Changelog
internal import Domain
internal import Foundation
internal import GRPCCore
internal import Postgres
internal import ServiceLifecycle
internal import Synchronization
internal import Transport
internal import Wire

/// Runs something that goes on until it is cancelled, and cancels it on a graceful shutdown.
struct UntilShutdown: Service {
  private let body: @Sendable () async throws -> Void

  init(_ body: @escaping @Sendable () async throws -> Void) {
    self.body = body
  }

  func run() async throws {
    do {
      try await cancelWhenGracefulShutdown(body)
    } catch is CancellationError {
      // That is how it ends.
    } catch let error as PostgresError where error.kind == .cancelled {
      // Likewise, when it waited for the database.
    }
  }
}

/// The gRPC server: on a graceful shutdown it tells watchers to go elsewhere, then ends its calls.
struct GRPCService: Service {
  let server: GRPCServer<HTTP2ServerTransport>
  let health: HealthService
  let distribution: DistributionAPI

  func run() async throws {
    try await withGracefulShutdownHandler {
      try await server.serve()
    } onGracefulShutdown: {
      health.setStatus(.notServing, of: "")
      distribution.drain()
      server.beginGracefulShutdown()
    }
  }
}

/// Ready once the configuration is loaded and both addresses are bound; says so once, on one line.
final class Readiness: Sendable {
  private let transport: HTTP2ServerTransport
  private let hub: ChangelogHub
  private let health: HealthService
  private let httpPort = Mutex<Int?>(nil)
  private let isAnnounced = Mutex(false)

  init(transport: HTTP2ServerTransport, hub: ChangelogHub, health: HealthService) {
    self.transport = transport
    self.hub = hub
    self.health = health
  }

  var isReady: Bool { isAnnounced.withLock { $0 } }

  func httpListens(on port: Int) {
    httpPort.withLock { $0 = port }
  }

  func announce(host: String) async throws {
    let address = try await transport.listeningAddress
    while hub.revision == nil || httpPort.withLock({ $0 }) == nil {
      try await Task.sleep(for: .milliseconds(5))
    }
    for service in [
      "", "bindery.v1.Admin", "bindery.v1.Distribution", "bindery.v1.Conversations",
      "bindery.v1.Ledger",
    ] {
      health.setStatus(.serving, of: service)
    }
    isAnnounced.withLock { $0 = true }
    let port = httpPort.withLock { $0 } ?? 0
    let line = "ready grpc=\(address) http=\(host):\(port) revision=\(hub.revision ?? .zero)\n"
    try FileHandle.standardOutput.write(contentsOf: Data(line.utf8))
  }
}
