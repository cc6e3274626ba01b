internal import Foundation
internal import NIOHTTP1

/// `{"type":"error","error":{"type","message"},"request_id"}`.
struct AnthropicErrorBody: Decodable {
  struct Detail: Decodable {
    var type: String?
  }

  var error: Detail
}

/// What the errors of the Messages API mean.
enum AnthropicFault {
  /// A response whose status is not 200.
  ///
  /// `x-should-retry` decides first; then 408, 409, 429 and 5xx may be retried, all else not. A spent
  /// limit is a 429 that no waiting cures.
  static func of(status: Int, headers: HTTPHeaders, body: String, now: Date) -> ModelFault {
    var kind: ModelFailure.Kind =
      switch status {
      case 429: .rateLimited
      case 408, 409, 500 ... 599: .overloaded
      default: .rejected
      }
    if body.contains("enforced_spend_limit_reached") { kind = .rejected }
    return ModelFault(
      kind: kind,
      message: "the model's API answered \(status) (\(ModelFault.name(type(of: body))))",
      retryable: RetryAdvice.isRetryable(headers),
      retryAfterMS: RetryAdvice.retryAfterMS(headers, now: now)
    )
  }

  /// An `error` event after a 200.
  static func of(event: AnthropicErrorBody.Detail?) -> ModelFault {
    let kind: ModelFailure.Kind =
      switch event?.type {
      case "rate_limit_error": .rateLimited
      case "invalid_request_error", "authentication_error", "billing_error", "permission_error",
        "not_found_error", "request_too_large":
        .rejected
      default: .overloaded
      }
    return ModelFault(
      kind: kind,
      message: "the model's API reported an error in mid-stream (\(ModelFault.name(event?.type)))"
    )
  }

  private static func type(of body: String) -> String? {
    do {
      return try JSONDecoder().decode(AnthropicErrorBody.self, from: Data(body.utf8)).error.type
    } catch {
      return nil
    }
  }
}
