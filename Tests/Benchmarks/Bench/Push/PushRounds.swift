internal import Foundation
internal import Scenario

/// One payload to N watchers, each on a connection of its own; the rounds of all peers take turns.
struct PushRounds {
  let place: BenchPlace
  let folder: URL
  let peers: [any PushPeer]
  let rounds: Int
  let bytes: Int

  /// With `count` watchers of every peer, all connected at once.
  func run(_ count: Int) async throws -> String {
    var crowds: [Program] = []
    defer { for crowd in crowds { crowd.signal(SIGTERM) } }
    for peer in peers { crowds.append(try await crowd(of: count, at: peer)) }
    var results = peers.map { _ in PushTimes() }
    let warmUp = max(3, rounds / 10)
    for round in 1 ... (warmUp + rounds) {
      for (index, peer) in peers.enumerated() {
        let start = monotonicNanoseconds()
        try await peer.publish(round: count * 10_000 + round)
        let stored = monotonicNanoseconds()
        let isAcknowledged = try await peer.waitUntilAcknowledged()
        let acknowledged = isAcknowledged ? monotonicNanoseconds() : nil
        let crowd = crowds[index]
        let received = try await waitFor("round \(round) at \(peer.name)", within: .seconds(30)) {
          Self.received(round, in: crowd.output)
        }
        guard round > warmUp else { continue }
        results[index].add(start: start, stored: stored, received, acknowledged)
      }
    }
    return table(count, results)
  }

  private func crowd(of count: Int, at peer: any PushPeer) async throws -> Program {
    try await place.start(
      "bindery-bench",
      [
        "watchers", "--peer", peer.kind.rawValue, "--port", "\(peer.port)", "--count", "\(count)",
        "--bytes", "\(peer.messageBytes)",
      ],
      as: "watchers-\(peer.port)-\(count)",
      in: folder
    )
  }

  /// Times of the first, the middle and the last watcher.
  private static func received(_ round: Int, in output: String) -> [UInt64]? {
    for line in output.split(separator: "\n").reversed() {
      let words = line.split(separator: " ")
      if words.count == 5, words[0] == "round", words[1] == "\(round)" {
        return words.dropFirst(2).compactMap { UInt64($0) }
      }
    }
    return nil
  }

  private func table(_ count: Int, _ results: [PushTimes]) -> String {
    var table = TextTable([
      "\(count) watchers, \(bytes) bytes", "stored", "half have it", "all have it", "p95", "p99",
      "all acknowledged", "of the floor", "of etcd",
    ])
    let floor = peers.firstIndex { $0.kind == .floor }
    let etcd = peers.firstIndex { $0.kind == .etcd }
    for (peer, times) in zip(peers, results) {
      let all = times.all.quantile(0.5)
      table.add([
        peer.name, decimals(times.stored.quantile(0.5)), decimals(times.half.quantile(0.5)),
        decimals(all), decimals(times.all.quantile(0.95)), decimals(times.all.quantile(0.99)),
        times.acknowledged.count == 0 ? "-" : decimals(times.acknowledged.quantile(0.5)),
        floor.map { decimals(all / results[$0].all.quantile(0.5), 2) } ?? "-",
        etcd.map { decimals(all / results[$0].all.quantile(0.5), 2) } ?? "-",
      ])
    }
    return table.text + "\n(ms, median of \(rounds) rounds where nothing else is said)\n"
  }
}

/// Times of all rounds with one peer, from the start of the publish call.
struct PushTimes {
  var stored = Times()
  var half = Times()
  var all = Times()
  var acknowledged = Times()

  mutating func add(start: UInt64, stored: UInt64, _ received: [UInt64], _ acknowledged: UInt64?) {
    self.stored.add(from: start, to: stored)
    half.add(from: start, to: received[1])
    all.add(from: start, to: received[2])
    if let acknowledged { self.acknowledged.add(from: start, to: acknowledged) }
  }
}
