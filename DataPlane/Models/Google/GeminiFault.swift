internal import Codecs
internal import Domain
internal import Foundation
internal import NIOHTTP1

/// What errors of the Gemini API mean.
///
/// `{"error":{"code","message","status","details":[…]}}`, at times in an array of one.
enum GeminiFault {
  /// 408, 429, 500, 502, 503 and 504 may be retried; a RetryInfo among the details says when.
  static func of(status: Int, headers: HTTPHeaders, body: String, now: Date) -> ModelFault {
    let error = error(in: body)
    return ModelFault(
      kind: kind(status),
      message:
        "the model's API answered \(status) (\(ModelFault.name(error?["status"]?.stringValue)))",
      retryable: RetryAdvice.isRetryable(headers),
      retryAfterMS: retryDelay(error) ?? RetryAdvice.retryAfterMS(headers, now: now)
    )
  }

  /// `data: {"error": …}` after a 200.
  static func of(event error: JSONValue) -> ModelFault {
    let status = error["code"]?.intValue.map { Int(clamping: $0) } ?? 500
    return ModelFault(
      kind: kind(status),
      message:
        "the model's API reported an error in mid-stream (\(ModelFault.name(error["status"]?.stringValue)))",
      retryAfterMS: retryDelay(error)
    )
  }

  private static func kind(_ status: Int) -> ModelFailure.Kind {
    switch status {
    case 429: .rateLimited
    case 408, 500, 502, 503, 504: .overloaded
    default: .rejected
    }
  }

  private static func retryDelay(_ error: JSONValue?) -> Int? {
    for detail in error?["details"]?.arrayValue ?? [] {
      guard detail["@type"]?.stringValue?.hasSuffix("google.rpc.RetryInfo") == true,
        let text = detail["retryDelay"]?.stringValue
      else { continue }
      return RetryAdvice.milliseconds(duration: text)
    }
    return nil
  }

  private static func error(in body: String) -> JSONValue? {
    do {
      let value = try JSONText.parse(body)
      return (value.arrayValue?.first ?? value)["error"]
    } catch {
      return nil
    }
  }
}
