package import Logging
internal import Synchronization

/// How many calls each caller has in flight: so many of those that end with one answer, and as many
/// streams. Apart, so that a node that is busy with turns can still open its watch stream.
///
/// It counts callers with calls only, so it is as large as what is in flight.
package final class CallLimits: Sendable {
  private struct Account: Hashable {
    var caller: String
    var isStream: Bool
  }

  private struct State {
    var inFlight: [Account: Int] = [:]
    var refused = 0
    var lines = FailureBudget(perMinute: 6)
  }

  private let people: Int
  private let nodes: Int
  private let logger: Logger
  private let start = ContinuousClock.now
  private let state = Mutex(State())

  /// - Parameters:
  ///   - people: Calls that a token of a person or program may have in flight.
  ///   - nodes: The same for a node's token or certificate, with its turns.
  package init(people: Int, nodes: Int, logger: Logger) {
    self.people = people
    self.nodes = nodes
    self.logger = logger
  }

  /// Calls that were refused, since the start.
  package var refused: Int { state.withLock { $0.refused } }

  /// How many callers have calls in flight, for each kind of call.
  var accounts: Int { state.withLock { $0.inFlight.count } }

  /// One more call of `caller`; it counts for as long as the place is there and not given back.
  ///
  /// - Throws: `AccessRefusal` with code `exhausted`.
  package func place(
    for caller: Principal,
    isStream: Bool
  ) throws(AccessRefusal) -> CallPlace {
    let limit: Int
    let flag: String
    switch caller.role {
    case .person: (limit, flag) = (people, "--calls-per-caller")
    case .node: (limit, flag) = (nodes, "--calls-per-node")
    }
    let account = Account(caller: caller.id, isStream: isStream)
    let now = ContinuousClock.now - start
    let (isTaken, isLogged) = state.withLock { state in
      let count = state.inFlight[account, default: 0]
      guard count < limit else {
        state.refused += 1
        return (false, state.lines.take(caller.id, at: now))
      }
      state.inFlight[account] = count + 1
      return (true, false)
    }
    guard isTaken else {
      let refusal = AccessRefusal(
        .exhausted,
        "\(caller.title) has \(limit) \(isStream ? "streams" : "calls") in flight, the most it may have; wait until some have ended (the control plane's limit is \(flag))"
      )
      if isLogged {
        logger.notice(
          "too many calls in flight",
          metadata: ["caller": "\(caller.id)", "why": "\(refusal.message)"]
        )
      }
      throw refusal
    }
    return CallPlace { [self] in giveBack(account) }
  }

  private func giveBack(_ account: Account) {
    state.withLock { state in
      let count = state.inFlight[account, default: 0] - 1
      state.inFlight[account] = count > 0 ? count : nil
    }
  }
}

/// A call's place among those in flight. Given back once: when the call ends, or, of a call that is
/// dropped before its answer was produced, with the last that held it.
package final class CallPlace: Sendable {
  private let isOver = Atomic(false)
  private let giveBack: @Sendable () -> Void

  init(_ giveBack: @escaping @Sendable () -> Void) { self.giveBack = giveBack }

  package func end() {
    if !isOver.exchange(true, ordering: .acquiringAndReleasing) { giveBack() }
  }

  deinit { end() }
}
