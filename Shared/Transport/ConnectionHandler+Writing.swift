internal import HTTP2
internal import NIOCore

// How what the session has to say gets to the socket: past the channel as long as the socket takes
// it, through the channel from there on until that has written all.
extension ConnectionHandler {
  private static let batchBytes = 64 * 1024

  /// Writes a batch. Returns whether there is more.
  func writeBatch(_ context: ChannelHandlerContext) throws -> Bool {
    guard let socket, heldWrites == 0, let flushQueue else { return try pull(for: context) }
    return try flushQueue.withScratch { try pull(into: &$0, for: socket, context) }
  }

  /// Has the channel write what the session has to say. Returns whether it has more.
  private func pull(for context: ChannelHandlerContext) throws -> Bool {
    var buffer = ByteBuffer()
    buffer.reserveCapacity(8 * 1024)
    let more = try session.pull(into: &buffer, limit: Self.batchBytes)
    if buffer.readableBytes > 0 { hold(buffer, context) }
    return more
  }

  /// The same past the channel, which gets only what the socket has no room for.
  private func pull(
    into scratch: inout ByteBuffer,
    for socket: SocketWriter,
    _ context: ChannelHandlerContext
  ) throws -> Bool {
    scratch.clear()
    let more = try session.pull(into: &scratch, limit: Self.batchBytes)
    guard scratch.readableBytes > 0 else { return more }
    let count = scratch.withUnsafeReadableBytes { socket.write($0) }
    scratch.moveReaderIndex(forwardBy: count)
    if scratch.readableBytes > 0 { hold(ByteBuffer(bytes: scratch.readableBytesView), context) }
    return more
  }

  private func hold(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
    guard socket != nil else {
      context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
      return
    }
    heldWrites += 1
    let written = context.eventLoop.makePromise(of: Void.self)
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    written.futureResult.whenComplete { _ in bound.value.heldWrites -= 1 }
    context.writeAndFlush(wrapOutboundOut(buffer), promise: written)
  }
}
