internal import DequeModule

/// Who has which connection and who waits: the pool's state without I/O.
///
/// A caller gets a member, or leave to open one, or waits. Whoever had leave gives it back by
/// `vacate` if the opening fails, so that the next caller may try.
struct PoolMachine<Member, Waiter> {
  typealias Grant = PoolGrant<Member>

  enum Acquisition {
    case granted(Grant)
    /// Parked, until `release`, `vacate`, `expire` or `close` hands the waiter back.
    case parked
    /// The task was cancelled before it could be parked.
    case cancelled
    case full
    case closed
  }

  struct Handover {
    var waiter: Waiter
    var grant: Grant
  }

  fileprivate struct Parked {
    var ticket: Int
    var waiter: Waiter
    var deadline: ContinuousClock.Instant
  }

  let maxMembers: Int
  let maxWaiters: Int
  /// Members that are idle, lent or being opened.
  private(set) var members = 0
  private(set) var isClosed = false
  private var idle: [Member] = []
  private var parked: Deque<Parked> = []
  private var cancelledEarly: Set<Int> = []
  private var tickets = 0

  init(maxMembers: Int, maxWaiters: Int) {
    self.maxMembers = max(1, maxMembers)
    self.maxWaiters = max(0, maxWaiters)
  }

  var waiting: Int { parked.count }
  /// The wait that ends first: all wait equally long, so it is the oldest.
  var nextDeadline: ContinuousClock.Instant? { parked.first?.deadline }

  mutating func newTicket() -> Int {
    tickets += 1
    return tickets
  }

  /// A grant that needs no waiting; nil if there is none.
  mutating func acquire() -> Grant? {
    // Nobody overtakes those that wait.
    guard !isClosed, parked.isEmpty else { return nil }
    // The one used last is the likeliest to be warm.
    if let member = idle.popLast() { return .lend(member) }
    guard members < maxMembers else { return nil }
    members += 1
    return .open
  }

  mutating func acquire(
    orPark waiter: Waiter,
    ticket: Int,
    deadline: ContinuousClock.Instant
  ) -> Acquisition {
    guard cancelledEarly.remove(ticket) == nil else { return .cancelled }
    guard !isClosed else { return .closed }
    if let grant = acquire() { return .granted(grant) }
    guard parked.count < maxWaiters else { return .full }
    parked.append(Parked(ticket: ticket, waiter: waiter, deadline: deadline))
    return .parked
  }

  /// The task that holds the ticket is cancelled; returns its waiter if it is parked.
  mutating func cancel(_ ticket: Int) -> Waiter? {
    guard let index = parked.firstIndex(where: { $0.ticket == ticket }) else {
      cancelledEarly.insert(ticket)
      return nil
    }
    return parked.remove(at: index).waiter
  }

  /// The call that took the ticket has ended: nothing of it is kept.
  mutating func forget(_ ticket: Int) {
    cancelledEarly.remove(ticket)
  }

  /// A member that can be used again comes back. False: the pool is closed, close the member.
  mutating func release(_ member: Member) -> (handover: Handover?, isKept: Bool) {
    guard !isClosed else {
      members -= 1
      return (nil, false)
    }
    if let next = parked.popFirst() {
      return (Handover(waiter: next.waiter, grant: .lend(member)), true)
    }
    idle.append(member)
    return (nil, true)
  }

  /// A member is gone, or could not be opened: the next in line may open one.
  mutating func vacate() -> Handover? {
    members -= 1
    guard !isClosed, let next = parked.popFirst() else { return nil }
    members += 1
    return Handover(waiter: next.waiter, grant: .open)
  }

  mutating func expire(now: ContinuousClock.Instant) -> [Waiter] {
    var expired: [Waiter] = []
    while let first = parked.first, first.deadline <= now {
      expired.append(first.waiter)
      parked.removeFirst()
    }
    return expired
  }

  /// No more grants; returns who waits and what is idle.
  mutating func close() -> (waiters: [Waiter], idle: [Member]) {
    isClosed = true
    defer {
      parked.removeAll()
      idle.removeAll()
    }
    members -= idle.count
    return (parked.map(\.waiter), idle)
  }
}

/// What a caller of the pool may do now.
enum PoolGrant<Member> {
  case lend(Member)
  case open
}

extension PoolGrant: Sendable where Member: Sendable {}
extension PoolMachine: Sendable where Member: Sendable, Waiter: Sendable {}
extension PoolMachine.Parked: Sendable where Member: Sendable, Waiter: Sendable {}

/// When the next attempt to connect may be made: at once, then ever later, up to two seconds.
struct Backoff: Sendable {
  private var failures = 0
  private var notBefore: ContinuousClock.Instant?

  func delay(now: ContinuousClock.Instant) -> Duration {
    guard let notBefore else { return .zero }
    return max(.zero, now.duration(to: notBefore))
  }

  /// `spread` from 0 to 1 keeps many clients from coming back in step.
  mutating func failed(now: ContinuousClock.Instant, spread: Double) {
    let full = min(2.0, 0.05 * Double(1 << min(failures, 10)))
    failures += 1
    notBefore = now + .seconds(full * (0.5 + 0.5 * spread))
  }

  mutating func succeeded() {
    self = Backoff()
  }
}
