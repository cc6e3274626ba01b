import NIOCore
import NIOPosix
import Synchronization

/// Joins connections to a port, until it is told to swallow all that goes over those that are there.
final class VanishingProxy: Sendable {
  private struct State {
    var accepted = 0
    /// Connections up to this one lead nowhere.
    var vanished = 0
  }

  let port: Int
  private let channel: any Channel
  private let state: Ledger

  private final class Ledger: Sendable {
    let state = Mutex(State())
  }

  private init(_ channel: any Channel, _ state: Ledger) {
    self.channel = channel
    self.state = state
    port = channel.localAddress?.port ?? 0
  }

  static func start(to port: Int) async throws -> VanishingProxy {
    let ledger = Ledger()
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { near in
        let number = ledger.state.withLock { state in
          state.accepted += 1
          return state.accepted
        }
        return ClientBootstrap(group: near.eventLoop).connect(host: "127.0.0.1", port: port)
          .flatMap { far in
            far.pipeline.addHandler(Pass(to: near, number, ledger)).and(
              near.pipeline.addHandler(Pass(to: far, number, ledger))
            ).map { _ in }
          }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return VanishingProxy(channel, ledger)
  }

  /// Connections so far.
  var accepted: Int { state.state.withLock { $0.accepted } }

  func vanish() { state.state.withLock { $0.vanished = $0.accepted } }

  func stop() async throws { try await channel.close() }

  private final class Pass: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let peer: any Channel
    private let number: Int
    private let ledger: Ledger

    init(to peer: any Channel, _ number: Int, _ ledger: Ledger) {
      (self.peer, self.number, self.ledger) = (peer, number, ledger)
    }

    private var leadsOn: Bool { ledger.state.withLock { $0.vanished < number } }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      if leadsOn { peer.writeAndFlush(unwrapInboundIn(data), promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
      if leadsOn { peer.close(promise: nil) }
    }
  }
}
