internal import AsyncHTTPClient
internal import Channels
internal import Domain
internal import Hummingbird
internal import Logging
internal import Secrets
internal import Spool
internal import Subscription
internal import Transport
internal import Turn

/// Everything between the sockets and the turns, wired.
struct NodeEdge: Sendable {
  let scheduler: ConversationScheduler
  let claims: ClaimWorker
  let notices: WhatsAppNotices
  private let routes: EdgeRoutes
  private let operatorRoutes: OperatorRoutes
  private let settings: NodeSettings
  private let cache: ConfigCache
  private let announcement = Announcement()

  init(
    _ settings: NodeSettings,
    disk: NodeDisk,
    turns: TurnServices,
    secrets: any SecretResolver,
    client: HTTPClient,
    transportMetrics: TransportMetrics,
    fetchBinding: @escaping @Sendable (BindingID, TenantID) async -> Bool
  ) {
    self.settings = settings
    cache = disk.cache
    var options = WhatsAppSender.Options()
    if let base = settings.whatsAppBaseURL { options.baseURL = base }
    let sender = WhatsAppSender(
      configuration: disk.cache,
      secrets: secrets,
      client: client,
      options: options,
      logger: turns.logger
    )
    let runner = TurnRunner(turns)
    let scheduled = NodeTurns(runner: runner, sender: sender, fetchBinding: fetchBinding)
    scheduler = ConversationScheduler(logger: turns.logger) { address, known in
      await scheduled.run(address, known: known)
    }
    var debounce = Intake.Debounce()
    debounce.quietMS = settings.quietMS
    debounce.latestMS = settings.latestMS
    let held = HeldInputs(disk.inbox.pending())
    let intake = Intake(turns, scheduler: scheduler, held: held, debounce: debounce)
    claims = ClaimWorker(turns, scheduler: scheduler, intake: intake, sender: sender)
    let metrics = ChannelMetrics()
    notices = WhatsAppNotices(turns, sender: sender, metrics: metrics)
    var limits = EdgeRoutes.Limits()
    limits.visitorMessagesPerMinute = settings.visitorMessagesPerMinute
    routes = EdgeRoutes(
      ChannelServices(
        turns: turns,
        runner: runner,
        intake: intake,
        secrets: secrets,
        sender: sender,
        metrics: metrics,
        fetchBinding: fetchBinding,
        visitorKey: disk.visitorKey
      ),
      notices: notices,
      limits: limits
    )
    operatorRoutes = OperatorRoutes(
      nodeID: settings.nodeID,
      cache: disk.cache,
      spool: disk.spool,
      inbox: disk.inbox,
      held: held,
      activity: turns.activity,
      metrics: metrics,
      transportMetrics: transportMetrics
    )
  }

  /// The HTTP server, not started yet.
  func application(logger: Logger) -> some ApplicationProtocol {
    let router = Router()
    operatorRoutes.add(to: router)
    routes.add(to: router)
    let announcement = announcement
    return Application(
      router: router,
      configuration: .init(
        address: .hostname(settings.http.host, port: settings.http.port),
        serverName: "bindery-node"
      ),
      onServerRunning: { channel in announcement.listens(on: channel.localAddress?.port ?? 0) },
      logger: logger
    )
  }

  func announce() async throws {
    try await announcement.announce(
      host: settings.http.host,
      nodeID: settings.nodeID,
      cache: cache
    )
  }
}
