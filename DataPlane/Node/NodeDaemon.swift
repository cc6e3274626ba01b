internal import AsyncHTTPClient
internal import Channels
internal import Domain
internal import Foundation
internal import GRPCCore
internal import Hummingbird
internal import Logging
internal import Models
internal import NIOCore
internal import NIOPosix
internal import Observability
internal import Secrets
internal import ServiceLifecycle
internal import Spool
internal import Subscription
internal import TLS
internal import Transport
internal import Turn
internal import UnixSignals
internal import WireServices

/// Wires the rooms together and runs them until a signal asks to stop.
struct NodeDaemon {
  static let version = "0.1.0"
  /// Calls to the control plane; beyond, the node goes on without it.
  static let callDeadline: Duration = .seconds(3)
  /// Turns and streams under way may end within this after a signal.
  static let drainLimit: Duration = .seconds(30)

  let settings: NodeSettings
  private let logger = Logger(label: "bindery-node")

  init(settings: NodeSettings) { self.settings = settings }

  /// - Throws: `ProgramFailure`.
  func run() async throws {
    let tls = try loadCertificates()
    let disk = try await NodeDisk.open(
      settings.dataDirectory,
      place: NodeIdentity.place(region: settings.region, labels: settings.labels),
      logger: logger
    )
    let client = HTTPClient(configuration: WhatsAppSender.clientConfiguration)
    // Waiting for a connection would count as the model's silence.
    let models = ModelHTTPClient.make(connections: 1024)
    let secrets = NodeSecrets(
      directory: settings.secretsDirectory,
      environment: ProcessInfo.processInfo.environment
    )
    if !FileManager.default.fileExists(atPath: settings.secretsDirectory) {
      logger.warning(
        "the secrets folder is not there: only secrets of the environment are known",
        metadata: ["folder": "\(settings.secretsDirectory)"]
      )
    }
    let rooms = NodeRooms.open(settings, secrets: secrets, client: models, logger: logger)
    var failure: (any Error)?
    do {
      try await serve(disk, client, secrets, rooms, tls)
    } catch {
      failure = error
    }
    await rooms.close(logger: logger)
    for client in [client, models] {
      do {
        try await client.shutdown()
      } catch {
        logger.warning("an HTTP client was not closed cleanly", metadata: ["why": "\(error)"])
      }
    }
    await disk.close()
    if let failure { throw Self.failure(failure, http: settings.http) }
  }

  private func loadCertificates() throws -> ReloadingTLSContext? {
    do {
      return try TLSSettings.client(logger: logger) { settings.tls[$0] }
    } catch {
      throw ProgramFailure(.unusable, "TLS can't be used: \(error)")
    }
  }

  /// What shows the node's token with every call; nothing without one.
  private func accessToken() throws -> [any ClientInterceptor] {
    guard let path = settings.tokenFile else { return [] }
    let file = AccessTokenFile(path)
    do {
      _ = try file.token()
    } catch {
      throw ProgramFailure(.unusable, error.message)
    }
    return [AccessTokenInterceptor(token: file.token)]
  }

