internal import DequeModule
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A link to a server of this machine that fails as networks do: bytes wait, are lost or come late, in
/// one direction or both; connections are cut. Order is kept, bandwidth is not limited.
///
/// It counts flights: what leaves one end after something came from the other is one flight later. Two
/// flights are a round trip.
package final class LinkProxy: Sendable {
  package enum End: Hashable, Sendable {
    case tcp(port: Int)
    case unix(path: String)
  }

  package enum Direction: Hashable, Sendable, CaseIterable {
    /// To the server.
    case up
    /// From the server.
    case down
  }

  package enum Flow: Hashable, Sendable {
    case open
    /// Bytes wait until it is open again.
    case frozen
    /// Bytes are gone: nothing comes out of this direction of a connection any more, ever.
    case lost
  }

  package struct Condition: Hashable, Sendable {
    package var up: Flow
    package var down: Flow
    /// How long bytes travel, each way.
    package var upDelay: Duration
    package var downDelay: Duration
    /// Connections are closed, and new ones at once.
    package var isCut: Bool

    package init(
      up: Flow = .open,
      down: Flow = .open,
      upDelay: Duration = .zero,
      downDelay: Duration = .zero,
      isCut: Bool = false
    ) {
      self.up = up
      self.down = down
      self.upDelay = upDelay
      self.downDelay = downDelay
      self.isCut = isCut
    }

    func flow(_ direction: Direction) -> Flow { direction == .up ? up : down }
    func delay(_ direction: Direction) -> Duration { direction == .up ? upDelay : downDelay }
  }

  private let channel: any Channel
  private let link: Link
  /// Where clients connect; 0 for a unix socket.
  package let port: Int

  private init(_ channel: any Channel, _ link: Link) {
    self.channel = channel
    self.link = link
    port = channel.localAddress?.port ?? 0
  }

  /// - Parameter listening: Where clients connect; nil for any port of 127.0.0.1.
  package static func start(
    to server: End,
    at listening: End? = nil,
    condition: Condition = Condition()
  ) async throws -> LinkProxy {
    let link = Link(condition)
    let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { near in
        guard link.accepts() else { return near.close() }
        let bootstrap = ClientBootstrap(group: near.eventLoop)
        let connected =
          switch server {
          case .tcp(let port): bootstrap.connect(host: "127.0.0.1", port: port)
          case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
          }
        return connected.flatMap { far in
          let up = Lane(.up, from: near, to: far, link)
          let down = Lane(.down, from: far, to: near, link)
          // It may have been cut while this one was being made.
          guard link.add(up, down) else { return far.close().and(near.close()).map { _ in } }
          return far.pipeline.addHandler(down).and(near.pipeline.addHandler(up)).map { _ in }
        }
      }
    let channel =
      switch listening {
      case .unix(let path):
        try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
      case .tcp(let port): try await bootstrap.bind(host: "127.0.0.1", port: port).get()
      case nil: try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
      }
    return LinkProxy(channel, link)
  }

  /// Connections so far.
  package var accepted: Int { link.state.withLock { $0.accepted } }

  /// How the link is from now on.
  package func set(_ condition: Condition) { link.change(condition) }

  /// Loses all that goes over the connections that are there; new ones are well.
  package func vanish() {
    for lane in link.state.withLock({ Array($0.lanes.values) }) { lane.lose() }
  }

  /// Starts to count flights anew.
  package func resetFlights() { link.state.withLock { $0.heard = [:] } }

  /// Flights of the longest chain since `resetFlights` that reached the server (`up`) or the client.
  package func flights(_ direction: Direction) -> Int {
    link.state.withLock { $0.heard[direction] ?? 0 }
  }

  /// Bytes that arrived so far.
  package func bytes(_ direction: Direction) -> Int {
    link.state.withLock { $0.bytes[direction] ?? 0 }
  }

  package func stop() async throws {
    set(Condition(isCut: true))
    try await channel.close()
  }
}

/// What all connections of a link share.
private final class Link: Sendable {
  struct State {
    var condition: LinkProxy.Condition
    var accepted = 0
    var lanes: [ObjectIdentifier: Lane] = [:]
    /// The newest flight that reached an end.
    var heard: [LinkProxy.Direction: Int] = [:]
    var bytes: [LinkProxy.Direction: Int] = [:]
  }

  let state: Mutex<State>

  init(_ condition: LinkProxy.Condition) { state = Mutex(State(condition: condition)) }

  func accepts() -> Bool {
    state.withLock { state in
      state.accepted += 1
      return !state.condition.isCut
    }
  }

