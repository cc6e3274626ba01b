import RawHTTP2

extension Rule {
  /// Requests as HTTP sees them (RFC 9113 section 8).
  static let requests: [Rule] = [
    Rule(
      "8.1: a second HEADERS without END_STREAM",
      .streamError(protocolError),
      .headers(1),
      .headers(1, RawFrame.field("x", "y"))
    ),
    Rule("8.2: a name in upper case", .streamError(protocolError), extra("X-A", "1")),
    Rule("8.2.1: a name with a space", .streamError(protocolError), extra("x a", "1")),
    Rule("8.2.1: a value with a line break", .streamError(protocolError), extra("x", "a\r\nb: c")),
    Rule("8.2.2: connection", .streamError(protocolError), extra("connection", "keep-alive")),
    Rule(
      "8.2.2: transfer-encoding",
      .streamError(protocolError),
      extra("transfer-encoding", "chunked")
    ),
    Rule("8.2.2: te other than trailers", .streamError(protocolError), extra("te", "gzip")),
    Rule("8.3: an unknown pseudo-header", .streamError(protocolError), extra(":x", "1")),
    Rule("8.3: a response's pseudo-header", .streamError(protocolError), extra(":status", "200")),
    Rule(
      "8.3: a pseudo-header after others",
      .streamError(protocolError),
      extra(":method", "POST")
    ),
    Rule(
      "8.3: a pseudo-header in trailers",
      .streamError(protocolError),
      .headers(1),
      .headers(1, RawFrame.field(":path", "/"), flags: end)
    ),
    Rule("8.3.1: no method", .streamError(protocolError), .headers(1, get, flags: end)),
    Rule(
      "8.3.1: no path",
      .streamError(protocolError),
      .headers(
        1,
        RawFrame.field(":method", "POST") + RawFrame.field(":scheme", "http"),
        flags: end
      )
    ),
    Rule(
      "8.3.1: an empty path",
      .streamError(protocolError),
      .headers(
        1,
        RawFrame.field(":method", "POST") + RawFrame.field(":scheme", "http")
          + RawFrame.field(":path", ""),
        flags: end
      )
    ),
    Rule(
      "8.3.1: the method twice",
      .streamError(protocolError),
      .headers(
        1,
        RawFrame.field(":method", "POST") + RawFrame.field(":method", "POST") + get,
        flags: end
      )
    ),
    Rule(
      "8.1.1: content-length other than DATA's",
      .streamError(protocolError),
      .headers(1, RawFrame.request(adding: [("content-length", "9")])),
      .data(1, [0, 0, 0, 0, 0], flags: RawFrame.endStream)
    ),
  ]
}
