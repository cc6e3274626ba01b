/// How many failures each address has left: a token bucket for each, in a table that never grows beyond
/// its limit.
///
/// Buckets that are full again are forgotten. Where even so there is no room for another address, all
/// further ones share one bucket.
struct FailureBudget: Sendable {
  private struct Bucket {
    /// Failures that are left, as of `at`.
    var left: Double
    var at: Duration
  }

  private let perMinute: Double
  private let addressLimit: Int
  private var buckets: [String: Bucket] = [:]
  private var shared: Bucket
  private var sweptAt: Duration?

  /// - Parameters:
  ///   - perMinute: Also as many at once.
  ///   - addressLimit: Addresses that have a bucket of their own.
  init(perMinute: Int, addressLimit: Int = 4096) {
    self.perMinute = Double(perMinute)
    self.addressLimit = addressLimit
    shared = Bucket(left: Double(perMinute), at: .zero)
  }

  /// How many buckets there are.
  var count: Int { buckets.count }

  /// Takes one failure from an address's bucket; false when it is empty.
  ///
  /// - Parameter now: Since any fixed point; never goes back.
  mutating func take(_ address: String, at now: Duration) -> Bool {
    if let bucket = buckets[address] {
      let (taken, rest) = take(from: bucket, at: now)
      buckets[address] = rest
      return taken
    }
    if buckets.count >= addressLimit { sweep(at: now) }
    guard buckets.count < addressLimit else {
      let (taken, rest) = take(from: shared, at: now)
      shared = rest
      return taken
    }
    let (taken, rest) = take(from: Bucket(left: perMinute, at: now), at: now)
    buckets[address] = rest
    return taken
  }

  private func take(from bucket: Bucket, at now: Duration) -> (Bool, Bucket) {
    let left = refilled(bucket, at: now)
    return left >= 1
      ? (true, Bucket(left: left - 1, at: now)) : (false, Bucket(left: left, at: now))
  }

  private func refilled(_ bucket: Bucket, at now: Duration) -> Double {
    min(perMinute, bucket.left + (now - bucket.at) / .seconds(60) * perMinute)
  }

  /// At most once a second, so that a flood of addresses costs each of them a constant.
  private mutating func sweep(at now: Duration) {
    if let sweptAt, now - sweptAt < .seconds(1) { return }
    sweptAt = now
    buckets = buckets.filter { refilled($0.value, at: now) < perMinute }
  }
}
