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
    let providers = Self.providers(settings, client)
    let router = ModelRouter(
      providers: providers,
      keys: ModelKeys(
        secrets: secrets,
        node: ModelKeys.node(
          providers: providers.map(\.name),
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

  private static func providers(
    _ settings: NodeSettings,
    _ client: HTTPClient
  ) -> [any ModelProvider] {
    let timeouts = ModelTimeouts(firstToken: settings.modelFirstToken, stall: settings.modelStall)
    func endpoint(_ vendor: String, _ usual: String) -> ModelEndpoint {
      ModelEndpoint(settings.modelBaseURLs[vendor] ?? usual, timeouts: timeouts)
    }
    let anthropic = AnthropicDialect(endpoint("anthropic", "https://api.anthropic.com"))
    let google = GeminiDialect(
      endpoint("google", "https://generativelanguage.googleapis.com/v1beta")
    )
    let chats =
      [
        ChatDialect.openAI(endpoint("openai", "https://api.openai.com/v1")),
        ChatDialect.sarvam(endpoint("sarvam", "https://api.sarvam.ai/v1")),
      ]
      + settings.modelEndpoints.sorted { $0.key < $1.key }.map { name, url in
        ChatDialect(name, .compatible, ModelEndpoint(url, timeouts: timeouts))
      }
    return [
      HTTPModelProvider(anthropic, client: client), HTTPModelProvider(google, client: client),
      SimulatedProvider(pace: .zero),
    ] + chats.map { HTTPModelProvider($0, client: client) }
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
