/// Something that one side said, as the table `messages` must show it.
package struct Utterance: Hashable, Sendable, CustomStringConvertible {
  package var tenant: String
  /// "whatsapp" or "web".
  package var channel: String
  package var inbound: Bool
  package var body: String

  package init(tenant: String, channel: String, inbound: Bool, body: String) {
    self.tenant = tenant
    self.channel = channel
    self.inbound = inbound
    self.body = body
  }

  package var description: String {
    "\(tenant)/\(channel) \(inbound ? "<-" : "->") \"\(body)\""
  }
}

/// Everything said, each as often as it was said.
package struct Transcript: Sendable, Equatable {
  package private(set) var counts: [Utterance: Int] = [:]

  package init() {}

  package init(_ utterances: some Sequence<Utterance>) {
    for utterance in utterances { add(utterance) }
  }

  package var count: Int { counts.values.reduce(0, +) }

  package mutating func add(_ utterance: Utterance) {
    counts[utterance, default: 0] += 1
  }

  package mutating func add(contentsOf other: Transcript) {
    counts.merge(other.counts, uniquingKeysWith: +)
  }

  /// Lines that say how `stored` differs from this; none when it agrees.
  package func differences(from stored: Transcript) -> [String] {
    var lines: [String] = []
    for utterance in Set(counts.keys).union(stored.counts.keys) {
      let said = counts[utterance, default: 0]
      let kept = stored.counts[utterance, default: 0]
      if said != kept { lines.append("said \(said) times, stored \(kept) times: \(utterance)") }
    }
    return lines.sorted()
  }
}
