internal import HTTP2
internal import NIOCore

/// Where all that a write to a stream touches lies in memory, to be fetched into the processor's cache
/// while the streams before it are written.
package struct StreamLocation: Sendable {
  /// How many streams before its own turn: the time of that many writes is what memory takes.
  package static let distance = 4

  private let lines: InlineArray<8, CacheLines>

  init(_ stream: CallStream) {
    let (connection, session) = (stream.connection, stream.connection.session)
    let (own, library) = session.cacheLines
    let (body, libraryStream) = session.cacheLines(of: stream.id)
    let context = connection.context
    lines = [
      CacheLines(of: stream), CacheLines(of: connection), own, library, body, libraryStream,
      context.map { CacheLines(of: $0) } ?? CacheLines(),
      context.map { CacheLines(of: $0.channel) } ?? CacheLines(),
    ]
  }

  /// Asks for it; waits for nothing. A stream that is gone is no matter.
  package func prefetch() {
    for index in lines.indices { lines[index].prefetch() }
  }
}
