internal import CNGHTTP2

/// Where an object lies in memory, to have it in the processor's cache ahead of its use.
///
/// A fan-out goes from connection to connection, and each is far from the last: most of what it costs
/// beside the system call is waiting for memory. An address is only a hint here: the object may be gone.
package struct CacheLines: Hashable, Sendable {
  /// Longer objects are rarely used whole, and a core waits for about a dozen lines at a time.
  private static let most = 8

  private let address: UInt
  private let count: Int32

  /// Of nothing.
  package init() {
    address = 0
    count = 0
  }

  package init(of object: AnyObject) {
    self.init(Unmanaged.passUnretained(object).toOpaque())
  }

  /// - Parameter block: Of malloc.
  init(_ block: UnsafeMutableRawPointer) {
    address = UInt(bitPattern: block)
    count = Int32(min((bindery_block_size(block) + 63) / 64, Self.most))
  }

  /// Asks the processor for them; waits for nothing.
  package func prefetch() {
    bindery_prefetch(UnsafeRawPointer(bitPattern: address), count)
  }
}

extension HTTP2Session {
  /// Of the session's own part, and of libnghttp2's.
  package var cacheLines: (CacheLines, CacheLines) {
    (CacheLines(of: self), CacheLines(UnsafeMutableRawPointer(raw)))
  }

  /// Of what a stream has to send, and of libnghttp2's part of it.
  package func cacheLines(of stream: Int32) -> (CacheLines, CacheLines) {
    (
      body(of: stream).map { CacheLines(of: $0) } ?? CacheLines(),
      nghttp2_session_find_stream(raw, stream).map { CacheLines(UnsafeMutableRawPointer($0)) }
        ?? CacheLines()
    )
  }
}