  /// False when the link is cut.
  func add(_ lanes: Lane...) -> Bool {
    state.withLock { state in
      guard !state.condition.isCut else { return false }
      for lane in lanes {
        state.lanes[ObjectIdentifier(lane)] = lane
        lane.begin(state.condition)
      }
      return true
    }
  }

  func remove(_ lane: Lane) { state.withLock { $0.lanes[ObjectIdentifier(lane)] = nil } }

  func change(_ condition: LinkProxy.Condition) {
    let lanes = state.withLock { state in
      state.condition = condition
      return Array(state.lanes.values)
    }
    for lane in lanes { lane.conditionChanged(condition) }
  }

  /// The flight of what leaves an end now: one after the newest that came to it.
  func flight(_ direction: LinkProxy.Direction) -> Int {
    state.withLock { ($0.heard[direction == .up ? .down : .up] ?? 0) + 1 }
  }

  func arrived(_ direction: LinkProxy.Direction, flight: Int, bytes: Int) {
    state.withLock { state in
      state.heard[direction] = max(state.heard[direction] ?? 0, flight)
      state.bytes[direction, default: 0] += bytes
    }
  }
}

/// One direction of one connection; both run on one event loop.
private final class Lane: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  private struct Parcel {
    var due: NIODeadline
    var flight: Int
    /// nil: the sender has closed.
    var bytes: ByteBuffer?
  }

  private struct State {
    var parcels: Deque<Parcel> = []
    var waiting = 0
    var isLost = false
    var isReading = true
  }

  /// So much is taken while bytes wait; then the sender feels it.
  private static let limit = 4 << 20

  private let direction: LinkProxy.Direction
  private let source: any Channel
  private let target: any Channel
  private let link: Link
  private let state = Mutex(State())

  init(
    _ direction: LinkProxy.Direction,
    from source: any Channel,
    to target: any Channel,
    _ link: Link
  ) {
    self.direction = direction
    self.source = source
    self.target = target
    self.link = link
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { take(unwrapInboundIn(data)) }

  func channelInactive(context: ChannelHandlerContext) {
    take(nil)
    link.remove(self)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A reset: what follows is that the channel is inactive.
    context.close(promise: nil)
  }

  /// What is opened while bytes are lost never brings any, either.
  func begin(_ condition: LinkProxy.Condition) {
    if condition.flow(direction) == .lost { lose() }
  }

  func lose() { state.withLock { $0.isLost = true } }

  func conditionChanged(_ condition: LinkProxy.Condition) {
    if condition.isCut {
      source.close(promise: nil)
      target.close(promise: nil)
    } else {
      if condition.flow(direction) == .lost { lose() }
      source.eventLoop.execute { self.pump() }
    }
  }

  private func take(_ bytes: ByteBuffer?) {
    let condition = link.state.withLock { $0.condition }
    let delay = condition.delay(direction) / .nanoseconds(1)
    let parcel = Parcel(
      due: .now() + .nanoseconds(Int64(delay)),
      flight: link.flight(direction),
      bytes: bytes
    )
    let isFull = state.withLock { state -> Bool in
      guard !state.isLost else { return false }
      state.parcels.append(parcel)
      state.waiting += bytes?.readableBytes ?? 0
      guard condition.flow(direction) == .frozen, state.waiting > Self.limit, state.isReading else {
        return false
      }
      state.isReading = false
      return true
    }
    if isFull { source.setOption(.autoRead, value: false).whenComplete { _ in } }
    pump()
  }

  /// Delivers what is due.
  private func pump() {
    guard link.state.withLock({ $0.condition.flow(direction) }) == .open else { return }
    let now = NIODeadline.now()
    let (due, next, resumes) = state.withLock { state -> ([Parcel], NIODeadline?, Bool) in
      guard !state.isLost else { return ([], nil, false) }
      var due: [Parcel] = []
      while let first = state.parcels.first, first.due <= now {
        due.append(first)
        state.parcels.removeFirst()
        state.waiting -= first.bytes?.readableBytes ?? 0
      }
      let resumes = !state.isReading
      state.isReading = true
      return (due, state.parcels.first?.due, resumes)
    }
    for parcel in due {
      guard let bytes = parcel.bytes else {
        target.close(promise: nil)
        continue
      }
      link.arrived(direction, flight: parcel.flight, bytes: bytes.readableBytes)
      target.writeAndFlush(bytes, promise: nil)
    }
    if resumes { source.setOption(.autoRead, value: true).whenComplete { _ in } }
    if let next { source.eventLoop.scheduleTask(deadline: next) { self.pump() } }
  }
}
