import Testing

@testable import Access

@Suite struct `The budget of failures` {
  @Test func `lets an address have so many a minute, and no other pay for it`() {
    var budget = FailureBudget(perMinute: 6)
    func take(_ address: String, at now: Duration) -> Bool { budget.take(address, at: now) }
    for _ in 0 ..< 6 { #expect(take("a", at: .zero)) }
    #expect(!take("a", at: .zero))
    #expect(take("b", at: .zero))
    #expect(!take("a", at: .seconds(9)))
    // One comes back every ten seconds, and asking in vain costs nothing.
    #expect(take("a", at: .seconds(10)))
    #expect(!take("a", at: .seconds(10)))
    // Never more than there were at first.
    for _ in 0 ..< 6 { #expect(take("a", at: .seconds(10_000))) }
    #expect(!take("a", at: .seconds(10_000)))
  }

  @Test func `keeps its table bounded, and knows who is out of it when addresses flood it`() {
    var budget = FailureBudget(perMinute: 2, addressLimit: 10)
    func take(_ address: String, at now: Duration) -> Bool { budget.take(address, at: now) }
    for number in 0 ..< 10 { #expect(take("known-\(number)", at: .zero)) }
    var taken = 0
    for number in 0 ..< 1000 where take("new-\(number)", at: .seconds(1)) { taken += 1 }
    #expect(taken == 2)
    #expect(budget.count == 10)
    #expect(take("known-0", at: .seconds(1)))
    #expect(!take("known-0", at: .seconds(1)))
    // Those that have all of theirs again make room.
    #expect(take("late", at: .seconds(60)))
    #expect(budget.count < 10)
    #expect(take("late", at: .seconds(60)))
    #expect(!take("late", at: .seconds(60)))
  }

  @Test func `never lets an address have more than its share, however it spreads its tries`() {
    var generator = SplitMix(state: 7)
    for _ in 0 ..< 50 {
      let perMinute = Int(generator.next() % 60) + 1
      var budget = FailureBudget(perMinute: perMinute)
      func take(_ address: String, at now: Duration) -> Bool { budget.take(address, at: now) }
      var now: Duration = .zero
      var taken: [Duration] = []
      for _ in 0 ..< 400 {
        now += .milliseconds(Int64(generator.next() % 4000))
        if take("a", at: now) { taken.append(now) }
      }
      for (index, start) in taken.enumerated() {
        let within = taken[index...].count { $0 - start < .seconds(60) }
        // A full bucket, and what comes back meanwhile.
        #expect(within <= 2 * perMinute)
      }
    }
  }

  @Test(arguments: [
    ("ipv4:10.0.0.1:5000", "ipv4:10.0.0.1"), ("ipv4:10.0.0.1:6000", "ipv4:10.0.0.1"),
    ("ipv6:[2001:db8:1:2:3:4:5:6]:443", "ipv6:2001:db8:1:2"),
    ("ipv6:[2001:db8:1:2::9]:443", "ipv6:2001:db8:1:2"),
    ("ipv6:[2001:db8::1]:443", "ipv6:2001:db8:0:0"),
    ("ipv6:[::1]:443", "ipv6:0:0:0:0"), ("ipv6:[fe80::1%eth0]:1", "ipv6:fe80:0:0:0"),
    ("ipv6:[::ffff:10.0.0.1]:7", "ipv6:::ffff:10.0.0.1"), ("unix:/run/x", "local"), ("", "local"),
  ])
  func `knows an address by what its holder can't choose`(_ peer: String, _ address: String) {
    #expect(AuthenticationFailures.address(of: peer) == address)
  }
}

/// Steele, Lea and Flood's generator: the same numbers in every run.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
