internal import AsyncHTTPClient
internal import Codecs
package import Domain
internal import JSONSchema
package import Logging
internal import NIOCore
internal import NIOHTTP1
package import Secrets

/// Calls tools over HTTP, under the rules that keep tenants' endpoints away from private networks.
///
/// https only; the host is resolved once, its address judged, and exactly that address connected to;
/// no redirects; everything bounded by the tool's own time and size. `tool-allow` entries are exempt
/// from https and from the judgement of addresses.
package final class HTTPToolRunner: ToolRunning {
  private let secrets: any SecretResolver
  private let allow: Set<String>
  private let logger: Logger
  private let resolver = HostResolver()
  private let clients: ToolClients

  /// - Parameter allow: "host:port" entries of the operator. `shutDown` must be called at the end.
  package init(secrets: any SecretResolver, allow: Set<String>, logger: Logger) {
    self.secrets = secrets
    self.allow = Set(allow.map { $0.lowercased() })
    self.logger = logger
    clients = ToolClients(logger: logger)
  }

  /// Ends all connections and threads.
  package func shutDown() async throws {
    await clients.shutDown()
    try await resolver.shutDown()
  }

  package func run(
    _ call: ToolInvocation,
    of tools: [ToolSpec],
    tenant: TenantID,
    tenantSlug: String,
    idempotencyKey: String
  ) async throws -> ToolOutcome {
    let started = ContinuousClock.now
    let tool = tools.first { $0.name == call.name }
    let redact = tool?.redact ?? []
    var outcome = ToolOutcome(
      content: "",
      isError: false,
      recordedArgumentsJSON: Redaction.recorded(call.argumentsJSON, redact),
      recordedResultJSON: "",
      error: "",
      latencyMS: 0
    )
    do {
      guard let tool else { throw ToolFailure(.unknownTool(known: tools.map(\.name))) }
      let arguments = try Self.arguments(call.argumentsJSON, for: tool)
      outcome.content = try await answer(tool, arguments, tenantSlug, idempotencyKey)
      outcome.recordedResultJSON = Redaction.recorded(outcome.content, redact)
    } catch let failure as ToolFailure {
      outcome.isError = true
      outcome.error = failure.name
      outcome.content = failure.content
      logger.notice(
        "a tool call failed",
        metadata: ["tenant": "\(tenant)", "tool": "\(call.name)", "why": "\(failure.name)"]
      )
    }
    outcome.latencyMS = Int((ContinuousClock.now - started) / .milliseconds(1))
    return outcome
  }

  /// What the model wrote, checked; nothing at all counts as no arguments.
  private static func arguments(
    _ text: String,
    for tool: ToolSpec
  ) throws(ToolFailure) -> JSONValue {
    let value: JSONValue
    do {
      value = text.isEmpty ? .object([:]) : try JSONText.parse(text)
    } catch {
      throw ToolFailure(.badArguments(["not JSON (\(error))"]))
    }
    guard value.objectValue != nil else { throw ToolFailure(.badArguments(["not an object"])) }
    let schema: JSONSchema
    do {
      schema = try JSONSchema(tool.schema)
    } catch {
      throw ToolFailure(.badSchema)
    }
    let violations = schema.violations(in: value)
    guard violations.isEmpty else {
      throw ToolFailure(.badArguments(violations.map(\.description)))
    }
    return value
  }

  private func answer(
    _ tool: ToolSpec,
    _ arguments: JSONValue,
    _ tenantSlug: String,
    _ key: String
  ) async throws -> String {
    let endpoint = try ToolEndpoint(tool.url, allow: allow)
    let request = try ToolRequest.make(
      tool,
      endpoint,
      arguments: arguments,
      secret: try await secret(tool, tenantSlug),
      idempotencyKey: key
    )
    let (resolver, clients) = (resolver, clients)
    return try await Self.within(.milliseconds(max(1, tool.timeoutMS))) {
      let address = try await endpoint.address(by: resolver)
      return try await clients.with(endpoint.host, address) { client in
        try await ToolResponse.read(request, client, tool)
      }
    }
  }

  /// The secret is the tenant's own by construction of its reference.
  private func secret(_ tool: ToolSpec, _ tenantSlug: String) async throws(ToolFailure) -> Secret? {
    guard let auth = tool.auth else { return nil }
    do {
      let reference = try SecretReference(auth.secretRef, tenantSlug: tenantSlug)
      return try await secrets.secret(reference)
    } catch {
      logger.error("a tool's secret is not to be had", metadata: ["why": "\(error)"])
      throw ToolFailure(.noSecret)
    }
  }

  /// Runs a step for so long; then it is cancelled, and the call has `timedOut`.
  private static func within(
    _ limit: Duration,
    _ body: @escaping @Sendable () async throws -> String
  ) async throws -> String {
    try await withThrowingTaskGroup(of: String.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await Task.sleep(for: limit)
        throw ToolFailure(.timedOut)
      }
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
  }
}
