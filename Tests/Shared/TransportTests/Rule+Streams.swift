import RawHTTP2

extension Rule {
  /// States and identifiers of streams (RFC 9113 section 5.1).
  static let streams: [Rule] = [
    Rule("5.1: DATA on an idle stream", .connectionError(protocolError), .data(1, [1])),
    Rule("5.1: RST_STREAM on an idle stream", .connectionError(protocolError), .reset(1)),
    Rule(
      "5.1: WINDOW_UPDATE on an idle stream",
      .connectionError(protocolError),
      .windowUpdate(1, 1)
    ),
    Rule(
      "5.1: CONTINUATION on an idle stream",
      .connectionError(protocolError),
      .continuation(1, flags: RawFrame.endHeaders)
    ),
    Rule("5.1: PRIORITY on an idle stream is taken", .ignored, .priority(9)),
    Rule(
      "5.1: DATA after END_STREAM",
      .connectionError(streamClosed),
      .headers(1, hang, flags: end),
      .data(1, [1])
    ),
    Rule(
      "5.1: HEADERS after END_STREAM",
      .connectionError(streamClosed),
      .headers(1, hang, flags: end),
      .headers(1, flags: end)
    ),
    Rule(
      "5.1: DATA after END_STREAM of DATA",
      .connectionError(streamClosed),
      .headers(1, hang),
      .data(1, flags: RawFrame.endStream),
      .data(1, [1])
    ),
    Rule(
      "5.1: WINDOW_UPDATE and RST_STREAM after END_STREAM are taken",
      .ignored,
      .headers(1, hang, flags: end),
      .windowUpdate(1, 1),
      .reset(1)
    ),
    Rule(
      "5.1: DATA after RST_STREAM",
      .connectionError(streamClosed),
      .headers(1),
      .reset(1),
      .data(1, [1])
    ),
    Rule(
      "5.1: HEADERS after RST_STREAM",
      .connectionError(streamClosed),
      .headers(1),
      .reset(1),
      .headers(1, flags: end)
    ),
    Rule(
      "5.1: WINDOW_UPDATE, PRIORITY and RST_STREAM after RST_STREAM are taken",
      .ignored,
      .headers(1),
      .reset(1),
      .windowUpdate(1, 1),
      .priority(1),
      .reset(1)
    ),
    Rule("5.1.1: HEADERS on an even stream", .connectionError(protocolError), .headers(2)),
    Rule(
      "5.1.1: a new stream below one that was opened",
      .connectionError(protocolError),
      .headers(5),
      .headers(3)
    ),
    Rule(
      "5.1.1: DATA on a stream that was skipped",
      .connectionError(protocolError),
      .headers(5),
      .data(3, [1])
    ),
  ]
}
