internal import Foundation
internal import Glibc
internal import Synchronization

/// The one thread of the process that waits for libpq's sockets and runs what follows from them.
///
/// NIO offers no way to watch a socket that somebody else reads and writes, so the room has a small
/// `poll` loop of its own. It is the executor of every `PostgresWire`: libpq's calls, none of which
/// blocks on a connection in non-blocking mode, all run here and nowhere else.
final class PostgresReactor: SerialExecutor, Sendable {
  struct Readiness: OptionSet, Sendable {
    let rawValue: Int16
    static let read = Readiness(rawValue: Int16(POLLIN))
    static let write = Readiness(rawValue: Int16(POLLOUT))
    /// The deadline given with the watch has passed.
    static let overdue = Readiness(rawValue: Int16(POLLPRI))
  }

  /// Lives as long as the process: an idle reactor costs one sleeping thread.
  static let shared = PostgresReactor()

  private enum Work: Sendable {
    case job(UnownedJob)
    case closure(@Sendable () -> Void)
  }

  private struct Watch: Sendable {
    var interest: Readiness
    var deadline: ContinuousClock.Instant?
    var handler: @Sendable (Readiness) -> Void
  }

  private struct Timer: Sendable {
    var deadline: ContinuousClock.Instant
    var work: @Sendable () -> Void
  }

  private struct State: Sendable {
    var inbox: [Work] = []
    var watches: [Int32: Watch] = [:]
    var timers: [Timer] = []
    var isAsleep = false
    var thread: pthread_t?
  }

  private let state = Mutex(State())
  /// Written to in order to wake the thread.
  private let wakeIn: Int32
  private let wakeOut: Int32

  private init() {
    var ends: [Int32] = [0, 0]
    // Without a descriptor left at start-up the process can do nothing at all.
    precondition(pipe(&ends) == 0, "pipe failed: errno \(errno)")
    for end in ends {
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    }
    wakeOut = ends[0]
    wakeIn = ends[1]
    let thread = Thread { [unowned self] in run() }
    thread.name = "postgres"
    thread.start()
  }

  // MARK: - From any thread

  func enqueue(_ job: consuming ExecutorJob) {
    submit(.job(UnownedJob(job)))
  }

  func execute(_ closure: @escaping @Sendable () -> Void) {
    submit(.closure(closure))
  }

  func checkIsolated() {
    precondition(isIsolatingCurrentContext() == true, "not on the reactor's thread")
  }

  func isIsolatingCurrentContext() -> Bool? {
    state.withLock { $0.thread } == pthread_self()
  }

  /// Calls `handler` on the reactor's thread whenever the socket is ready or the deadline has passed,
  /// until `unwatch`. Replaces what was watched on this descriptor before.
  func watch(
    _ descriptor: Int32,
    for interest: Readiness,
    deadline: ContinuousClock.Instant?,
    handler: @escaping @Sendable (Readiness) -> Void
  ) {
    change {
      $0.watches[descriptor] = Watch(interest: interest, deadline: deadline, handler: handler)
    }
  }

  func update(_ descriptor: Int32, interest: Readiness, deadline: ContinuousClock.Instant?) {
    change {
      $0.watches[descriptor]?.interest = interest
      $0.watches[descriptor]?.deadline = deadline
    }
  }

  func unwatch(_ descriptor: Int32) {
    change { $0.watches[descriptor] = nil }
  }

  /// Calls `work` once, on the reactor's thread.
  func schedule(at deadline: ContinuousClock.Instant, _ work: @escaping @Sendable () -> Void) {
    change { $0.timers.append(Timer(deadline: deadline, work: work)) }
  }

  private func submit(_ work: Work) {
    change { $0.inbox.append(work) }
  }

  private func change(_ body: (inout State) -> Void) {
    let mustWake = state.withLock { state in
      body(&state)
      defer { state.isAsleep = false }
      return state.isAsleep
    }
    if mustWake {
      var byte: UInt8 = 1
      // A full pipe is fine: the thread then has been told already.
      _ = write(wakeIn, &byte, 1)
    }
  }

  // MARK: - On the reactor's thread

  private func run() {
    state.withLock { $0.thread = pthread_self() }
    var descriptors: [pollfd] = []
    while true {
      for work in takeInbox() { perform(work) }
      for timer in takeDueTimers() { timer.work() }
      let timeout = prepareToSleep(&descriptors)
      let ready = poll(&descriptors, nfds_t(descriptors.count), timeout)
      state.withLock { $0.isAsleep = false }
      if ready > 0 { dispatch(descriptors) }
      tellOverdue()
    }
  }

  private func perform(_ work: Work) {
    switch work {
    case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
    case .closure(let closure): closure()
    }
  }

  private func takeInbox() -> [Work] {
    state.withLock { state in
      guard !state.inbox.isEmpty else { return [] }
      defer { state.inbox = [] }
      return state.inbox
    }
  }

  private func takeDueTimers() -> [Timer] {
    state.withLock { state in
      guard !state.timers.isEmpty else { return [] }
      let now = ContinuousClock.now
      let due = state.timers.filter { $0.deadline <= now }
      state.timers.removeAll { $0.deadline <= now }
      return due
    }
  }

  /// Lists what to poll; returns the timeout in milliseconds, -1 for none.
  private func prepareToSleep(_ descriptors: inout [pollfd]) -> Int32 {
    descriptors.removeAll(keepingCapacity: true)
    descriptors.append(pollfd(fd: wakeOut, events: Int16(POLLIN), revents: 0))
    return state.withLock { state in
      var next: ContinuousClock.Instant?
      for (descriptor, watch) in state.watches {
        descriptors.append(pollfd(fd: descriptor, events: watch.interest.rawValue, revents: 0))
        if let deadline = watch.deadline { next = min(next ?? deadline, deadline) }
      }
      for timer in state.timers { next = min(next ?? timer.deadline, timer.deadline) }
      guard state.inbox.isEmpty else { return 0 }
      state.isAsleep = true
      guard let next else { return -1 }
      let wait = ContinuousClock.now.duration(to: next)
      guard wait > .zero else { return 0 }
      // Rounded up, so that the thread does not wake just before the deadline.
      return Int32(
        clamping: wait / .milliseconds(1) < 60_000 ? Int(wait / .milliseconds(1)) + 1 : 60_000
      )
    }
  }

  private func dispatch(_ descriptors: [pollfd]) {
    for entry in descriptors where entry.revents != 0 {
      if entry.fd == wakeOut {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(wakeOut, &bytes, bytes.count) == bytes.count {}
        continue
      }
      guard let watch = state.withLock({ $0.watches[entry.fd] }) else { continue }
      // A hang-up or an error is found by reading (or, while connecting, by writing).
      let failed = Int32(entry.revents) & (POLLHUP | POLLERR | POLLNVAL) != 0
      let readiness = failed ? watch.interest : Readiness(rawValue: entry.revents)
      watch.handler(readiness.intersection([.read, .write]))
    }
  }

  private func tellOverdue() {
    let overdue = state.withLock { state in
      guard state.watches.values.contains(where: { $0.deadline != nil }) else { return [Watch]() }
      let now = ContinuousClock.now
      var overdue: [Watch] = []
      for (descriptor, watch) in state.watches {
        guard let deadline = watch.deadline, deadline <= now else { continue }
        state.watches[descriptor]?.deadline = nil
        overdue.append(watch)
      }
      return overdue
    }
    for watch in overdue { watch.handler(.overdue) }
  }
}
