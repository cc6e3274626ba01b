internal import GRPCCore
package import NIOCore

/// The bytes of one message: a reference-counted buffer, so that a message encoded once is written
/// to every stream without a copy.
package struct TransportBytes: GRPCContiguousBytes, Hashable, Sendable {
  package var buffer: ByteBuffer

  package init(_ buffer: ByteBuffer) {
    self.buffer = buffer
  }

  package init(repeating byte: UInt8, count: Int) {
    buffer = ByteBuffer(repeating: byte, count: count)
  }

  package init<Source: Sequence>(_ sequence: Source) where Source.Element == UInt8 {
    buffer = ByteBuffer(bytes: sequence)
  }

  package var count: Int { buffer.readableBytes }

  package func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try buffer.withUnsafeReadableBytes(body)
  }

  package mutating func withUnsafeMutableBytes<R>(
    _ body: (UnsafeMutableRawBufferPointer) throws -> R
  ) rethrows -> R {
    try buffer.withUnsafeMutableReadableBytes(body)
  }
}
