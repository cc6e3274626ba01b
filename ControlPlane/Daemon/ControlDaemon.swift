internal import API
internal import Access
internal import Changelog
internal import Compiler
internal import Conversations
internal import Domain
internal import Foundation
internal import GRPCCore
internal import Hummingbird
internal import Ledger
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Observability
internal import Publishing
internal import Rollouts
internal import ServiceLifecycle
internal import Store
internal import Switches
internal import TLS
internal import Transport
internal import UnixSignals
internal import Wire

/// Wires the rooms together and runs them until a signal asks to stop.
struct ControlDaemon {
  let settings: ControlSettings
  private let logger = Logger(label: "bindery-control")

  init(settings: ControlSettings) {
    self.settings = settings
  }

  /// - Throws: `ProgramFailure`.
  func run() async throws {
    let tls = try loadCertificates()
    try makeDataDirectory()
    let database = try await Database.open(settings, logger: logger)
    do {
      try await serve(database, tls)
    } catch {
      await database.close()
      throw failure(error)
    }
    await database.close()
  }

  private func loadCertificates() throws -> ReloadingTLSContext? {
    do {
      return try TLSSettings.server(logger: logger) { settings.tls[$0] }
    } catch {
      throw ProgramFailure(.unusable, "TLS can't be served: \(error)")
    }
  }

  private func makeDataDirectory() throws {
    do {
      try FileManager.default.createDirectory(
        atPath: settings.dataDirectory,
        withIntermediateDirectories: true
      )
    } catch {
      throw ProgramFailure(
        .unusable,
        "\(settings.dataDirectory) can't be made: \(error.localizedDescription)"
      )
    }
  }

