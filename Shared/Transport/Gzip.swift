internal import CZlib
package import NIOCore

/// gzip (RFC 1952) of whole messages, as gRPC's "gzip" encoding has them: one member, nothing after.
package enum Gzip {
  /// Why bytes are no message in gzip.
  package enum Failure: Error, Hashable {
    /// There is more than the limit; at most that much was made.
    case tooLong
    /// No gzip, cut off, of wrong checksum, or with something behind its end.
    case malformed
    /// zlib has no memory.
    case library
  }

  /// Most bytes that `count` bytes take when they can't be made smaller: zlib's `compressBound` with
  /// gzip's frame.
  package static func bound(_ count: Int) -> Int {
    count + (count >> 12) + (count >> 14) + (count >> 25) + 31
  }

  /// The bytes in gzip, or nil when they would not become fewer.
  ///
  /// - Throws: `Failure.library`.
  package static func compressed(_ input: ByteBuffer) throws(Failure) -> ByteBuffer? {
    guard input.readableBytes > 1 else { return nil }
    let capacity = input.readableBytes - 1
    var output = ByteBufferAllocator().buffer(capacity: capacity)
    let outcome = withStream(input) { stream in
      guard
        deflateInit2_(
          stream,
          Z_DEFAULT_COMPRESSION,
          Z_DEFLATED,
          frame,
          memoryLevel,
          Z_DEFAULT_STRATEGY,
          ZLIB_VERSION,
          Int32(MemoryLayout<z_stream>.size)
        ) == Z_OK
      else { return Z_MEM_ERROR }
      defer { deflateEnd(stream) }
      var code = Z_OK
      output.writeWithUnsafeMutableBytes(minimumWritableBytes: capacity) { space in
        write(stream, into: space, atMost: capacity) { code = deflate($0, Z_FINISH) }
      }
      return code
    }
    switch outcome {
    case Z_STREAM_END: return output
    case Z_OK, Z_BUF_ERROR: return nil
    default: throw .library
    }
  }

  /// The message in `input`. Makes `limit` bytes at most, however many there are.
  package static func decompressed(
    _ input: ByteBuffer,
    limit: Int
  ) throws(Failure) -> ByteBuffer {
    var output = ByteBufferAllocator().buffer(capacity: 0)
    let failure: Failure? = withStream(input) { stream in
      let made = inflateInit2_(stream, frame, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
      guard made == Z_OK else { return .library }
      defer { inflateEnd(stream) }
      var step = min(max(4 * input.readableBytes, 1024), limit)
      while true {
        // With no room left, what needs none is still read: the end and the checksum.
        let room = min(step, limit - output.readableBytes)
        var code = Z_OK
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: max(room, 1)) { space in
          write(stream, into: space, atMost: room) { code = inflate($0, Z_NO_FLUSH) }
        }
        switch code {
        case Z_STREAM_END: return stream.pointee.avail_in == 0 ? nil : .malformed
        case Z_OK where stream.pointee.avail_out == 0: step = min(2 * step, 1024 * 1024)
        case Z_OK, Z_BUF_ERROR:
          // It takes no more: for want of room, or of bytes.
          return stream.pointee.avail_out == 0 && stream.pointee.avail_in > 0
            ? .tooLong : .malformed
        case Z_MEM_ERROR: return .library
        default: return .malformed
        }
      }
    }
    if let failure { throw failure }
    return output
  }

  /// A window of 32 KiB (15), in gzip's frame and no other (16).
  private static let frame: Int32 = 15 + 16
  /// zlib's default (`DEF_MEM_LEVEL`).
  private static let memoryLevel: Int32 = 8

  /// zlib keeps the address of a stream, so that one pointer has to last.
  private static func withStream<R>(
    _ input: ByteBuffer,
    _ body: (UnsafeMutablePointer<z_stream>) -> R
  ) -> R {
    input.withUnsafeReadableBytes { bytes in
      var stream = z_stream()
      stream.next_in = UnsafeMutablePointer(
        mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      )
      stream.avail_in = UInt32(clamping: bytes.count)
      return withUnsafeMutablePointer(to: &stream, body)
    }
  }

  /// Runs a step of zlib; returns how many bytes it made.
  private static func write(
    _ stream: UnsafeMutablePointer<z_stream>,
    into space: UnsafeMutableRawBufferPointer,
    atMost room: Int,
    _ step: (UnsafeMutablePointer<z_stream>) -> Void
  ) -> Int {
    stream.pointee.next_out = space.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(clamping: room)
    step(stream)
    return room - Int(stream.pointee.avail_out)
  }
}
