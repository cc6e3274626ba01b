/// Learns what the peer did. Called inside `HTTP2Session.receive` and `HTTP2Session.pull`: it may
/// call the session's sending methods, but neither of those two.
package protocol HTTP2SessionDelegate: AnyObject {
  /// A complete header block: a request, a response (or a 1xx before it), or trailers.
  func received(headers: [HeaderField], on stream: Int32, endStream: Bool)
  /// Bytes of DATA, valid during the call. They stay unconsumed until `HTTP2Session.consume`.
  func received(data: UnsafeRawBufferPointer, on stream: Int32)
  /// The peer ended its side with DATA.
  func receivedEnd(of stream: Int32)
  /// Our side of the stream is sent completely.
  func sentEnd(of stream: Int32)
  /// The stream is gone; `errorCode` 0 when both sides ended it.
  func closed(stream: Int32, errorCode: UInt32)
  /// The stream's queue has fallen below the low water mark.
  func drained(stream: Int32)
  /// The peer takes no streams after `lastStream`; `reason` is its debug data, at most 64 bytes of it.
  func receivedGoAway(lastStream: Int32, errorCode: UInt32, reason: [UInt8])
  /// The peer asks for a sign of life; it is answered already.
  func receivedPing()
  /// The peer answered a PING of ours.
  func receivedPingAck()
  /// The peer's first or a later SETTINGS.
  func receivedSettings()
}
