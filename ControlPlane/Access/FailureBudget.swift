/// How many failures each address has left: a token bucket for each, in a table that never grows beyond
/// its limit.
///
/// A bucket is kept as the time at which it is full again (the generic cell rate algorithm), so there
/// is nothing to refill. Full ones are forgotten. Where even so there is no room for another address,
/// all further ones share one bucket.
struct FailureBudget: Sendable {
  private static let minute: Duration = .seconds(60)

  /// What one failure costs.
  private let interval: Duration
  private let addressLimit: Int
  private var fullAt: [String: Duration] = [:]
  private var sharedFullAt: Duration = .zero
  private var sweptAt: Duration?

  /// - Parameters:
  ///   - perMinute: Also as many at once.
  ///   - addressLimit: Addresses that have a bucket of their own.
  init(perMinute: Int, addressLimit: Int = 4096) {
    interval = Self.minute / perMinute
    self.addressLimit = addressLimit
  }

  /// How many buckets there are.
  var count: Int { fullAt.count }

  /// Takes one failure from an address's bucket; false when it is empty.
  ///
  /// - Parameter now: Since any fixed point; never goes back.
  mutating func take(_ address: String, at now: Duration) -> Bool {
    if fullAt[address] == nil, fullAt.count >= addressLimit { sweep(at: now) }
    guard fullAt[address] != nil || fullAt.count < addressLimit else {
      return Self.take(from: &sharedFullAt, at: now, cost: interval)
    }
    return Self.take(from: &fullAt[address, default: now], at: now, cost: interval)
  }

  private static func take(
    from fullAt: inout Duration,
    at now: Duration,
    cost interval: Duration
  ) -> Bool {
    let next = max(fullAt, now) + interval
    guard next - now <= minute else { return false }
    fullAt = next
    return true
  }

  /// At most once a second, so that a flood of addresses costs each of them a constant.
  private mutating func sweep(at now: Duration) {
    if let sweptAt, now - sweptAt < .seconds(1) { return }
    sweptAt = now
    fullAt = fullAt.filter { $0.value > now }
  }
}
