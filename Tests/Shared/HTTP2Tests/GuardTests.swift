import HTTP2
import NIOCore
import RawHTTP2
import Testing

@Suite struct `What a peer is allowed` {
  @Test func `a bucket is spent, earned and refilled by its clock, never above its capacity`() {
    var bucket = TokenBucket(capacity: 10, rate: 5, since: .uptimeNanoseconds(0) + .seconds(1))
    var looked = 0
    func at(_ seconds: Int64) -> () -> NIODeadline {
      {
        looked += 1
        return .uptimeNanoseconds(0) + .seconds(seconds)
      }
    }
    for _ in 0 ..< 10 {
      let isSpent = bucket.spend(1, now: at(1))
      #expect(isSpent)
    }
    #expect(looked == 0)
    let isOver = !bucket.spend(1, now: at(1))
    #expect(isOver && looked == 1)
    let isRefilled = bucket.spend(5, now: at(2)) && !bucket.spend(1, now: at(2))
    #expect(isRefilled)
    bucket.earn(3)
    let isEarned = bucket.spend(3, now: at(2))
    #expect(isEarned)
    // A year is no more than the capacity; nor is a clock that stands still.
    let later = at(365 * 86_400)
    let all = [
      bucket.spend(11, now: later), bucket.spend(10, now: later), bucket.spend(1, now: later),
    ]
    #expect(all == [false, true, false])
  }

  @Test(arguments: [1, 2, 8, 9, 10, 1_000])
  func `frames are found however the bytes are cut`(piece: Int) {
    let frames: [RawFrame] = [
      .settings([(4, 1)]), .headers(0x8000_0001), .data(1, [1, 2, 3], flags: 1), .ping(),
      RawFrame(0xff, flags: 0xff, stream: 7, Array(repeating: 0, count: 20)), .data(3),
    ]
    let bytes = RawHTTP2Peer.preface + frames.flatMap(\.bytes)
    var scanner = FrameScanner(expectsPreface: true)
    var heads: [FrameHead] = []
    var starts: [Int] = []
    for start in stride(from: 0, to: bytes.count, by: piece) {
      Array(bytes[start ..< min(start + piece, bytes.count)]).withUnsafeBytes { bytes in
        var position = 0
        while let (head, at) = scanner.next(in: bytes, from: &position) {
          heads.append(head)
          starts.append(start + at)
        }
      }
    }
    #expect(heads.map(\.type) == frames.map(\.type))
    #expect(heads.map(\.flags) == frames.map(\.flags))
    #expect(heads.map(\.length) == frames.map(\.payload.count))
    #expect(heads.map(\.stream) == [0, 1, 1, 0, 7, 3])
    #expect(scanner.payloadLeft == 0)
    if piece == 1_000 {
      var expected: [Int] = []
      var position = 24
      for frame in frames {
        expected.append(position)
        position += frame.bytes.count
      }
      #expect(starts == expected)
    }
  }

  @Test func `identifiers grow, and what the peer ended stays ended`() {
    var rules = StreamRules()
    // The macro takes no mutating calls.
    func expect(_ verdict: StreamRules.Verdict, _ expected: StreamRules.Verdict) {
      #expect(verdict == expected)
    }
    expect(rules.headers(on: 1), .new)
    expect(rules.headers(on: 1), .old)
    rules.ended(1)
    expect(rules.headers(on: 1), .ended)
    #expect(rules.data(on: 1) == .ended)
    expect(rules.headers(on: 9), .new)
    expect(rules.headers(on: 5), .skipped)
    #expect(rules.data(on: 7) == .skipped)
    #expect(rules.data(on: 9) == .old)
    // Bounded memories forget: then a frame is merely ignored.
    for stream in stride(from: Int32(11), to: 1_001, by: 2) {
      expect(rules.headers(on: stream), .new)
      rules.ended(stream)
    }
    #expect(rules.data(on: 999) == .ended)
    #expect(rules.data(on: 11) == .old)
    expect(rules.headers(on: 5), .skipped)
  }

  @Test func `an allowance that is used up slowly lasts for ever`() {
    var budget = AbuseBudget(since: .uptimeNanoseconds(0))
    for second in 0 ..< 10_000 {
      for _ in 0 ..< 100 {
        let cause = budget.spendUselessFrame { .uptimeNanoseconds(0) + .seconds(Int64(second)) }
        #expect(cause == nil)
      }
    }
  }

  @Test func `what DATA earns may be spent late and at once, up to a bound`() {
    let now = { NIODeadline.uptimeNanoseconds(0) }
    var limits = AbuseLimits()
    limits.uselessFrames = 10
    limits.earnedFrames = 1_000
    var budget = AbuseBudget(limits: limits, since: now())
    for _ in 0 ..< 500 { budget.earnData() }
    // Two WINDOW_UPDATEs for each DATA frame, and a PING.
    var causes: Set<AbuseCause?> = []
    for _ in 0 ..< 1_000 { causes.insert(budget.spendWindowUpdate(now: now)) }
    for _ in 0 ..< 500 { causes.insert(budget.spendUselessFrame(now: now)) }
    #expect(causes == [nil])
    for _ in 0 ..< 1_000_000 { budget.earnData() }
    var count = 0
    while budget.spendUselessFrame(now: now) == nil, count < 10_000 { count += 1 }
    #expect(count == 1_010)
  }
}
