import RawHTTP2
import Testing

/// A rule of RFC 9113 or RFC 7541: what breaks it, and what a server must do.
struct Rule: Sendable, CustomTestStringConvertible {
  enum Answer: Sendable {
    /// GOAWAY with the code (or, as section 5.4.1 allows, just the end).
    case connectionError(UInt32)
    /// RST_STREAM with the code; the connection goes on. Section 5.4.1 lets a server end the
    /// connection instead, and where libnghttp2 does, `connectionError` stands here.
    case streamError(UInt32)
    /// Nothing: the connection is served on.
    case ignored
  }

  let testDescription: String
  let bytes: [UInt8]
  let answer: Answer

  init(_ name: String, _ answer: Answer, _ frames: RawFrame...) {
    testDescription = name
    bytes = frames.flatMap(\.bytes)
    self.answer = answer
  }

  static let end = RawFrame.endHeaders | RawFrame.endStream
  static let (protocolError, flowControl, streamClosed, frameSize, compression):
    (
      UInt32, UInt32, UInt32, UInt32, UInt32
    ) = (1, 3, 5, 6, 9)
  static let get =
    RawFrame.field(":scheme", "http") + RawFrame.field(":path", "/")
    + RawFrame.field(":authority", "x")

  static let hang = RawFrame.request(path: "/bindery.test.Echo/Hang")

  static func extra(_ name: String, _ value: String) -> RawFrame {
    .headers(1, RawFrame.request(adding: [(name, value)]))
  }

  static let all = framing + streams + frames + requests
}
