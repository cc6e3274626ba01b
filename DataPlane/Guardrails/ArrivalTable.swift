/// When people's newest messages came, for the rules of the kind `rate`.
///
/// In the memory of one node: it knows what was said to this node since it started, and what the
/// conversation's history has told it. A message is counted once, however often its turn is begun.
/// Bounded: two generations of `capacity` arrivals each; those who were silent longest are forgotten.
package struct ArrivalTable: Sendable {
  package struct Arrival: Hashable, Sendable {
    /// Tells one message from another.
    package var id: UInt64
    /// Milliseconds since 1970.
    package var atMS: Int64

    package init(id: UInt64, atMS: Int64) {
      self.id = id
      self.atMS = atMS
    }
  }

  /// The longest window that a rule may have, and the most messages that it may let through.
  private static let windowMS: Int64 = 86_400_000
  private static let most = 1_001

  private let capacity: Int
  private var young: [String: [Arrival]] = [:]
  private var old: [String: [Arrival]] = [:]
  private var youngCount = 0

  package init(capacity: Int = 100_000) { self.capacity = capacity }

  package var count: Int { youngCount + old.values.reduce(0) { $0 + $1.count } }

  /// Notes messages, and returns when the newest of the subject came, oldest first.
  package mutating func note(_ arrivals: [Arrival], of subject: String) -> [Int64] {
    var known = young[subject] ?? old.removeValue(forKey: subject) ?? []
    let before = young[subject]?.count ?? 0
    for arrival in arrivals where !known.contains(where: { $0.id == arrival.id }) {
      known.append(arrival)
    }
    guard !known.isEmpty else { return [] }
    known.sort { ($0.atMS, $0.id) < ($1.atMS, $1.id) }
    if let newest = known.last?.atMS {
      known.removeFirst(known.prefix { $0.atMS <= newest - Self.windowMS }.count)
    }
    if known.count > Self.most { known.removeFirst(known.count - Self.most) }
    young[subject] = known
    youngCount += known.count - before
    if youngCount >= capacity {
      old = young
      young = [:]
      youngCount = 0
    }
    return known.map(\.atMS)
  }
}
