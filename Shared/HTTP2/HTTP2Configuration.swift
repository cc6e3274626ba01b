/// Limits that one side of a connection announces and keeps.
package struct HTTP2Configuration: Hashable, Sendable {
  /// Streams that the peer may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS).
  package var maxConcurrentStreams: UInt32 = 1_000
  /// Bytes that the peer may send on a stream before they are consumed
  /// (SETTINGS_INITIAL_WINDOW_SIZE).
  package var streamWindow: Int32 = 256 * 1024
  /// Bytes that the peer may send on the connection before they are taken off the socket.
  package var connectionWindow: Int32 = 4 * 1024 * 1024
  /// Bytes of a decoded header list (SETTINGS_MAX_HEADER_LIST_SIZE; RFC 9113 section 6.5.2).
  package var maxHeaderListSize: UInt32 = 64 * 1024
  /// Above this many queued bytes a stream's writer waits; below `lowWater` it goes on.
  package var highWater: Int = 64 * 1024
  package var lowWater: Int = 32 * 1024

  package var abuse = AbuseLimits()

  package init() {}
}
