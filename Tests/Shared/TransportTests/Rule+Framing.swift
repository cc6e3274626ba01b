import RawHTTP2

extension Rule {
  /// Frames and field blocks (RFC 9113 section 4; RFC 7541).
  static let framing: [Rule] = [
    Rule("4.1: a frame of an unknown type is ignored", .ignored, RawFrame(0x16, flags: 0xff, [1])),
    Rule(
      "4.1: unknown flags are ignored",
      .ignored,
      RawFrame(6, flags: 0x16, [0, 0, 0, 0, 0, 0, 0, 0])
    ),
    Rule("4.1: the reserved bit is ignored", .ignored, .priority(0x8000_0001)),
    Rule(
      "4.2: a frame longer than SETTINGS_MAX_FRAME_SIZE",
      .connectionError(frameSize),
      .headers(1),
      .data(1, [UInt8](repeating: 0, count: 16_385))
    ),
    Rule(
      "4.2: HEADERS longer than SETTINGS_MAX_FRAME_SIZE",
      .connectionError(frameSize),
      .headers(1, [UInt8](repeating: 0x82, count: 16_385))
    ),
    Rule(
      "4.3: a field block that can't be decoded",
      .connectionError(compression),
      .headers(1, [0xff])
    ),
    Rule("4.3: an index of nothing", .connectionError(compression), .headers(1, [0xfe])),
    Rule("RFC 7541 2.3.3: index 0", .connectionError(compression), .headers(1, [0x80])),
    Rule(
      "RFC 7541 4.2: a table size above the limit",
      .connectionError(compression),
      .headers(1, [0x3f, 0xff, 0xff, 0x03] + RawFrame.request())
    ),
    Rule(
      "RFC 7541 4.2: a table size in the midst of a block",
      .connectionError(compression),
      .headers(1, RawFrame.request() + [0x20])
    ),
    Rule(
      "RFC 7541 5.2: Huffman padding longer than 7 bits",
      .connectionError(compression),
      .headers(1, RawFrame.request() + [0, 0x81, 0xff, 1, 0x61])
    ),
    Rule(
      "4.3: another frame within a field block",
      .connectionError(protocolError),
      .headers(1, flags: 0),
      .ping(),
      .continuation(1, flags: RawFrame.endHeaders)
    ),
    Rule(
      "4.3: a frame of another stream within a field block",
      .connectionError(protocolError),
      .headers(1, flags: 0),
      .headers(3)
    ),
  ]
}
