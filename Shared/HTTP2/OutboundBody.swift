internal import DequeModule
internal import NIOCore

/// A few bytes that go before a chunk, without a buffer of their own: gRPC's message prefix.
package struct BodyPrefix: Hashable, Sendable {
  package static let length = 5
  /// gRPC's "Compressed-Flag" and "Message-Length".
  package var flag: UInt8
  package var messageLength: UInt32

  package init(flag: UInt8 = 0, messageLength: UInt32) {
    self.flag = flag
    self.messageLength = messageLength
  }

  /// The byte at a place from 0 to 4.
  subscript(index: Int) -> UInt8 {
    index == 0 ? flag : UInt8(truncatingIfNeeded: messageLength >> UInt32(8 * (4 - index)))
  }
}

/// What a stream still has to send: chunks, then perhaps trailers, then its end.
///
/// Chunks share their storage with whoever enqueued them; the only copy is into libnghttp2's frame.
final class OutboundBody {
  private struct Chunk {
    var prefix: BodyPrefix?
    var prefixSent = 0
    var bytes: ByteBuffer

    var isSent: Bool { prefix == nil && bytes.readableBytes == 0 }

    mutating func read(into target: UnsafeMutableRawBufferPointer) -> Int {
      var written = 0
      if let prefix {
        while prefixSent < BodyPrefix.length, written < target.count {
          target[written] = prefix[prefixSent]
          prefixSent += 1
          written += 1
        }
        guard prefixSent == BodyPrefix.length else { return written }
        self.prefix = nil
      }
      let length = min(bytes.readableBytes, target.count - written)
      guard length > 0 else { return written }
      bytes.readWithUnsafeReadableBytes { source in
        UnsafeMutableRawBufferPointer(rebasing: target[written...])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: source.prefix(length)))
        return length
      }
      return written + length
    }
  }

  /// Mostly there is one chunk, and the queue behind it costs nothing.
  private var first: Chunk?
  private var rest: Deque<Chunk> = []
  private(set) var queuedBytes = 0
  private(set) var isFinished = false
  private(set) var trailers: [HeaderField]?
  /// libnghttp2 was told that there is nothing to send now and must be woken.
  var isDeferred = false
  /// A writer waits for room.
  var isAboveHighWater = false

  func append(_ bytes: ByteBuffer, prefix: BodyPrefix?) {
    let chunk = Chunk(prefix: prefix, bytes: bytes)
    guard !chunk.isSent else { return }
    queuedBytes += bytes.readableBytes + (prefix == nil ? 0 : BodyPrefix.length)
    if first == nil { first = chunk } else { rest.append(chunk) }
  }

  func finish(trailers: [HeaderField]?) {
    isFinished = true
    self.trailers = trailers
  }

  var isExhausted: Bool { isFinished && queuedBytes == 0 }

  /// Moves as much as fits into `target`; returns how much that was.
  func read(into target: UnsafeMutableRawBufferPointer) -> Int {
    var written = 0
    while written < target.count {
      guard
        let count = first?.read(into: UnsafeMutableRawBufferPointer(rebasing: target[written...]))
      else { break }
      written += count
      if first?.isSent == true { first = rest.popFirst() }
    }
    queuedBytes -= written
    return written
  }
}
