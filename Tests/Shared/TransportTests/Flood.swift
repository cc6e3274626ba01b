import HTTP2
import RawHTTP2
import Testing

/// An attack: frames before it, then the same again and again, with growing stream identifiers.
struct Flood: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let cause: AbuseCause
  var opening: [RawFrame] = []
  let frames: @Sendable (_ round: UInt32) -> [RawFrame]

  init(
    _ name: String,
    _ cause: AbuseCause,
    opening: [RawFrame] = [],
    _ frames: @escaping @Sendable (_ round: UInt32) -> [RawFrame]
  ) {
    testDescription = name
    self.cause = cause
    self.opening = opening
    self.frames = frames
  }

  static let all: [Flood] = [
    Flood("PING", .pings) { _ in [.ping()] },
    Flood("answers to PINGs that nobody sent", .uselessFrames) { _ in [.ping(flags: 1)] },
    Flood("SETTINGS", .uselessFrames) { _ in [.settings([(4, 65_535)])] },
    Flood("PRIORITY", .uselessFrames) { [.priority(2 * $0 + 1)] },
    Flood("frames of an unknown type", .uselessFrames) { _ in [RawFrame(0xbe, [1, 2, 3])] },
    Flood("GOAWAY", .uselessFrames, opening: [.headers(1)]) { _ in [.goAway()] },
    Flood("WINDOW_UPDATE", .uselessFrames) { _ in [.windowUpdate(0, 1)] },
    Flood("WINDOW_UPDATE of streams that are gone", .uselessFrames, opening: [goneStream]) { _ in
      [.windowUpdate(1, 1)]
    },
    Flood("empty DATA", .uselessFrames, opening: [.headers(1)]) { _ in [.data(1)] },
    Flood("DATA of padding only", .uselessFrames, opening: [.headers(1)]) { _ in
      [.data(1, [9] + [UInt8](repeating: 0, count: 9), flags: RawFrame.padded)]
    },
    Flood("rapid reset", .resets) { [.headers(2 * $0 + 1), .reset(2 * $0 + 1)] },
    Flood("streams that the server has to reset", .resets) {
      [
        .headers(2 * $0 + 1, RawFrame.request(adding: [("content-length", "9")])),
        .data(2 * $0 + 1, flags: RawFrame.endStream),
      ]
    },
    Flood("requests that are no HTTP", .resets) {
      [.headers(2 * $0 + 1, RawFrame.field(":method", "POST") + RawFrame.field("A", "b"))]
    },
    Flood("trailers that end nothing", .resets) {
      [.headers(2 * $0 + 1), .headers(2 * $0 + 1, [])]
    },
    Flood("header lists that are too long", .resets) { [.headers(2 * $0 + 1, bomb)] },
    Flood("long header lists", .headerWork) { [.headers(2 * $0 + 1, longList)] },
    Flood("CONTINUATION", .headerBlock, opening: [.headers(1, flags: 0)]) { _ in
      [.continuation(1, RawFrame.field("x", "y"))]
    },
    Flood("empty CONTINUATION", .headerBlock, opening: [.headers(1, flags: 0)]) { _ in
      [.continuation(1)]
    },
    Flood("a header block of long CONTINUATIONs", .headerBlock, opening: [.headers(1, flags: 0)]) {
      _ in [.continuation(1, [UInt8](repeating: 0x82, count: 16_384))]
    },
  ]

  /// A stream that is over at once: no gRPC.
  static let goneStream = RawFrame.headers(
    1,
    RawFrame.field(":method", "GET") + RawFrame.field(":scheme", "http")
      + RawFrame.field(":path", "/") + RawFrame.field(":authority", "x"),
    flags: RawFrame.endHeaders | RawFrame.endStream
  )

  /// An HPACK bomb: 4,000 bytes into the dynamic table, then a thousand references to them, each one
  /// byte (RFC 7541 section 7.3).
  static let bomb =
    RawFrame.request() + [0x40, 1, 0x61, 0x7f, 0xa1, 0x1e] + [UInt8](repeating: 0x62, count: 4_000)
    + [UInt8](repeating: 0xbe, count: 1_000)

  /// 60,000 decoded bytes, just allowed, in 4,100 sent ones.
  static let longList =
    RawFrame.request() + [0x40, 1, 0x61, 0x7f, 0xa1, 0x1e] + [UInt8](repeating: 0x62, count: 4_000)
    + [UInt8](repeating: 0xbe, count: 13)
}
