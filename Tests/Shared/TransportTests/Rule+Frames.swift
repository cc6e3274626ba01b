import RawHTTP2

extension Rule {
  /// Each type of frame (RFC 9113 section 6).
  static let frames: [Rule] = [
    Rule("6.1: DATA on stream 0", .connectionError(protocolError), .data(0, [1])),
    Rule(
      "6.1: padding as long as the payload",
      .connectionError(protocolError),
      .headers(1),
      .data(1, [4, 0, 0, 0], flags: RawFrame.padded)
    ),
    Rule("6.2: HEADERS on stream 0", .connectionError(protocolError), .headers(0)),
    Rule(
      "6.2: HEADERS with padding as long as the payload",
      .connectionError(protocolError),
      .headers(1, [200] + RawFrame.request(), flags: RawFrame.endHeaders | RawFrame.padded)
    ),
    Rule("6.3: PRIORITY on stream 0", .connectionError(protocolError), .priority(0)),
    Rule(
      "6.3: PRIORITY of a wrong length",
      .connectionError(frameSize),
      RawFrame(2, stream: 1, [0, 0, 0, 0])
    ),
    Rule("6.4: RST_STREAM on stream 0", .connectionError(protocolError), .reset(0)),
    Rule(
      "6.4: RST_STREAM of a wrong length",
      .connectionError(frameSize),
      .headers(1),
      RawFrame(3, stream: 1, [0, 0, 0])
    ),
    Rule(
      "6.5: SETTINGS on a stream",
      .connectionError(protocolError),
      RawFrame(4, stream: 1, [0, 3, 0, 0, 0, 100])
    ),
    Rule("6.5: SETTINGS of a wrong length", .connectionError(frameSize), RawFrame(4, [0, 3, 0])),
    Rule(
      "6.5: an acknowledgement with values",
      .connectionError(frameSize),
      RawFrame(4, flags: 1, [0, 3, 0, 0, 0, 100])
    ),
    Rule("6.5.2: ENABLE_PUSH 2", .connectionError(protocolError), .settings([(2, 2)])),
    Rule(
      "6.5.2: INITIAL_WINDOW_SIZE above 2^31-1",
      .connectionError(flowControl),
      .settings([(4, 0x8000_0000)])
    ),
    Rule(
      "6.5.2: MAX_FRAME_SIZE below 2^14",
      .connectionError(protocolError),
      .settings([(5, 16_383)])
    ),
    Rule(
      "6.5.2: MAX_FRAME_SIZE above 2^24-1",
      .connectionError(protocolError),
      .settings([(5, 16_777_216)])
    ),
    Rule("6.5.2: unknown settings are ignored", .ignored, .settings([(0xabc, 7)])),
    Rule(
      "6.6: PUSH_PROMISE of a client",
      .connectionError(protocolError),
      .headers(1),
      RawFrame(5, flags: RawFrame.endHeaders, stream: 1, [0, 0, 0, 2])
    ),
    Rule(
      "6.7: PING on a stream",
      .connectionError(protocolError),
      RawFrame(6, stream: 1, [0, 0, 0, 0, 0, 0, 0, 0])
    ),
    Rule(
      "6.7: PING of a wrong length",
      .connectionError(frameSize),
      RawFrame(6, [0, 0, 0, 0, 0, 0])
    ),
    Rule(
      "6.8: GOAWAY on a stream",
      .connectionError(protocolError),
      RawFrame(7, stream: 1, [0, 0, 0, 0, 0, 0, 0, 0])
    ),
    Rule(
      "6.9: WINDOW_UPDATE of 0 on the connection",
      .connectionError(protocolError),
      .windowUpdate(0, 0)
    ),
    Rule(
      "6.9: WINDOW_UPDATE of 0 on a stream",
      .connectionError(protocolError),
      .headers(1),
      .windowUpdate(1, 0)
    ),
    Rule(
      "6.9: WINDOW_UPDATE of a wrong length",
      .connectionError(frameSize),
      RawFrame(8, [0, 0, 1])
    ),
    Rule(
      "6.9.1: the connection's window above 2^31-1",
      .connectionError(flowControl),
      .windowUpdate(0, 0x7fff_ffff),
      .windowUpdate(0, 0x7fff_ffff)
    ),
    Rule(
      "6.9.1: a stream's window above 2^31-1",
      .connectionError(flowControl),
      .headers(1),
      .windowUpdate(1, 0x7fff_ffff),
      .windowUpdate(1, 0x7fff_ffff)
    ),
    Rule(
      "6.9.2: settings that take a stream's window above 2^31-1",
      .connectionError(flowControl),
      .headers(1),
      .windowUpdate(1, 0x7fff_0000),
      .settings([(4, 0x7fff_ffff)])
    ),
    Rule(
      "6.10: CONTINUATION after END_HEADERS",
      .connectionError(protocolError),
      .headers(1),
      .continuation(1, flags: RawFrame.endHeaders)
    ),
    Rule(
      "6.10: CONTINUATION on stream 0",
      .connectionError(protocolError),
      .headers(1, flags: 0),
      .continuation(0, flags: RawFrame.endHeaders)
    ),
    Rule(
      "6.10: CONTINUATION on another stream",
      .connectionError(protocolError),
      .headers(1, flags: 0),
      .continuation(3, flags: RawFrame.endHeaders)
    ),
  ]
}
