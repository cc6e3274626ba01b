import NIOCore
import NIOPosix
import Synchronization

/// Joins a connection to another and cuts both after so many bytes of the answer.
final class CutProxy: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  /// Where what is read goes, and how much of it.
  private let peer: any Channel
  private let left: Mutex<Int>

  private init(peer: any Channel, after limit: Int) {
    self.peer = peer
    left = Mutex(limit)
  }

  static func start(
    to port: Int,
    after limit: Int
  ) async throws -> (channel: any Channel, port: Int) {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { near in
        ClientBootstrap(group: near.eventLoop).connect(host: "127.0.0.1", port: port).flatMap {
          far in
          far.pipeline.addHandler(CutProxy(peer: near, after: limit)).and(
            near.pipeline.addHandler(CutProxy(peer: far, after: .max))
          ).map { _ in }
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return (channel, channel.localAddress?.port ?? 0)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = unwrapInboundIn(data)
    let (allowed, isOver) = left.withLock { left in
      let allowed = min(left, bytes.readableBytes)
      left -= allowed
      return (allowed, left == 0)
    }
    if let part = bytes.getSlice(at: bytes.readerIndex, length: allowed) {
      peer.writeAndFlush(part, promise: nil)
    }
    if isOver {
      peer.close(promise: nil)
      context.close(promise: nil)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    peer.close(promise: nil)
  }
}
