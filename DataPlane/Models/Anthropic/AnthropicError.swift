internal import Foundation
internal import NIOHTTP1

/// `{"type":"error","error":{"type","message"},"request_id"}`.
struct AnthropicErrorBody: Decodable {
  struct Detail: Decodable {
    var type: String?
    var message: String?
    var details: Details?
  }

  struct Details: Decodable {
    var errorCode: String?

    private enum CodingKeys: String, CodingKey {
      case errorCode = "error_code"
    }
  }

  var error: Detail
}

/// What an error of the Messages API means for the router.
struct AnthropicFault: Hashable {
  var kind: ModelFailure.Kind
  var retryable: Bool
  var message: String
  var retryAfterMS: Int?

  /// A response whose status is not 200.
  ///
  /// `x-should-retry` decides first; then 408, 409, 429 and 5xx may be retried, all else not. A spent
  /// limit is a 429 that no waiting cures.
  init(status: Int, headers: HTTPHeaders, body: String, now: Date) {
    let detail = Self.detail(body)
    kind =
      switch status {
      case 429: .rateLimited
      case 408, 409, 500 ... 599: .overloaded
      default: .rejected
      }
    if body.contains("enforced_spend_limit_reached") { kind = .rejected }
    retryable =
      switch headers.first(name: "x-should-retry") {
      case "true": true
      case "false": false
      default: kind.isTransient
      }
    retryAfterMS = Self.retryAfterMS(headers, now: now)
    // The vendor's own message may quote the prompt: only its type is kept.
    message = "the model's API answered \(status) (\(detail?.type ?? "no error type"))"
  }

  /// An `error` event after a 200.
  init(event: AnthropicErrorBody.Detail?) {
    kind =
      switch event?.type {
      case "rate_limit_error": .rateLimited
      case "overloaded_error", "api_error", "timeout_error", "conflict_error", nil: .overloaded
      case "invalid_request_error", "authentication_error", "billing_error", "permission_error",
        "not_found_error", "request_too_large":
        .rejected
      default: .overloaded
      }
    retryable = kind.isTransient
    retryAfterMS = nil
    message = "the model's API reported \(event?.type ?? "an error") in mid-stream"
  }

  private static func detail(_ body: String) -> AnthropicErrorBody.Detail? {
    do {
      return try JSONDecoder().decode(AnthropicErrorBody.self, from: Data(body.utf8)).error
    } catch {
      return nil
    }
  }

  /// `retry-after-ms`, else `retry-after` in seconds or as an HTTP date (RFC 9110, section 10.2.3).
  static func retryAfterMS(_ headers: HTTPHeaders, now: Date) -> Int? {
    if let text = headers.first(name: "retry-after-ms"), let ms = Double(text) {
      return milliseconds(ms)
    }
    guard let text = headers.first(name: "retry-after") else { return nil }
    if let seconds = Double(text) { return milliseconds(seconds * 1000) }
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(secondsFromGMT: 0)
    formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
    guard let date = formatter.date(from: text) else { return nil }
    return milliseconds(date.timeIntervalSince(now) * 1000)
  }

  private static func milliseconds(_ value: Double) -> Int? {
    guard value.isFinite else { return nil }
    return Int(min(max(value, 0), 86_400_000))
  }
}
