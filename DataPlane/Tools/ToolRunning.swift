package import Domain

/// Calls a tool's endpoint.
package protocol ToolRunning: Sendable {
  /// Validates the arguments, calls the endpoint and returns what the model is to see.
  ///
  /// Never throws but for cancellation: an unknown name, bad arguments, an HTTP error, a timeout or
  /// garbage become an outcome with `isError`.
  /// - Parameter idempotencyKey: sent as the header `Idempotency-Key`.
  func run(
    _ call: ToolInvocation,
    of tools: [ToolSpec],
    tenant: TenantID,
    tenantSlug: String,
    idempotencyKey: String
  ) async throws -> ToolOutcome
}

package struct ToolInvocation: Hashable, Sendable {
  package var name: String
  package var argumentsJSON: String

  package init(name: String, argumentsJSON: String) {
    self.name = name
    self.argumentsJSON = argumentsJSON
  }
}

package struct ToolOutcome: Hashable, Sendable {
  /// What the model sees.
  package var content: String
  package var isError: Bool
  /// For records: arguments and result as JSON, redacted.
  package var recordedArgumentsJSON: String
  /// Empty on error.
  package var recordedResultJSON: String
  /// Empty, or the class of failure ("unknown_tool", "bad_arguments", "http_500", "timed_out", …).
  package var error: String
  package var latencyMS: Int

  package init(
    content: String,
    isError: Bool,
    recordedArgumentsJSON: String,
    recordedResultJSON: String,
    error: String,
    latencyMS: Int
  ) {
    self.content = content
    self.isError = isError
    self.recordedArgumentsJSON = recordedArgumentsJSON
    self.recordedResultJSON = recordedResultJSON
    self.error = error
    self.latencyMS = latencyMS
  }
}
