internal import OrderedCollections
internal import Synchronization

/// Numbers that messages came for before their route did: since when. Bounded.
final class UnroutedNumbers: Sendable {
  /// So long a message is asked for again.
  static let patienceMS: Int64 = 600_000

  private let since = Mutex<OrderedDictionary<String, Int64>>([:])
  private let limit: Int

  init(limit: Int = 1_000) { self.limit = limit }

  /// True once the number has had no route for ten minutes.
  func isGivenUp(_ number: String, atMS now: Int64) -> Bool {
    since.withLock { since in
      if let first = since[number] { return now - first >= Self.patienceMS }
      if since.count >= limit { since.removeFirst() }
      since[number] = now
      return false
    }
  }

  func forget(_ number: String) {
    since.withLock { since in
      guard !since.isEmpty else { return }
      since[number] = nil
    }
  }
}
