internal import Logging
internal import NIOCore

/// Looks at the first byte that comes to a connection without TLS: one of TLS is told from HTTP/2,
/// which never begins like that, and the connection closed. Then takes itself out of the pipeline.
final class PlaintextGuard: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer

  private let logger: Logger
  private let onTLS: () -> Void
  private var isClosed = false

  init(logger: Logger, onTLS: @escaping () -> Void) {
    self.logger = logger
    self.onTLS = onTLS
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isClosed else { return }
    // A handshake or an alert (RFC 8446 section 5.1); an HTTP/2 frame begins with its length, which
    // is below 2^20 at the limits we set, and a client's preface with a letter.
    if let first = unwrapInboundIn(data).readableBytesView.first, first == 0x16 || first == 0x15 {
      isClosed = true
      logger.debug("TLS sent to a plaintext port")
      onTLS()
      context.close(promise: nil)
      return
    }
    context.fireChannelRead(data)
    context.pipeline.syncOperations.removeHandler(self, promise: nil)
  }
}
