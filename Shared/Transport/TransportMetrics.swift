package import HTTP2
internal import NIOCore
internal import Synchronization

/// What happened on the connections of a transport, for all that share it.
///
/// What comes with each frame is counted by a meter for each event loop, without a lock; what happens
/// to a connection as a whole, here.
package final class TransportMetrics: Sendable {
  package struct Values: Hashable, Sendable {
    package var opened = 0
    package var closed = 0
    package var handshakeFailures = 0
    /// Connections that we ended over what the peer asked of us, or kept from us.
    package var abuse: [AbuseCause: Int] = [:]
    /// Connections ended because they were idle, old, or silent and deaf to PING.
    package var idle = 0
    package var aged = 0
    package var silent = 0
    package var traffic = TrafficCounts()

    package var open: Int { opened - closed }

    package init() {}
  }

  enum Event {
    case opened
    case closed
    case handshakeFailed
    case abuse(AbuseCause)
    case idle
    case age
    case silent
  }

  private struct State {
    /// But for traffic, which the meters count.
    var values = Values()
    var meters: [ObjectIdentifier: TrafficMeter] = [:]
  }

  private let state = Mutex(State())

  package init() {}

  package var values: Values {
    let (values, meters) = state.withLock { ($0.values, Array($0.meters.values)) }
    return meters.reduce(into: values) { $0.traffic += $1.counts }
  }

  /// The meter for connections of a loop. Loops are few and live long.
  func meter(of loop: any EventLoop) -> TrafficMeter {
    state.withLock { state in
      if let known = state.meters[ObjectIdentifier(loop)] { return known }
      let made = TrafficMeter()
      state.meters[ObjectIdentifier(loop)] = made
      return made
    }
  }

  func note(_ event: Event) {
    state.withLock { state in
      switch event {
      case .opened: state.values.opened += 1
      case .closed: state.values.closed += 1
      case .handshakeFailed: state.values.handshakeFailures += 1
      case .abuse(let cause): state.values.abuse[cause, default: 0] += 1
      case .idle: state.values.idle += 1
      case .age: state.values.aged += 1
      case .silent: state.values.silent += 1
      }
    }
  }
}
