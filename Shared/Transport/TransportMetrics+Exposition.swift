internal import HTTP2

extension TransportMetrics {
  /// For Prometheus (text format 0.0.4); every line ends with a line feed.
  package var exposition: String {
    let values = values
    let traffic = values.traffic
    var text = Exposition()
    text.add("connections", .gauge, "Connections that are open.", values.open)
    text.add("connections_total", .counter, "Connections that were opened.", values.opened)
    text.add(
      "connections_ended_total",
      .counter,
      "Connections that were ended for their idleness, age or silence.",
      by: "cause",
      [("idle", values.idle), ("age", values.aged), ("silent", values.silent)]
    )
    text.add(
      "handshake_failures_total",
      .counter,
      "Connections without a TLS session, or with one on a port without TLS.",
      values.handshakeFailures
    )
    text.add(
      "floods_total",
      .counter,
      "Connections that were ended for asking too much or for keeping us waiting.",
      by: "kind",
      AbuseCause.allCases.map { ($0.rawValue, values.abuse[$0] ?? 0) }
    )
    text.add(
      "protocol_violations_total",
      .counter,
      "Connections that were ended for breaking HTTP/2.",
      traffic.violations
    )
    text.add(
      "streams",
      .gauge,
      "Calls that are open.",
      traffic.callsBegun - traffic.callsOver
    )
    text.add("streams_total", .counter, "Calls that began.", traffic.callsBegun)
    text.add("received_bytes_total", .counter, "HTTP/2 bytes that came.", traffic.bytesIn)
    text.add("sent_bytes_total", .counter, "HTTP/2 bytes that were sent.", traffic.bytesOut)
    text.add(
      "resets_received_total",
      .counter,
      "Streams that peers reset, by HTTP/2 error code.",
      by: "code",
      Self.named(traffic.resetsReceived)
    )
    text.add(
      "resets_sent_total",
      .counter,
      "Streams that were reset here, by HTTP/2 error code.",
      by: "code",
      Self.named(traffic.resetsSent)
    )
    text.add(
      "flow_control_stalls_total",
      .counter,
      "Times that a writer had to wait for its peer.",
      traffic.stalls
    )
    return text.lines
  }

  private static func named(_ resets: [UInt32: Int]) -> [(String, Int)] {
    HTTP2ErrorCode.names.enumerated().map { ($1, resets[UInt32($0)] ?? 0) }
      + [("unknown", resets[HTTP2ErrorCode.lastKnown + 1] ?? 0)]
  }
}

/// Lines of the metrics of the transport.
private struct Exposition {
  enum Kind: String {
    case counter
    case gauge
  }

  var lines = ""

  mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
    head(name, kind, help)
    lines += "\(Self.prefix)\(name) \(value)\n"
  }

  /// One line for each value of a label, also for those that are 0: a rate needs a start.
  mutating func add(
    _ name: String,
    _ kind: Kind,
    _ help: String,
    by label: String,
    _ values: [(String, Int)]
  ) {
    head(name, kind, help)
    for (value, count) in values {
      lines += "\(Self.prefix)\(name){\(label)=\"\(value)\"} \(count)\n"
    }
  }

  private mutating func head(_ name: String, _ kind: Kind, _ help: String) {
    lines += "# HELP \(Self.prefix)\(name) \(help)\n# TYPE \(Self.prefix)\(name) \(kind.rawValue)\n"
  }

  private static let prefix = "bindery_transport_"
}
