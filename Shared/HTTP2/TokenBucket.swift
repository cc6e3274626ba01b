package import NIOCore

/// An allowance that comes back with time.
///
/// The clock is asked only when the balance does not suffice, so that spending is a subtraction. Time
/// that passed until then is credited at once: over any span at most twice the capacity more than the
/// rate can be spent.
package struct TokenBucket: Hashable, Sendable {
  package let capacity: Int
  /// Tokens that come back in a second.
  package let rate: Int
  package private(set) var balance: Int
  private var refilled: NIODeadline

  /// Full at first, `since` then.
  package init(capacity: Int, rate: Int, since start: NIODeadline) {
    self.capacity = capacity
    self.rate = rate
    balance = capacity
    refilled = start
  }

  /// Takes `cost` tokens; false, and nothing taken, when they are not there.
  package mutating func spend(_ cost: Int, now: () -> NIODeadline) -> Bool {
    if balance < cost {
      refill(now())
      if balance < cost { return false }
    }
    balance -= cost
    return true
  }

  /// Gives tokens back; never more than the capacity.
  package mutating func earn(_ tokens: Int) {
    balance = min(capacity, balance + tokens)
  }

  private mutating func refill(_ now: NIODeadline) {
    guard now > refilled else { return }
    defer { refilled = now }
    let elapsed = (now - refilled).nanoseconds
    let (tokens, overflow) = elapsed.multipliedReportingOverflow(by: Int64(rate))
    earn(overflow ? capacity : Int(min(tokens / 1_000_000_000, Int64(capacity))))
  }
}
