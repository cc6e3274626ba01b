import Testing

@testable import Postgres

/// SplitMix64: the same numbers for the same seed.
private struct Dice: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Plays callers against the machine, and knows what each of them holds.
private struct Players {
  static let maxMembers = 3
  static let maxWaiters = 4

  var machine = PoolMachine<Int, Int>(maxMembers: maxMembers, maxWaiters: maxWaiters)
  var dice: Dice
  var lent: Set<Int> = []
  var opening = 0
  /// Tickets of those that wait, oldest first.
  var waiting: [Int] = []
  var nextMember = 0
  let epoch = ContinuousClock.now
  var clock = 0

  init(seed: UInt64) { dice = Dice(state: seed) }

  mutating func take(_ grant: PoolGrant<Int>) {
    switch grant {
    case .open: opening += 1
    case .lend(let member):
      #expect(lent.insert(member).inserted, "a connection was lent twice")
    }
  }

  mutating func take(_ handover: PoolMachine<Int, Int>.Handover?) {
    guard let handover else { return }
    #expect(handover.waiter == waiting.first, "somebody was overtaken")
    if !waiting.isEmpty { waiting.removeFirst() }
    take(handover.grant)
  }

  mutating func ask() {
    let ticket = machine.newTicket()
    clock += 1
    switch machine.acquire(
      orPark: ticket,
      ticket: ticket,
      deadline: epoch + .seconds(clock)
    ) {
    case .granted(let grant):
      #expect(waiting.isEmpty, "somebody was overtaken")
      take(grant)
    case .parked: waiting.append(ticket)
    case .full: #expect(waiting.count == Self.maxWaiters)
    case .cancelled, .closed: Issue.record("neither was asked for")
    }
  }

  mutating func step() {
    switch Int.random(in: 0 ..< 10, using: &dice) {
    case 0 ... 3: ask()
    case 4, 5:
      guard let member = lent.sorted().randomElement(using: &dice) else { return }
      lent.remove(member)
      let (handover, isKept) = machine.release(member)
      #expect(isKept)
      take(handover)
    case 6:
      guard opening > 0 else { return }
      opening -= 1
      nextMember += 1
      lent.insert(nextMember)
    case 7:
      // An opening fails, or a connection breaks.
      if opening > 0 {
        opening -= 1
      } else if let member = lent.sorted().first {
        lent.remove(member)
      } else {
        return
      }
      take(machine.vacate())
    case 8:
      guard let ticket = waiting.randomElement(using: &dice) else { return }
      #expect(machine.cancel(ticket) == ticket)
      waiting.removeAll { $0 == ticket }
      machine.forget(ticket)
    default:
      let expired = machine.expire(
        now: epoch + .seconds(clock - Int.random(in: 0 ... 6, using: &dice))
      )
      #expect(expired == Array(waiting.prefix(expired.count)), "those that waited longest end")
      waiting.removeFirst(min(expired.count, waiting.count))
    }
  }

  func check() {
    #expect(machine.waiting == waiting.count)
    #expect(machine.members <= Self.maxMembers)
    #expect(machine.members >= lent.count + opening)
    if !waiting.isEmpty {
      #expect(machine.members == lent.count + opening, "somebody waits beside an idle connection")
      #expect(machine.members == Self.maxMembers, "somebody waits though one more may be opened")
    }
  }
}

@Suite struct `The pool's state` {
  @Test(arguments: 1 ... 40)
  func `never lends twice, never exceeds its bounds, and serves in order`(seed: Int) {
    var players = Players(seed: UInt64(seed))
    for _ in 0 ..< 500 {
      players.step()
      players.check()
    }
    let waiting = players.waiting
    let (waiters, idle) = players.machine.close()
    #expect(waiters == waiting)
    for member in players.lent {
      let (handover, isKept) = players.machine.release(member)
      #expect(handover == nil)
      #expect(!isKept)
    }
    for _ in 0 ..< players.opening { #expect(players.machine.vacate() == nil) }
    #expect(players.machine.members == 0)
    #expect(Set(idle).isDisjoint(with: players.lent))
  }

  @Test func `a cancellation that comes before the wait is not lost`() {
    var machine = PoolMachine<Int, Int>(maxMembers: 1, maxWaiters: 1)
    guard case .open? = machine.acquire() else {
      Issue.record("the first one may open")
      return
    }
    let ticket = machine.newTicket()
    #expect(machine.cancel(ticket) == nil)
    let outcome = machine.acquire(orPark: 1, ticket: ticket, deadline: .now)
    guard case .cancelled = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(machine.waiting == 0)
  }

  @Test func `attempts to connect wait ever longer, up to two seconds`() {
    var backoff = Backoff()
    let now = ContinuousClock.now
    #expect(backoff.delay(now: now) == .zero)
    var last = Duration.zero
    for _ in 0 ..< 40 {
      backoff.failed(now: now, spread: 1)
      let delay = backoff.delay(now: now)
      #expect(delay >= last)
      #expect(delay <= .seconds(2))
      last = delay
    }
    #expect(last == .seconds(2))
    backoff.succeeded()
    #expect(backoff.delay(now: now) == .zero)
  }
}
