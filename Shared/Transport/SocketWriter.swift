internal import Glibc
internal import NIOCore

/// Writes to the socket below a channel, past the channel: a message to a thousand connections is a
/// thousand writes, and what the channel does beside the system call costs as much as the call.
///
/// Only while the channel holds nothing back itself, and only on its loop.
struct SocketWriter {
  private let channel: any Channel
  private let descriptor: NIOBSDSocket.Handle

  /// Nil for channels without a socket.
  init?(_ context: ChannelHandlerContext) throws {
    let descriptor = try context.pipeline.syncOperations
      .withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
    guard let descriptor else { return nil }
    channel = context.channel
    self.descriptor = descriptor
  }

  /// How many of the bytes the socket took. The rest is the channel's, which meets the socket's error
  /// itself if there is one.
  func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    // Once the channel is closed, its descriptor's number may be somebody else's.
    guard channel.isActive else { return 0 }
    while true {
      let count = send(
        descriptor,
        bytes.baseAddress,
        bytes.count,
        CInt(MSG_NOSIGNAL | MSG_DONTWAIT)
      )
      if count >= 0 { return count }
      guard errno == EINTR else { return 0 }
    }
  }
}
