internal import CNGHTTP2

/// A connection that can't go on, or a request that could not be made.
package struct HTTP2Failure: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// The peer broke the protocol; the connection is to be closed after what is left to send.
    case protocolViolation
    /// This connection takes no more streams: their ids are used up or a GOAWAY stands against it.
    case noMoreStreams
    /// libnghttp2 could not do it (out of memory, wrong state).
    case library
  }

  package let code: Code
  package let message: String

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// From an error code of libnghttp2 (`nghttp2_error`).
  init(nghttp2 code: Int32, doing action: String) {
    let text = nghttp2_strerror(code).map { String(cString: $0) } ?? "error \(code)"
    let kind: Code =
      switch nghttp2_error(code) {
      case NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE, NGHTTP2_ERR_START_STREAM_NOT_ALLOWED: .noMoreStreams
      case NGHTTP2_ERR_PROTO, NGHTTP2_ERR_BAD_CLIENT_MAGIC, NGHTTP2_ERR_FLOODED,
        NGHTTP2_ERR_HEADER_COMP, NGHTTP2_ERR_FLOW_CONTROL, NGHTTP2_ERR_SESSION_CLOSING:
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
  package static let refusedStream: UInt32 = 0x7
  package static let cancel: UInt32 = 0x8
  package static let enhanceYourCalm: UInt32 = 0xb
  package static let inadequateSecurity: UInt32 = 0xc
}
