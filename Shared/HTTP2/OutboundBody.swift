internal import DequeModule
internal import NIOCore

/// What a stream still has to send: chunks, then perhaps trailers, then its end.
///
/// Chunks share their storage with whoever enqueued them; the only copy is into libnghttp2's frame.
struct OutboundBody {
  private var chunks: Deque<ByteBuffer> = []
  private(set) var queuedBytes = 0
  private(set) var isFinished = false
  private(set) var trailers: [HeaderField]?
  /// libnghttp2 was told that there is nothing to send now and must be woken.
  var isDeferred = false
  /// A writer waits for room.
  var isAboveHighWater = false

  mutating func append(_ chunk: ByteBuffer) {
    guard chunk.readableBytes > 0 else { return }
    queuedBytes += chunk.readableBytes
    chunks.append(chunk)
  }

  mutating func finish(trailers: [HeaderField]?) {
    isFinished = true
    self.trailers = trailers
  }

  var isExhausted: Bool { isFinished && queuedBytes == 0 }

  /// Moves as much as fits into `target`; returns how much that was.
  mutating func read(into target: UnsafeMutableRawBufferPointer) -> Int {
    var written = 0
    while written < target.count, !chunks.isEmpty {
      let length = min(chunks[0].readableBytes, target.count - written)
      chunks[0].readWithUnsafeReadableBytes { source in
        UnsafeMutableRawBufferPointer(rebasing: target[written...])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: source.prefix(length)))
        return length
      }
      written += length
      if chunks[0].readableBytes == 0 { chunks.removeFirst() }
    }
    queuedBytes -= written
    return written
  }
}
