internal import AsyncHTTPClient
internal import Domain
internal import Foundation
internal import Logging
internal import Models
internal import Observability
internal import Secrets
internal import Tools
internal import Turn

/// The rooms that a turn calls: models, tools, guardrails. To be closed at the end.
struct NodeRooms: Sendable {
  let models: any ModelCalling
  let tools: HTTPToolRunner
  let guards: any GuardsMaking

  static func open(
    _ settings: NodeSettings,
    secrets: any SecretResolver,
    client: HTTPClient,
    logger: Logger
  ) -> NodeRooms {
    var anthropic = AnthropicConfiguration()
    if let url = settings.anthropicBaseURL { anthropic.baseURL = url }
    anthropic.timeouts.firstToken = settings.modelFirstToken
    anthropic.timeouts.stall = settings.modelStall
    let router = ModelRouter(
      providers: [
        AnthropicProvider(configuration: anthropic, client: client), SimulatedProvider(pace: .zero),
      ],
      keys: ModelKeys(
        secrets: secrets,
        node: ModelKeys.node(
          providers: ["anthropic"],
          environment: ProcessInfo.processInfo.environment
        )
      ),
      options: .init(),
      nowMS: { Int64(Date().timeIntervalSince1970 * 1000) },
      mint: { UUIDv7.make(atMS: Int64(Date().timeIntervalSince1970 * 1000)) }
    )
    return NodeRooms(
      models: RoutedModels(router, logger: logger),
      tools: HTTPToolRunner(secrets: secrets, allow: settings.toolAllow, logger: logger),
      guards: BindingGuards()
    )
  }

  /// Ends the connections and threads of the tools.
  func close(logger: Logger) async {
    do {
      try await tools.shutDown()
    } catch {
      logger.warning("the tools were not closed cleanly", metadata: ["why": "\(error)"])
    }
  }
}
