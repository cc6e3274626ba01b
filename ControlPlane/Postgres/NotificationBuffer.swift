internal import DequeModule

/// Notifications that came and were not asked for yet; when more come than fit, all make way for the
/// word that some were lost.
struct NotificationBuffer: Sendable {
  private var payloads: Deque<String> = []
  private var hasLost = false
  private let limit: Int

  init(limit: Int = 1024) {
    self.limit = limit
  }

  mutating func append(_ payload: String) {
    guard !hasLost else { return }
    guard payloads.count < limit else {
      payloads.removeAll()
      hasLost = true
      return
    }
    payloads.append(payload)
  }

  mutating func next() -> PostgresNotification? {
    if hasLost {
      hasLost = false
      return .listening
    }
    return payloads.popFirst().map { .notification(payload: $0) }
  }
}
