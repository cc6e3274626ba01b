internal import Domain
internal import Foundation

/// What the Cloud API said to a send, and what follows from it.
enum CloudAPIAnswer: Hashable {
  case sent(id: String)
  /// Nothing was sent: try again after at least so many ms.
  case retry(afterMS: Int64, error: String)
  /// It may have been sent or not.
  case ambiguous
  case failed(error: String)

  /// Reads an answer. What to do is told by the error's `code`, not by the HTTP status.
  ///
  /// - Parameter attempt: from 1; waits grow with it.
  init(status: Int, body: Data, attempt: Int) {
    let json = Self.json(body)
    if (200 ..< 300).contains(status) {
      guard let id = json?["messages"]?.arrayValue?.first?["id"]?.stringValue, !id.isEmpty else {
        self = .ambiguous  // Taken, but by whom: a proxy, perhaps.
        return
      }
      self = .sent(id: id)
      return
    }
    guard let code = json?["error"]?["code"]?.intValue else {
      self = Self.withoutCode(status, attempt: attempt)
      return
    }
    let error = "whatsapp_\(code)"
    switch code {
    case 1, 2, 131_000, 131_016: self = .retry(afterMS: Self.backOff(attempt), error: error)
    case 4, 80_007, 130_429: self = .retry(afterMS: 4 * Self.backOff(attempt), error: error)
    // One message per 6 s to the same person; the vendor asks for 4^n s.
    case 131_056:
      self = .retry(afterMS: 1_000 * Int64(1 << (2 * min(attempt, 3))), error: error)
    default: self = .failed(error: error)
    }
  }

  private static func withoutCode(_ status: Int, attempt: Int) -> Self {
    let error = "http_\(status)"
    return switch status {
    case 429: .retry(afterMS: 4 * backOff(attempt), error: error)
    // The request never reached the service.
    case 503: .retry(afterMS: backOff(attempt), error: error)
    // Broke off within it, perhaps after sending.
    case 500 ... 599: .ambiguous
    default: .failed(error: error)
    }
  }

  /// 0.25 s, 0.5 s, 1 s …
  static func backOff(_ attempt: Int) -> Int64 { 125 * Int64(1 << min(attempt, 6)) }

  /// nil for what is no JSON.
  private static func json(_ body: Data) -> JSONValue? {
    do {
      return try JSONDecoder().decode(JSONValue.self, from: body)
    } catch {
      return nil
    }
  }
}