  private func serve(_ database: Database, _ tls: ReloadingTLSContext?) async throws {
    let store = database.store
    let hub = ChangelogHub()
    var options = NodeRegistry.Options()
    options.lease = settings.lease
    options.isShared = true
    let nodes = NodeRegistry(options: options)
    store.whenCommitted { hub.offer($0, of: $1) }
    // Leases count from when the store was asked last, and from when others were told that this replica is
    // there.
    let patience = min(settings.lease / 10, .seconds(1))
    var beats = FleetSync.Options()
    beats.beat = patience
    let fleet = FleetSync(
      store: store,
      nodes: nodes,
      hub: hub,
      address: "\(settings.grpc)",
      options: beats,
      logger: logger
    )
    try await fleet.start()
    let access = AccessControl(settings: settings, store: store, logger: logger)
    try await access.prepare()
    let ledger = LedgerService(store: store, logger: logger)
    let conversations = ConversationService(store: store, logger: logger)
    let claims = ClaimDispatcher(logger: logger) { limit in
      try await conversations.claimable(limit: limit)
    }
    let planner = Planner(toolAllow: settings.toolAllow, tables: settings.modelTables)
    let compiler = CompilerStatus()
    let recompiler = Recompiler(store: store, planner: planner, status: compiler, logger: logger)
    try await recompiler.claim()
    let rollouts = RolloutDriver(
      store: store,
      nodes: nodes,
      gates: LedgerGateSource(store: store),
      logger: logger
    )
    let distribution = DistributionAPI(hub: hub, nodes: nodes, logger: logger)
    let health = HealthService()
    let group = MultiThreadedEventLoopGroup.singleton
    var configuration = ServerTransportConfiguration()
    configuration.tls = tls
    settings.connections.apply(to: &configuration)
    // The push, and what costs nothing. The others compile or read and write much, which would hold up
    // the pushes of the same loop; from there too they could wait for PostgreSQL.
    let onLoop: Set = ["bindery.v1.Distribution", "grpc.health.v1.Health"]
    configuration.runsOnLoop = { onLoop.contains($0.service.fullyQualifiedService) }
    let transport = HTTP2ServerTransport(
      address: settings.grpc,
      configuration: configuration,
      group: group,
      logger: logger
    )
    var router = RPCRouter<HTTP2ServerTransport>()
    let services: [any RegistrableRPCService] = [
      AdminAPI(
        publisher: Publisher(store: store, planner: planner, compiler: compiler),
        store: store,
        ledger: ledger,
        registry: nodes,
        hub: hub,
        tokens: access.tokens
      ),
      distribution,
      ConversationsAPI(service: conversations, claims: claims),
      LedgerAPI(logger: logger) { try await ledger.record($0, servedTenants: $1) },
      health,
    ]
    for service in services { service.registerMethods(with: &router) }
    if settings.reflection {
      let served = Set(router.methods.map(\.service.fullyQualifiedService))
      ReflectionService(
        services: Array(served),
        descriptors: try DescriptorIndex(base64: [WireDescriptors.fileDescriptorSet])
      ).registerMethods(with: &router)
    }
    try access.check(router.methods)
    router.registerInterceptors(pipeline: access.interceptors)
    let server = GRPCServer(transport: transport, router: router)
    let tail = ChangelogTail(
      source: .init(
        snapshot: { try await store.recentSnapshot() },
        wait: {
          let found = try await store.waitForRevision(after: $0, patience: patience)
          return StorePosition(incarnation: found.incarnation, revision: found.revision)
        },
        commits: { try await store.follow(after: $0) },
        attach: { try await store.attach() },
        renew: { try await store.renew($0) }
      ),
      hub: hub,
      logger: logger
    )
    let grpc = GRPCService(server: server, health: health, distribution: distribution)
    let ready = Readiness(transport: transport, hub: hub, health: health)
    let http = OperatorHTTP(
      host: settings.http.host,
      port: settings.http.port,
      logger: logger,
      metrics: configuration.metrics
    ) {
      OperatorHTTP.Status(
        isReady: ready.isReady,
        revision: hub.revision ?? .zero,
        connectedNodes: nodes.connectedHere,
        watchers: hub.watcherCount,
        unauthenticated: access.unauthenticated,
        refused: access.refused,
        compiler: compiler,
        overLimit: access.overLimit
      )
    }
    let operatorHTTP = http.application { port in ready.httpListens(on: port) }
    let services2: [any Service] = [
      UntilShutdown { try await store.runWakeups() },
      UntilShutdown { await tail.run() },
      UntilShutdown { try await fleet.run() },
      UntilShutdown { try await claims.run() },
      UntilShutdown { try await recompiler.run() },
      UntilShutdown { try await rollouts.run() },
      UntilShutdown { try await access.run() },
      UntilShutdown {
        try await RetentionTimer(store: store, settings: settings, logger: logger).run()
      },
      UntilShutdown { await tls?.follow() },
      grpc,
      operatorHTTP,
      UntilShutdown { try await ready.announce(host: settings.http.host) },
    ]
    let group2 = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: services2.map {
          .init(
            service: $0,
            successTerminationBehavior: .ignore,
            failureTerminationBehavior: .gracefullyShutdownGroup
          )
        },
        gracefulShutdownSignals: [.sigterm, .sigint],
        logger: Logger(label: "lifecycle") { _ in SwiftLogNoOpLogHandler() }
      )
    )
    do {
      try await group2.run()
    } catch {
      await access.finish()
      throw error
    }
    await access.finish()
  }

  private func failure(_ error: any Error) -> any Error {
    if let failure = error as? ProgramFailure { return failure }
    // gRPC wraps what its transport throws.
    let cause = (error as? RuntimeError)?.cause ?? error
    if let failure = cause as? ListenFailure {
      return ProgramFailure(
        .unavailable,
        failure.isInUse
          ? "\(failure.address) is taken by another program; stop it or choose another --grpc"
          : "gRPC can't be served: \(failure)"
      )
    }
    if let error = error as? IOError, error.errnoCode == EADDRINUSE {
      let (host, port) = settings.http
      return ProgramFailure(
        .unavailable,
        "\(host):\(port) is taken by another program; stop it or choose another --http"
      )
    }
    return ProgramFailure(.fault, "a fault: \(error)")
  }
}
