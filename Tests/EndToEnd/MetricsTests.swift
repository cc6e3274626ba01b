import Scenario
import Testing

@Suite(
  .stack(base: 8100) { stack in
    try await stack.startControl()
    try await stack.startNode(0)
  }
) struct `What the daemons tell an operator` {
  private let stack: Stack

  init() throws { stack = try Stack.ofSuite() }

  @Test func `both daemons show their transport to Prometheus`() async throws {
    for url in [stack.edges[0], "http://127.0.0.1:\(stack.ports.http)"] {
      // The node's watch is a call on one connection, of which it is one end and the control plane
      // the other.
      try await waitUntil("a connection and its calls are counted at \(url)", within: .seconds(20))
      {
        let samples = try await samples(at: url)
        return (samples["bindery_transport_connections"] ?? 0) >= 1
          && (samples["bindery_transport_streams"] ?? 0) >= 1
          && (samples["bindery_transport_received_bytes_total"] ?? 0) > 0
          && (samples["bindery_transport_sent_bytes_total"] ?? 0) > 0
          && samples[#"bindery_transport_floods_total{kind="resets"}"#] == 0
      }
    }
  }

  /// Also looks whether each metric is described before its samples, once.
  private func samples(at url: String) async throws -> [String: Int] {
    let answer = try await httpCall("GET", "\(url)/metrics")
    try require(answer.status == 200, "/metrics answers \(answer.status)")
    var samples: [String: Int] = [:]
    var described: Set<Substring> = []
    for line in answer.text.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 3)
      if line.hasPrefix("# TYPE ") {
        #expect(described.insert(words[2]).inserted, "\(line)")
      } else if !line.hasPrefix("#"), words.count == 2 {
        let name = words[0].prefix { $0 != "{" }
        #expect(described.contains(name), "\(line)")
        samples[String(words[0])] = Int(words[1])
      }
    }
    return samples
  }
}
