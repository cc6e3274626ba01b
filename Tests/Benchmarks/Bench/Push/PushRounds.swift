internal import Foundation
internal import Scenario

/// One payload to N watchers, each on a connection of its own; the rounds of all peers take turns.
struct PushRounds {
  let place: BenchPlace
  let folder: URL
  let peers: [any PushPeer]
  let rounds: Int
  let bytes: Int

  /// What one peer's publishes take until all watchers that read have them, with so many others that do not:
  /// medians, one of each in turn.
  func withStopped(_ count: Int, stopped: Int, times: Int) async throws -> String {
    guard let peer = peers.first(where: { $0.kind == .bindery }) else { return "" }
    var all = Times()
    var allBesides = Times()
    for turn in 0 ..< times {
      for idle in [0, stopped] {
        let crowd = try await crowd(of: count + idle, at: peer, stopped: idle, turn: turn)
        defer { crowd.signal(SIGTERM) }
        // The stopped ones' buffers are full by then.
        let warmUp = 25
        for round in 1 ... (warmUp + rounds) {
          let start = monotonicNanoseconds()
          try await peer.publish(round: (turn * 2 + min(idle, 1)) * 100_000 + 50_000 + round)
          let received = try await waitFor("round \(round)", within: .seconds(30)) {
            Self.received(round, in: crowd.output)
          }
          guard round > warmUp else { continue }
          if idle == 0 {
            all.add(from: start, to: received[2])
          } else {
            allBesides.add(from: start, to: received[2])
          }
        }
        try await crowd.stopAndWait()
      }
    }
    var table = TextTable(["\(count) watchers that read", "all have it", "p95", "of without"])
    let alone = all.quantile(0.5)
    table.add(["alone", decimals(alone), decimals(all.quantile(0.95)), "1"])
    table.add([
      "beside \(stopped) that stopped reading", decimals(allBesides.quantile(0.5)),
      decimals(allBesides.quantile(0.95)), decimals(allBesides.quantile(0.5) / alone, 2),
    ])
    return table.text + "\n"
  }

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

  func crowd(
    of count: Int,
    at peer: any PushPeer,
    stopped: Int = 0,
    turn: Int = 0
  ) async throws -> Program {
    try await place.start(
      "bindery-bench",
      [
        "watchers", "--peer", peer.kind.rawValue, "--port", "\(peer.port)", "--count", "\(count)",
        "--bytes", "\(peer.messageBytes)", "--stopped", "\(stopped)",
      ],
      as: "watchers-\(peer.port)-\(count)-\(stopped)-\(turn)",
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
      "\(count) watchers, \(bytes) bytes", "stored", "stored -> all", "half have it", "all have it",
      "p95", "p99",
      "all acknowledged", "of the floor", "of etcd",
    ])
    let floor = peers.firstIndex { $0.kind == .floor }
    let etcd = peers.firstIndex { $0.kind == .etcd }
    for (peer, times) in zip(peers, results) {
      let all = times.all.quantile(0.5)
      table.add([
        peer.name, decimals(times.stored.quantile(0.5)), decimals(times.after.quantile(0.5)),
        decimals(times.half.quantile(0.5)),
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
  /// From when the publish was answered; no less than 0.
  var after = Times()
  var acknowledged = Times()

  mutating func add(start: UInt64, stored: UInt64, _ received: [UInt64], _ acknowledged: UInt64?) {
    self.stored.add(from: start, to: stored)
    half.add(from: start, to: received[1])
    all.add(from: start, to: received[2])
    after.add(from: stored, to: max(stored, received[2]))
    if let acknowledged { self.acknowledged.add(from: start, to: acknowledged) }
  }
}
