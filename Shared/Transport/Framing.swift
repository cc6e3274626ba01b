internal import GRPCCore
internal import NIOCore

/// Cuts gRPC's length-prefixed messages out of DATA ("Length-Prefixed-Message" in gRPC's
/// doc/PROTOCOL-HTTP2.md): a compressed flag, a 32-bit length, the message.
struct MessageDecoder {
  let maxMessageBytes: Int
  /// Messages flagged compressed are taken, as gzip.
  var isGzip = false
  private var buffer = ByteBuffer()

  init(maxMessageBytes: Int) {
    self.maxMessageBytes = maxMessageBytes
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    if buffer.readableBytes == 0 { buffer.clear() }
    buffer.writeBytes(bytes)
  }

  /// The next whole message, or nil when more bytes are needed.
  ///
  /// - Throws: `RPCError` `resourceExhausted` for one too long, `internalError` for a compressed one
  ///   when no encoding is agreed, for one that is no gzip, and for a wrong flag.
  mutating func next() throws(RPCError) -> TransportBytes? {
    guard
      let flag = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self),
      let length = buffer.getInteger(at: buffer.readerIndex + 1, as: UInt32.self)
    else { return nil }
    guard flag == 0 || (flag == 1 && isGzip) else {
      throw RPCError(
        code: .internalError,
        message: flag == 1
          ? "a message is flagged compressed and no encoding was agreed"
          : "a message starts with flag \(flag)"
      )
    }
    guard length <= (flag == 0 ? maxMessageBytes : Gzip.bound(maxMessageBytes)) else {
      throw RPCError(
        code: .resourceExhausted,
        message: "a message has \(length) bytes; at most \(maxMessageBytes) are taken"
      )
    }
    guard buffer.readableBytes >= 5 + Int(length) else { return nil }
    buffer.moveReaderIndex(forwardBy: 5)
    guard let bytes = buffer.readSlice(length: Int(length)) else { return nil }
    return flag == 0
      ? TransportBytes(bytes, isCompressed: false)
      : TransportBytes(try decompress(bytes), isCompressed: true)
  }

  private func decompress(_ bytes: ByteBuffer) throws(RPCError) -> ByteBuffer {
    do throws(Gzip.Failure) {
      return try Gzip.decompressed(bytes, limit: maxMessageBytes)
    } catch {
      throw switch error {
      case .tooLong:
        RPCError(
          code: .resourceExhausted,
          message: "a message has more than \(maxMessageBytes) bytes when decompressed"
        )
      case .malformed: RPCError(code: .internalError, message: "a compressed message is no gzip")
      case .library:
        RPCError(code: .resourceExhausted, message: "no memory to decompress a message")
      }
    }
  }

  /// Bytes of a message that has not come whole.
  var isInsideMessage: Bool { buffer.readableBytes > 0 }
}
