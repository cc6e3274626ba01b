internal import Synchronization

/// Counts callers that could not say who they are, and lets an address have so many only.
///
/// It stands before the failures and not before the calls: behind one address there may be a balancer
/// with everybody behind it, and whoever shows a good credential is served.
package final class AuthenticationFailures: Sendable {
  package enum Verdict: Hashable, Sendable {
    /// Tell the caller why.
    case told
    /// The address has had its share.
    case exhausted
  }

  /// How often it came to what, since the start.
  package struct Counts: Hashable, Sendable {
    package var told = 0
    package var exhausted = 0
  }

  private struct State {
    var budget: FailureBudget
    var counts = Counts()
  }

  private let perMinute: Int
  private let start = ContinuousClock.now
  private let state: Mutex<State>

  /// - Parameter perMinute: Failures that an address may have in a minute, and at once.
  package init(perMinute: Int) {
    self.perMinute = perMinute
    state = Mutex(State(budget: FailureBudget(perMinute: perMinute)))
  }

  package var counts: Counts { state.withLock { $0.counts } }

  /// What to tell those who are `exhausted`.
  package var exhausted: String {
    "too many failed authentications from this address, at most \(perMinute) a minute; show a good access token or certificate, or wait a minute"
  }

  /// Notes a failure.
  ///
  /// - Parameter peer: As gRPC names it, such as "ipv4:127.0.0.1:50051".
  package func note(from peer: String) -> Verdict {
    let address = Self.address(of: peer)
    let now = ContinuousClock.now - start
    return state.withLock { state in
      if state.budget.take(address, at: now) {
        state.counts.told += 1
        return .told
      }
      state.counts.exhausted += 1
      return .exhausted
    }
  }

  /// Without the port; of IPv6 the first 64 bits, as one holder has all of the others.
  static func address(of peer: String) -> String {
    guard peer.hasPrefix("ipv4:") || peer.hasPrefix("ipv6:"),
      let colon = peer.lastIndex(of: ":")
    else { return "local" }
    let host = peer[..<colon]
    guard peer.hasPrefix("ipv6:") else { return String(host) }
    let text = host.dropFirst("ipv6:".count).filter { $0 != "[" && $0 != "]" }
    return "ipv6:" + prefix(ofIPv6: text)
  }

  /// The first four groups, written out; IPv4 within IPv6 stays whole.
  private static func prefix(ofIPv6 text: String) -> String {
    if text.contains(".") { return text }
    let address = text.prefix { $0 != "%" }
    let halves = address.split(separator: "::", maxSplits: 1, omittingEmptySubsequences: false)
    var groups = (halves.first ?? "").split(separator: ":").map(String.init)
    if halves.count == 2 {
      let tail = halves[1].split(separator: ":").map(String.init)
      groups += Array(repeating: "0", count: max(0, 8 - groups.count - tail.count)) + tail
    }
    return groups.prefix(4).joined(separator: ":")
  }
}
