import API
import Changelog
import Domain
import Foundation
import GRPCCore
import Logging
import NIOPosix
import Spool
import Subscription
import Switches
import Synchronization
import Transport
import Wire
import WireServices

/// A control plane's distribution on a real socket, over a world in memory.
final class FleetServer: Sendable {
  let hub = ChangelogHub()
  let nodes: NodeRegistry
  /// Every record that was committed, by its turn, as often as it came.
  let recorded = Mutex<[Data: Int]>([:])
  let distribution: DistributionAPI
  private let world: Mutex<ConfigWorld>
  private let logger = Logger(label: "fleet")

  /// - Parameter isRead: False: what there is becomes known only with `read`.
  init(_ world: ConfigWorld, lease: Duration = .seconds(5), isRead: Bool = true) throws {
    self.world = Mutex(world)
    var options = NodeRegistry.Options()
    options.lease = lease
    nodes = NodeRegistry(options: options)
    distribution = DistributionAPI(hub: hub, nodes: nodes, logger: logger)
    if isRead { try read() }
  }

  func read() throws {
    let (incarnation, commit) = expected.snapshot
    try hub.reset(
      ConfigState(
        incarnation: incarnation,
        revision: commit.revision,
        resources: commit.resources
      )
    )
  }

  var revision: Revision { world.withLock { $0.revision } }
  var expected: ConfigWorld { world.withLock { $0 } }

  func commit(_ make: (inout ConfigWorld) -> Commit) throws {
    try hub.publish(world.withLock { make(&$0) })
  }

  func switchTenant(_ tenant: TenantID, to status: TenantStatus) throws {
    try commit { world in
      guard case .tenant(var resource)? = world.resources[.tenant(tenant)] else {
        return world.commit(put: [])
      }
      resource.status = status
      resource.switchRevision = world.revision.next
      return world.commit(put: [.tenant(resource)])
    }
  }

  /// Serves at a socket while `body` runs.
  func serve<Result: Sendable>(
    at path: String,
    _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    let transport = HTTP2ServerTransport(
      address: .unix(path: path),
      group: MultiThreadedEventLoopGroup.singleton,
      logger: logger
    )
    let ledger = LedgerAPI(logger: logger) { batch, _ in
      self.recorded.withLock { recorded in
        for request in batch { recorded[request.record.turnID, default: 0] += 1 }
      }
      var response = Bindery_V1_RecordResponse()
      response.committedSequence = batch.last?.sequence ?? 0
      return response
    }
    let server = GRPCServer(transport: transport, services: [distribution, ledger])
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve() }
      _ = try await transport.listeningAddress
      let result = try await body()
      group.cancelAll()
      return result
    }
  }
}

/// A node's subscription and uplink over a real socket and a real disk.
struct FleetNode: Sendable {
  let cache: ConfigCache
  let copy: DiskCopy
  let spool: Spool
  let name: String
  let socket: String
  private let logger = Logger(label: "node")

  init(_ name: String, directory: String, socket: String) async throws {
    self.name = name
    self.socket = socket
    copy = try DiskCopy(directory: "\(directory)/config")
    cache = try await ConfigCache(copy: copy, logger: logger)
    spool = try await Spool(Spool.Options(directory: "\(directory)/spool"), logger: logger)
  }

  /// Runs the node while `body` runs.
  func run<Result: Sendable>(
    mode: NodeIdentity.Mode = .eager,
    _ body:
      @escaping @Sendable (SubscriptionClient<Bindery_V1_Distribution.Client<HTTP2ClientTransport>>)
      async throws -> Result
  ) async throws -> Result {
    let transport = HTTP2ClientTransport(
      endpoints: [.unix(path: socket)],
      group: MultiThreadedEventLoopGroup.singleton,
      logger: logger
    )
    let client = GRPCClient(transport: transport)
    var options = SubscriptionClient<Bindery_V1_Distribution.Client<HTTP2ClientTransport>>.Options()
    options.firstBackoff = .milliseconds(20)
    options.lastBackoff = .milliseconds(200)
    options.copyInterval = .milliseconds(10)
    let subscription = SubscriptionClient(
      client: Bindery_V1_Distribution.Client(wrapping: client),
      cache: cache,
      identity: NodeIdentity(nodeID: name, region: "test", version: "1", mode: mode),
      options: options,
      logger: logger
    ) { .init(spoolDepth: spool.depth, activeTurns: 0) }
    var uplinkOptions = LedgerUplink<Bindery_V1_Ledger.Client<HTTP2ClientTransport>>.Options()
    uplinkOptions.grace = .zero
    uplinkOptions.poll = .milliseconds(5)
    let uplink = LedgerUplink(
      client: Bindery_V1_Ledger.Client(wrapping: client),
      spool: spool,
      nodeID: name,
      options: uplinkOptions,
      logger: logger
    )
    let result = try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await client.runConnections() }
      group.addTask { await subscription.run() }
      group.addTask { await uplink.run() }
      let result = try await body(subscription)
      group.cancelAll()
      client.beginGracefulShutdown()
      return result
    }
    return result
  }

  func close() async throws {
    try await spool.close()
    try await copy.close()
  }
}

/// Waits for a condition, at most 20 s.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
  let deadline = ContinuousClock.now + .seconds(20)
  while try await !condition() {
    guard ContinuousClock.now < deadline else { throw NotInTime(what: what) }
    try await Task.sleep(for: .milliseconds(2))
  }
}

struct NotInTime: Error, CustomStringConvertible {
  var what: String
  var description: String { "not in time: \(what)" }
}

/// A directory of its own for one test, removed with it; short enough for a socket's path.
final class ScratchDirectory: Sendable {
  let path: String

  init() throws {
    path = "/tmp/sim-\(UInt32.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      print("left behind: \(path)")
    }
  }
}
