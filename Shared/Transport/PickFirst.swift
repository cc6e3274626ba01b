/// What a client's connection is (gRPC's doc/connectivity-semantics-and-api.md).
package enum ConnectivityState: Hashable, Sendable {
  case idle
  case connecting
  case ready
  /// All addresses failed; the next round begins after a wait.
  case transientFailure
  case shutdown
}

/// Which address a client tries when ("pick first"): every endpoint is resolved when its turn comes,
/// every address of it tried in order, and after a round without success there is a wait
/// (gRPC's doc/connection-backoff.md). A value without I/O.
package struct PickFirst<Address: Hashable & Sendable> {
  package enum Step: Hashable {
    case resolve(endpoint: Int)
    case connect(Address)
    case wait(Duration)
    case stop
  }

  package private(set) var state = ConnectivityState.idle
  private let endpoints: Int
  private let backoff: Backoff
  private var endpoint = 0
  private var addresses: [Address] = []
  private var failedRounds = 0

  package init(endpoints: Int, backoff: Backoff) {
    self.endpoints = endpoints
    self.backoff = backoff
  }

  /// Begins a round: at first, and after every wait.
  package mutating func begin() -> Step {
    guard state != .shutdown, endpoints > 0 else { return .stop }
    state = .connecting
    endpoint = 0
    return .resolve(endpoint: 0)
  }

  /// The endpoint's name means these addresses; with none it failed.
  package mutating func resolved(_ addresses: [Address], random: Double) -> Step {
    self.addresses = addresses.reversed()
    return next(random)
  }

  /// The address that was tried last failed, before it could take calls.
  package mutating func failed(random: Double) -> Step {
    next(random)
  }

  /// The address that was tried last takes calls.
  package mutating func connected() {
    guard state != .shutdown else { return }
    state = .ready
    failedRounds = 0
  }

  /// The connection that took calls takes no more. All begins anew, after a short wait, so that a server
  /// that ends every connection at once is not asked without pause.
  package mutating func lost(random: Double) -> Step {
    guard state != .shutdown else { return .stop }
    state = .connecting
    addresses = []
    return .wait(backoff.delay(failures: 0, random: random))
  }

  package mutating func shutDown() {
    state = .shutdown
  }

  private mutating func next(_ random: Double) -> Step {
    guard state != .shutdown else { return .stop }
    if let address = addresses.popLast() { return .connect(address) }
    endpoint += 1
    if endpoint < endpoints { return .resolve(endpoint: endpoint) }
    failedRounds += 1
    state = .transientFailure
    return .wait(backoff.delay(failures: failedRounds, random: random))
  }
}
