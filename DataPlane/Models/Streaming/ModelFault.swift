internal import Foundation
internal import NIOHTTP1

/// What an error of a vendor's API means for the router.
package struct ModelFault: Hashable, Sendable {
  package var kind: ModelFailure.Kind
  package var retryable: Bool
  /// One sentence; a vendor's own message may quote the prompt, so that only its type is in it.
  package var message: String
  package var retryAfterMS: Int?
  /// False: it is this request's, and says nothing of how well the vendor is.
  package var concernsVendor: Bool

  package init(
    kind: ModelFailure.Kind,
    message: String,
    retryable: Bool? = nil,
    retryAfterMS: Int? = nil,
    concernsVendor: Bool = true
  ) {
    self.kind = kind
    self.message = message
    self.retryable = retryable ?? kind.isTransient
    self.retryAfterMS = retryAfterMS
    self.concernsVendor = concernsVendor
  }

  /// The same request may do better; it says nothing of the vendor.
  static let cutCall = ModelFault(
    kind: .garbage,
    message: "the limit of tokens broke off a call of a tool",
    concernsVendor: false
  )

  package static func garbage(_ what: String) -> ModelFault {
    ModelFault(kind: .garbage, message: "the model's API sent \(what)")
  }

  /// Types and codes as vendors write them; anything else could be a sentence of theirs.
  static func name(_ type: String?) -> String {
    guard let type, (1 ... 64).contains(type.utf8.count),
      type.utf8.allSatisfy({
        $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
          || Character(Unicode.Scalar($0)).isLetter || Character(Unicode.Scalar($0)).isNumber
      })
    else { return "no error type" }
    return type
  }
}

/// When a vendor wants to be asked again.
enum RetryAdvice {
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

  /// What `x-should-retry` says, which decides before anything else.
  static func isRetryable(_ headers: HTTPHeaders) -> Bool? {
    switch headers.first(name: "x-should-retry") {
    case "true": true
    case "false": false
    default: nil
    }
  }

  /// A protobuf duration in JSON: "34s", "0.5s".
  static func milliseconds(duration text: String) -> Int? {
    guard text.hasSuffix("s"), let seconds = Double(text.dropLast()) else { return nil }
    return milliseconds(seconds * 1000)
  }

  private static func milliseconds(_ value: Double) -> Int? {
    guard value.isFinite else { return nil }
    return Int(min(max(value, 0), 86_400_000))
  }
}
