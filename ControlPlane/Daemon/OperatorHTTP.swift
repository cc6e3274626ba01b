internal import Domain
internal import Hummingbird
internal import Logging
internal import Observability
internal import Publishing
internal import Switches
internal import Transport

/// Liveness, readiness and metrics, on a port of their own.
struct OperatorHTTP {
  /// Whether the configuration is loaded, the newest revision, and the nodes' count.
  struct Status: Sendable {
    var isReady: Bool
    var revision: Revision
    var connectedNodes: Int
    var watchers: Int
    /// Callers that could not say who they are, and such of them that had no more failures left.
    var unauthenticated: (told: Int, exhausted: Int)
    /// Calls of known callers that were refused, and such of them that are not in the audit log.
    var refused: (all: Int, unwritten: Int)
    var compiler: CompilerStatus
    /// Calls of callers that had as many in flight as they may have.
    var overLimit: Int
  }

  let host: String
  let port: Int
  let logger: Logger
  let metrics: TransportMetrics
  let status: @Sendable () -> Status

  /// The server, not started yet. Liveness never depends on another service.
  func application(
    onRunning: @escaping @Sendable (Int) async -> Void
  ) -> some ApplicationProtocol {
    let router = Router()
    let (status, metrics) = (status, metrics)
    router.get("/healthz") { _, _ in "ok\n" }
    router.get("/readyz") { _, _ in
      let now = status()
      return EditedResponse(
        status: now.isReady ? .ok : .serviceUnavailable,
        response: now.isReady ? "ready\n" : "the configuration is not loaded yet\n"
      )
    }
    router.get("/metrics") { _, _ in
      let now = status()
      return """
        # HELP bindery_revision Newest revision of the configuration.
        # TYPE bindery_revision gauge
        bindery_revision \(now.revision)
        # HELP bindery_nodes_connected Nodes with an open watch.
        # TYPE bindery_nodes_connected gauge
        bindery_nodes_connected \(now.connectedNodes)
        # HELP bindery_watchers Watch streams that are open.
        # TYPE bindery_watchers gauge
        bindery_watchers \(now.watchers)
        # HELP bindery_unauthenticated_total Calls refused for want of a good credential.
        # TYPE bindery_unauthenticated_total counter
        bindery_unauthenticated_total{answer="unauthenticated"} \(now.unauthenticated.told)
        bindery_unauthenticated_total{answer="resource_exhausted"} \(now.unauthenticated.exhausted)
        # HELP bindery_refused_total Calls of known callers that were refused.
        # TYPE bindery_refused_total counter
        bindery_refused_total \(now.refused.all)
        # HELP bindery_refused_unaudited_total Refused calls that are not in the audit log.
        # TYPE bindery_refused_unaudited_total counter
        bindery_refused_unaudited_total \(now.refused.unwritten)
        # HELP bindery_compiler_in_force Whether this replica's compiler and tables are in force.
        # TYPE bindery_compiler_in_force gauge
        bindery_compiler_in_force \(now.compiler.isInForce ? 1 : 0)
        # HELP bindery_bindings_not_compiling Bindings that keep an older compiled form.
        # TYPE bindery_bindings_not_compiling gauge
        bindery_bindings_not_compiling \(now.compiler.counts.failures)
        # HELP bindery_bindings_recompiled_total Bindings recompiled after a change of compiler or tables.
        # TYPE bindery_bindings_recompiled_total counter
        bindery_bindings_recompiled_total \(now.compiler.counts.recompiled)
        # HELP bindery_calls_over_limit_total Calls of callers with too many in flight.
        # TYPE bindery_calls_over_limit_total counter
        bindery_calls_over_limit_total \(now.overLimit)

        """ + metrics.exposition
    }
    return Application(
      router: router,
      configuration: .init(address: .hostname(host, port: port), serverName: "bindery-control"),
      onServerRunning: { channel in await onRunning(channel.localAddress?.port ?? 0) },
      logger: logger
    )
  }
}
