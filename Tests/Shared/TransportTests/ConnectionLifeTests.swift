import HTTP2
import NIOCore
import Testing
import Transport

@Suite struct `Times of a connection` {
  private func at(_ seconds: Double) -> NIODeadline { .uptimeNanoseconds(UInt64(seconds * 1e9)) }

  /// Asks whenever something is due until `end`; what came of it, with its time in seconds.
  private func story(
    _ limits: ConnectionLife.Limits,
    jitter: Double = 0,
    until end: Double,
    _ peer: (Double) -> (hasReceived: Bool, openStreams: Int, lastStream: Int32)
  ) -> [String] {
    var life = ConnectionLife(limits, now: at(0), jitter: jitter)
    var told: [String] = []
    var last = at(0)
    while let next = life.next, next <= at(end) {
      #expect(next > last, "time goes on")
      last = next
      let seconds = Double(next.uptimeNanoseconds) / 1e9
      let seen = peer(seconds)
      var signs = ConnectionLife.Signs()
      signs.hasReceived = seen.hasReceived
      signs.openStreams = seen.openStreams
      signs.lastStream = seen.lastStream
      let actions = life.due(next, signs)
      for action in actions { told.append("\(Int(seconds.rounded())) \(action)") }
    }
    return told
  }

  private func limits(_ change: (inout ConnectionLife.Limits) -> Void) -> ConnectionLife.Limits {
    var limits = ConnectionLife.Limits()
    change(&limits)
    return limits
  }

  @Test func `a silent peer is asked once, then given up`() {
    let limits = limits {
      $0.keepalive = .seconds(10)
      $0.keepaliveTimeout = .seconds(3)
    }
    let silent = story(limits, until: 100) { _ in (false, 1, 1) }
    #expect(silent == ["10 ping", "13 giveUp"])
    let dying = story(limits, until: 100) { ([13, 26].contains(Int($0)), 1, 1) }
    #expect(dying == ["10 ping", "23 ping", "36 ping", "39 giveUp"])
    // An answer is seen at once.
    var life = ConnectionLife(limits, now: at(0), jitter: 0)
    var signs = ConnectionLife.Signs()
    signs.openStreams = 1
    let asked = life.due(at(10), signs)
    #expect(asked == [.ping] && life.next == at(13))
    life.answered(at(11))
    #expect(life.next == at(21))
    let lively = story(limits, until: 100) { _ in (true, 1, 1) }
    #expect(lively == [])
  }

  @Test func `without calls nobody is asked, unless that is wanted`() {
    for isWanted in [false, true] {
      let limits = limits {
        $0.keepalive = .seconds(10)
        $0.keepaliveWithoutCalls = isWanted
      }
      let told = story(limits, until: 25) { _ in (false, 0, 0) }
      #expect(told == (isWanted ? ["10 ping"] : []))
    }
    // As soon as there is a call.
    let told = story(limits { $0.keepalive = .seconds(10) }, until: 100) {
      (false, $0 > 35 ? 1 : 0, 0)
    }
    #expect(told == ["40 ping", "60 giveUp"])
  }

  @Test func `an old connection takes no more calls, and after the grace ends`() {
    let limits = limits {
      $0.maxAge = .seconds(100)
      $0.maxAgeGrace = .seconds(5)
    }
    for (jitter, age) in [(0.0, 100), (1, 110), (-1, 90)] {
      let told = story(limits, jitter: jitter, until: 1000) { _ in (true, 1, 1) }
      #expect(told == ["\(age) drain", "\(age + 5) end"])
    }
    let endless = story(self.limits { $0.maxAge = .seconds(100) }, until: 1000) { _ in (true, 1, 1)
    }
    #expect(endless == ["100 drain"])
  }

  @Test func `a connection without calls ends; short calls between two looks count`() {
    let limits = limits { $0.maxIdle = .seconds(80) }
    let unused = story(limits, until: 1000) { _ in (true, 0, 0) }
    #expect(unused == ["80 drain"])
    // A call is open until 200 s.
    let used = story(limits, until: 1000) { (true, $0 < 200 ? 1 : 0, 1) }
    #expect(used == ["270 drain"])
    let unlike = [1.0, -1].map { jitter in
      story(limits, jitter: jitter, until: 1000) { _ in (true, 0, 0) }
    }
    #expect(unlike == [["88 drain"], ["72 drain"]])
    // One each second until 500 s, and none is ever open when it is looked.
    let busy = story(limits, until: 1000) { (true, 0, Int32(min($0, 500))) }
    #expect(busy.count == 1 && busy[0].hasSuffix(" drain"))
    let end = busy.first.flatMap { Int($0.prefix { $0 != " " }) } ?? 0
    #expect((580 ... 660).contains(end), "\(end)")
  }

