internal import CNGHTTP2

/// A connection that can't go on, or a request that could not be made.
package struct HTTP2Failure: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// The peer broke the protocol; the connection is to be closed after what is left to send.
    case protocolViolation
    /// The peer kept to the protocol and asked too much; as for `protocolViolation`.
    case abuse(AbuseCause)
    /// This connection takes no more streams: their ids are used up or a GOAWAY stands against it.
    case noMoreStreams
    /// libnghttp2 could not do it (out of memory, wrong state).
    case library
  }

  package let code: Code
  package let message: String
  /// For the GOAWAY that tells the peer.
  package let errorCode: UInt32

  init(_ code: Code, _ message: String, errorCode: UInt32 = HTTP2ErrorCode.protocolError) {
    self.code = code
    self.message = message
    self.errorCode = errorCode
  }

  /// From an error code of libnghttp2 (`nghttp2_error`).
  init(nghttp2 code: Int32, doing action: String) {
    // Acknowledgements wait faster than they are sent: libnghttp2's own measure of a flood.
    if nghttp2_error(code) == NGHTTP2_ERR_FLOODED {
      self.init(abuse: .uselessFrames)
      return
    }
    let text = nghttp2_strerror(code).map { String(cString: $0) } ?? "error \(code)"
    let kind: Code =
      switch nghttp2_error(code) {
      case NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE, NGHTTP2_ERR_START_STREAM_NOT_ALLOWED: .noMoreStreams
      case NGHTTP2_ERR_PROTO, NGHTTP2_ERR_BAD_CLIENT_MAGIC, NGHTTP2_ERR_HEADER_COMP,
        NGHTTP2_ERR_FLOW_CONTROL, NGHTTP2_ERR_SESSION_CLOSING:
        .protocolViolation
      default: .library
      }
    self.init(kind, "\(action): \(text)")
  }

  package var description: String { "HTTP/2: \(message)" }
}

/// Error codes of RST_STREAM and GOAWAY (RFC 9113 section 7).
package enum HTTP2ErrorCode {
  package static let noError: UInt32 = 0x0
  package static let protocolError: UInt32 = 0x1
  package static let internalError: UInt32 = 0x2
  package static let flowControlError: UInt32 = 0x3
  package static let streamClosed: UInt32 = 0x5
  package static let refusedStream: UInt32 = 0x7
  package static let cancel: UInt32 = 0x8
  package static let enhanceYourCalm: UInt32 = 0xb
  package static let inadequateSecurity: UInt32 = 0xc
  /// HTTP_1_1_REQUIRED.
  package static let lastKnown: UInt32 = 0xd

  /// From 0 to `lastKnown`.
  package static let names = [
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT",
    "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR",
    "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
  ]
}
