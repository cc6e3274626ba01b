internal import AsyncHTTPClient
internal import Logging
internal import Observability
internal import Secrets
internal import Tools
internal import Turn

/// The rooms that a turn calls: models, tools, guardrails.
struct NodeRooms: Sendable {
  let models: any ModelCalling
  let tools: any ToolRunning
  let guards: any GuardsMaking

  /// - Throws: `ProgramFailure`: this build has no models, tools and guardrails, and a node must not
  ///   talk to people without its guardrails.
  static func open(
    _ settings: NodeSettings,
    secrets: any SecretResolver,
    client: HTTPClient,
    logger: Logger
  ) throws -> NodeRooms {
    throw ProgramFailure(
      .fault,
      "this build has no models, tools and guardrails yet; take one that has"
    )
  }
}
