internal import Domain

/// At most so many messages within a sliding window that ends with the newest one.
struct RateLimit: Sendable {
  private let most: Int
  private let windowMS: Int64
  private let isPerUser: Bool

  /// nil for params that a node can't follow.
  init?(_ limit: JSONValue) {
    guard let most = limit["max"]?.intValue, most > 0,
      let seconds = limit["window_s"]?.intValue, (1 ... 86_400).contains(seconds),
      let per = limit["per"]?.stringValue, ["user", "conversation"].contains(per)
    else { return nil }
    self.most = Int(clamping: most)
    windowMS = seconds * 1_000
    isPerUser = per == "user"
  }

  func isExceeded(by subject: GuardSubject) -> Bool {
    let arrivals = isPerUser ? subject.userArrivals : subject.conversationArrivals
    guard let newest = arrivals.max() else { return false }
    return arrivals.count { $0 > newest - windowMS } > most
  }
}