  private func serve(
    _ disk: NodeDisk,
    _ client: HTTPClient,
    _ secrets: NodeSecrets,
    _ rooms: NodeRooms,
    _ tls: ReloadingTLSContext?
  ) async throws {
    var transport = ClientTransportConfiguration()
    transport.tls = tls
    transport.tlsServerName = settings.tls["tls-server-name"]
    if let keepalive = settings.keepalive { transport.keepalive = keepalive }
    if let timeout = settings.keepaliveTimeout { transport.keepaliveTimeout = timeout }
    let control = GRPCClient(
      transport: HTTP2ClientTransport(
        endpoints: settings.control,
        configuration: transport,
        group: MultiThreadedEventLoopGroup.singleton,
        logger: logger
      ),
      interceptors: try accessToken()
    )
    let activity = TurnActivity()
    let spool = disk.spool
    var watching = SubscriptionClient<Bindery_V1_Distribution.Client<HTTP2ClientTransport>>
      .Options()
    watching.lastBackoff = .seconds(5)
    let subscription = SubscriptionClient(
      client: Bindery_V1_Distribution.Client(wrapping: control),
      cache: disk.cache,
      identity: NodeIdentity(
        nodeID: settings.nodeID,
        region: settings.region,
        labels: settings.labels,
        version: Self.version,
        edges: ["http://\(settings.http.host):\(settings.http.port)"],
        mode: settings.mode
      ),
      options: watching,
      logger: logger
    ) { .init(spoolDepth: spool.depth, activeTurns: activity.active) }
    let uplink = LedgerUplink(
      client: Bindery_V1_Ledger.Client(wrapping: control),
      spool: spool,
      nodeID: settings.nodeID,
      logger: logger
    )
    let memory = ConversationMemory()
    try await disk.recallAnswers(into: memory)
    var turns = TurnServices(
      nodeID: settings.nodeID,
      configuration: disk.cache,
      conversations: RemoteConversations(wrapping: control, deadline: Self.callDeadline),
      spool: spool,
      inbox: disk.inbox,
      models: rooms.models,
      tools: rooms.tools,
      guards: rooms.guards,
      memory: memory,
      logger: logger,
      nowMS: Self.nowMS,
      mint: { UUIDv7.make(atMS: Self.nowMS()) }
    )
    turns.activity = activity
    let edge = NodeEdge(
      settings,
      disk: disk,
      turns: turns,
      secrets: secrets,
      client: client,
      transportMetrics: transport.metrics,
      fetchBinding: Self.fetch(disk.cache, subscription, logger)
    )
    // In the order of their start; a graceful shutdown stops the last first.
    try await Self.group([
      UntilDrained {
        try await control.runConnections()
      } finish: {
        control.beginGracefulShutdown()
      },
      UntilShutdown { await subscription.run() },
      UntilShutdown { await uplink.run() },
      UntilShutdown { await tls?.follow() },
      ScheduledTurns(scheduler: edge.scheduler),
      UntilDrained {
        await edge.notices.run()
      } finish: {
        edge.notices.finish()
      },
      UntilShutdown { await edge.claims.run() },
      edge.application(logger: logger),
      UntilShutdown { try await edge.announce() },
    ]).run()
  }

  private static func group(_ services: [any Service]) -> ServiceGroup {
    var configuration = ServiceGroupConfiguration(
      services: services.map {
        .init(
          service: $0,
          successTerminationBehavior: .ignore,
          failureTerminationBehavior: .gracefullyShutdownGroup
        )
      },
      gracefulShutdownSignals: [.sigterm, .sigint],
      logger: Logger(label: "lifecycle") { _ in SwiftLogNoOpLogHandler() }
    )
    configuration.maximumGracefulShutdownDuration = drainLimit
    return ServiceGroup(configuration: configuration)
  }

  /// Asks the control plane for a binding that is routed but not here.
  private static func fetch<Client: Bindery_V1_Distribution.ClientProtocol>(
    _ cache: ConfigCache,
    _ subscription: SubscriptionClient<Client>,
    _ logger: Logger
  ) -> @Sendable (BindingID, TenantID) async -> Bool {
    { binding, tenant in
      if cache.snapshot.binding(binding) != nil { return true }
      do {
        return try await subscription.fetch(binding, of: tenant) != nil
      } catch {
        logger.notice("a binding could not be fetched", metadata: ["why": "\(error)"])
        return false
      }
    }
  }

  @Sendable private static func nowMS() -> Int64 {
    Int64(Date().timeIntervalSince1970 * 1_000)
  }

  private static func failure(
    _ error: any Error,
    http: (host: String, port: Int)
  ) -> ProgramFailure {
    if let failure = error as? ProgramFailure { return failure }
    if let error = error as? IOError, error.errnoCode == EADDRINUSE {
      return ProgramFailure(
        .unavailable,
        "\(http.host):\(http.port) is taken by another program; stop it or choose another --http"
      )
    }
    return ProgramFailure(.fault, "a fault: \(error)")
  }
}
