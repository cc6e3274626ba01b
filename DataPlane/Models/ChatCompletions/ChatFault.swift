internal import Codecs
internal import Domain
internal import Foundation
internal import NIOHTTP1

/// What errors of Chat Completions APIs mean.
///
/// `{"error":{"message","type","code"}}`; servers leave members out, write the code as a number, or
/// the error as a text.
enum ChatFault {
  /// 408, 409, 429 and 5xx may be retried; a spent quota is a 429 that no waiting cures.
  static func of(status: Int, headers: HTTPHeaders, body: String, now: Date) -> ModelFault {
    let error = parse(body)?["error"]
    var kind = kind(status)
    if isSpent(error) { kind = .rejected }
    return ModelFault(
      kind: kind,
      message: "the model's API answered \(status) (\(ModelFault.name(name(error))))",
      retryable: kind == .rejected ? false : RetryAdvice.isRetryable(headers),
      retryAfterMS: RetryAdvice.retryAfterMS(headers, now: now)
    )
  }

  /// `data: {"error": …}` after a 200.
  static func of(event error: JSONValue) -> ModelFault {
    let name = name(error)
    let kind: ModelFailure.Kind =
      if isSpent(error) {
        .rejected
      } else if let status = error["code"]?.intValue {
        kind(Int(clamping: status))
      } else if name?.contains("rate_limit") == true {
        .rateLimited
      } else if name?.contains("invalid_request") == true {
        .rejected
      } else {
        .overloaded
      }
    return ModelFault(
      kind: kind,
      message: "the model's API reported an error in mid-stream (\(ModelFault.name(name)))"
    )
  }

  private static func kind(_ status: Int) -> ModelFailure.Kind {
    switch status {
    case 429: .rateLimited
    case 408, 409, 500 ... 599: .overloaded
    default: .rejected
    }
  }

  private static func isSpent(_ error: JSONValue?) -> Bool {
    [error?["code"]?.stringValue, error?["type"]?.stringValue]
      .contains { $0?.hasPrefix("insufficient_quota") == true }
  }

  private static func name(_ error: JSONValue?) -> String? {
    error?["code"]?.stringValue ?? error?["type"]?.stringValue
  }

  private static func parse(_ body: String) -> JSONValue? {
    do {
      return try JSONText.parse(body)
    } catch {
      return nil
    }
  }
}
