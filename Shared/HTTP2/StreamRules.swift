/// The rules for stream identifiers and ended streams that libnghttp2 is lenient about, on a server.
///
/// A frame on a stream that *we* reset may have been under way and is no fault (RFC 9113 section
/// 5.4.2). So only what is known of the peer counts: which identifiers it skipped, which streams it
/// ended itself. Both memories are bounded; what has fallen out of them is ignored by libnghttp2.
package struct StreamRules: Hashable, Sendable {
  private static let maxGaps = 32
  /// A power of two.
  private static let maxEnded = 64

  private(set) var last: Int32 = 0
  /// Identifiers that became closed without use (section 5.1.1).
  private var gaps: [ClosedRange<Int32>] = []
  /// The last ended stream for each place; a stream's place is its number among the client's streams,
  /// modulo `maxEnded`. Empty until a stream ends.
  private var ended: [Int32] = []

  package enum Verdict: Hashable, Sendable {
    /// A new stream.
    case new
    /// A stream that was opened before, or whose state is not remembered.
    case old
    /// Section 5.1.1: identifiers of new streams grow.
    case skipped
    /// Section 5.1: the peer had ended this stream.
    case ended
  }

  package init() {}

  /// HEADERS of a client on `stream`.
  package mutating func headers(on stream: Int32) -> Verdict {
    if stream > last {
      if stream > last + 2 {
        if gaps.count == Self.maxGaps { gaps.removeFirst() }
        gaps.append(last + 1 ... stream - 1)
      }
      last = stream
      return .new
    }
    return check(stream)
  }

  /// DATA on `stream`.
  package func data(on stream: Int32) -> Verdict {
    check(stream)
  }

  private func check(_ stream: Int32) -> Verdict {
    if !ended.isEmpty, ended[Self.place(of: stream)] == stream { return .ended }
    if !gaps.isEmpty, gaps.contains(where: { $0.contains(stream) }) { return .skipped }
    return .old
  }

  /// The peer ended its side of the stream (END_STREAM), or all of it (RST_STREAM).
  package mutating func ended(_ stream: Int32) {
    if ended.isEmpty { ended = Array(repeating: 0, count: Self.maxEnded) }
    ended[Self.place(of: stream)] = stream
  }

  private static func place(of stream: Int32) -> Int {
    Int(stream >> 1) & (maxEnded - 1)
  }
}