  @Test func `a peer has so long for its preface, and no longer`() {
    for (comes, expected) in [(2.0, []), (4, ["3 refuse(HTTP2.AbuseCause.slowPreface)"])] {
      var life = ConnectionLife(limits { $0.preface = .seconds(3) }, now: at(0), jitter: 0)
      var told: [String] = []
      while told.isEmpty, let next = life.next {
        var signs = ConnectionLife.Signs()
        signs.hasReceivedSettings = next >= at(comes)
        told += life.due(next, signs).map { "\(next.uptimeNanoseconds / 1_000_000_000) \($0)" }
      }
      #expect(told == expected)
    }
  }

  @Test func `a header block may take so long; many that end may take longer`() {
    var life = ConnectionLife(limits { $0.headerBlock = .seconds(3) }, now: at(0), jitter: 0)
    #expect(life.next == nil)
    func look(_ seconds: Double, block: Int?) -> [ConnectionLife.Action] {
      var signs = ConnectionLife.Signs()
      signs.openHeaderBlock = block
      return life.due(at(seconds), signs)
    }
    let isEarlier = [life.awaitsHeaders(1, at(1)), life.awaitsHeaders(1, at(2))]
    #expect(isEarlier == [true, false] && life.next == at(4))
    // Another is open by then: it gets its own time.
    let first = look(4, block: 2)
    #expect(first == [] && life.next == at(7))
    let second = look(7, block: nil)
    #expect(second == [] && life.next == nil)
    _ = life.awaitsHeaders(3, at(10))
    let third = look(13, block: 3)
    #expect(third == [.refuse(.slowHeaders)])
  }

  @Test func `a peer has to take something of what waits for it, however little`() {
    var life = ConnectionLife(limits { $0.unread = .seconds(3) }, now: at(0), jitter: 0)
    func look(_ seconds: Double, waiting: Int, taken: Int) -> [ConnectionLife.Action] {
      var signs = ConnectionLife.Signs()
      (signs.waitingBytes, signs.takenBytes) = (waiting, taken)
      return life.due(at(seconds), signs)
    }
    let isEarlier = [life.awaitsReader(taken: 10, at(1)), life.awaitsReader(taken: 10, at(2))]
    #expect(isEarlier == [true, false] && life.next == at(4))
    let slow = look(4, waiting: 500, taken: 11)
    #expect(slow == [] && life.next == at(7))
    let done = look(7, waiting: 0, taken: 511)
    #expect(done == [] && life.next == nil)
    // Found by a look that another timer made.
    let found = look(8, waiting: 1, taken: 511)
    #expect(found == [] && life.next == at(11))
    let deaf = look(11, waiting: 1, taken: 511)
    #expect(deaf == [.refuse(.unread)])
  }

  @Test func `two early PINGs are overlooked, the third is not`() {
    var policy = PingPolicy()
    policy.minimumInterval = .seconds(5)
    var strikes = PingPolicy.Strikes(policy)
    let answers = [0, 1, 2, 3].map { strikes.received(at($0), openStreams: 1, hasSent: false) }
    #expect(answers == [true, true, true, false])
    strikes = PingPolicy.Strikes(policy)
    let patient = (0 ..< 50).map {
      strikes.received(at(Double($0) * 5), openStreams: 0, hasSent: false)
    }
    #expect(!patient.contains(false))
    strikes = PingPolicy.Strikes(policy)
    // Who gets messages may measure by PINGs how fast they come.
    let measuring = (0 ..< 50).map {
      strikes.received(at(Double($0)), openStreams: 1, hasSent: $0 % 3 == 0)
    }
    #expect(!measuring.contains(false))
    policy.permitsWithoutCalls = false
    strikes = PingPolicy.Strikes(policy)
    let idle = (0 ..< 4).map {
      strikes.received(at(Double($0) * 60), openStreams: 0, hasSent: false)
    }
    #expect(idle == [true, true, true, false])
  }
}
