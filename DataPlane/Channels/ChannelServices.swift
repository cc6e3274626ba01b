package import Domain
package import Logging
package import Secrets
internal import Subscription
package import Turn

/// What the channels use of the rest of the node.
package struct ChannelServices: Sendable {
  package var turns: TurnServices
  package var runner: TurnRunner
  package var intake: Intake
  package var secrets: any SecretResolver
  package var sender: any MessageSending
  package var metrics: ChannelMetrics
  /// Brings a binding here that is routed but not held (lazy nodes); false when there is none.
  package var fetchBinding: @Sendable (BindingID, TenantID) async -> Bool
  /// Key of the visitors' tokens where a tenant has none of its own. At least 32 bytes.
  package var visitorKey: [UInt8]

  package init(
    turns: TurnServices,
    runner: TurnRunner,
    intake: Intake,
    secrets: any SecretResolver,
    sender: any MessageSending,
    metrics: ChannelMetrics,
    fetchBinding: @escaping @Sendable (BindingID, TenantID) async -> Bool,
    visitorKey: [UInt8]
  ) {
    self.turns = turns
    self.runner = runner
    self.intake = intake
    self.secrets = secrets
    self.sender = sender
    self.metrics = metrics
    self.fetchBinding = fetchBinding
    self.visitorKey = visitorKey
  }

  package var logger: Logger { turns.logger }

  /// A route that answers: its tenant is not archived and its binding is active. All others look
  /// alike from outside.
  func openRoute(channel: String, key: String) -> RouteResource? {
    let configuration = turns.configuration
    guard let route = configuration.snapshot.route(channel: channel, key: key),
      configuration.gate(route.tenantID) != .closed, configuration.isActive(route.bindingID)
    else { return nil }
    return route
  }
}
