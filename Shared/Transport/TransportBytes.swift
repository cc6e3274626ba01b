internal import GRPCCore
package import NIOCore

/// The bytes of one message: a reference-counted buffer, so that a message encoded once is written
/// to every stream without a copy.
package struct TransportBytes: GRPCContiguousBytes, Hashable, Sendable {
  package var buffer: ByteBuffer
  /// Received: it came compressed. Sent: it is compressed when its call is.
  var isCompressed: Bool

  package init(_ buffer: ByteBuffer) {
    self.buffer = buffer
    isCompressed = true
  }

  init(_ buffer: ByteBuffer, isCompressed: Bool) {
    self.buffer = buffer
    self.isCompressed = isCompressed
  }

  package init(repeating byte: UInt8, count: Int) {
    self.init(ByteBuffer(repeating: byte, count: count))
  }

  package init<Source: Sequence>(_ sequence: Source) where Source.Element == UInt8 {
    self.init(ByteBuffer(bytes: sequence))
  }

  package static func == (one: Self, other: Self) -> Bool { one.buffer == other.buffer }

  package func hash(into hasher: inout Hasher) { buffer.hash(into: &hasher) }

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
