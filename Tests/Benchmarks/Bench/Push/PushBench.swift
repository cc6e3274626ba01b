internal import ArgumentParser
internal import Foundation
internal import Scenario

struct PushBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "push",
    abstract: "Publish -> received, and -> acknowledged as applied, by N watchers.",
    discussion: """
      Beside bindery-control stand etcd (a put, seen by N watchers of the key) and, as the floor, one \
      bare write to each of N connections. All have the same payload, N TCP connections, the same \
      clients; etcd and PostgreSQL write to disk before they answer. The rounds of all take turns.

      Bindery's publish is a whole edit: the SOP of a team is checked, compiled and stored as a new \
      version before it is pushed; "stored" is the time until that is answered.
      """
  )

  @OptionGroup var place: BenchPlace
  @Option(help: "Numbers of watchers.") var watchers: [Int] = [100, 1000]
  @Option(help: "Rounds that count; a tenth more come before, to warm up.") var rounds = 60
  @Option(help: "Payload in bytes.") var bytes = 4096

  func run() async throws {
    try await place.withFolder { folder in
      var programs: [Program] = []
      do {
        try await measure(folder, &programs)
      } catch {
        for program in programs.reversed() { await program.stop() }
        throw error
      }
      for program in programs.reversed() { await program.stop() }
    }
  }

  private func measure(_ folder: URL, _ programs: inout [Program]) async throws {
    let layout = try place.layout()
    // Below the ephemeral range, so that no outgoing connection sits on them.
    let (floor, etcd, control) = (7900, 7902, 7910)
    // An HTTP/2 frame and a gRPC prefix are 14 bytes.
    programs.append(
      try await place.start(
        "bindery-bench",
        ["fanout", "--port", "\(floor)", "--bytes", "\(bytes + 14)"],
        as: "floor",
        in: folder
      )
    )
    programs.append(try await startEtcd(port: etcd, folder))
    programs.append(
      try await place.start(
        "bindery-control",
        [
          "--grpc", "127.0.0.1:\(control)", "--http", "127.0.0.1:\(control + 1)", "--data-dir",
          folder.appending(path: "control").path, "--postgres-binaries", layout.postgres.path,
          "--lease-ms", "6000",
        ],
        as: "bindery-control",
        in: folder
      )
    )
    try await place.apply(control: control)
    try await withClient(port: control) { bindery in
      try await withClient(port: etcd) { store in
        let peers: [any PushPeer] = [
          try FloorPeer(port: floor, messageBytes: bytes + 14),
          EtcdPeer(port: etcd, messageBytes: bytes, client: store),
          try await BinderyPeer(port: control, messageBytes: bytes, client: bindery),
        ]
        print(place.machine)
        for count in watchers { try await measure(peers, count, folder) }
      }
    }
  }

  private func startEtcd(port: Int, _ folder: URL) async throws -> Program {
    let path = "/usr/bin/etcd"
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw BenchFailure("\(path) is missing: apt-get install etcd-server")
    }
    let url = "http://127.0.0.1:\(port)"
    let program = try Program(
      "etcd",
      path: path,
      arguments: [
        "--data-dir", folder.appending(path: "etcd").path, "--listen-client-urls", url,
        "--advertise-client-urls", url, "--listen-peer-urls", "http://127.0.0.1:\(port + 1)",
        "--log-level", "error",
      ],
      log: folder.appending(path: "etcd.log")
    )
    try await waitUntil("etcd answers", within: .seconds(20)) {
      do {
        return try await httpCall("GET", url + "/health", within: .seconds(1)).status == 200
      } catch is ScenarioFailure {
        return false
      }
    }
    return program
  }

  private func measure(_ peers: [any PushPeer], _ count: Int, _ folder: URL) async throws {
    var crowds: [Program] = []
    defer { for crowd in crowds { crowd.signal(SIGTERM) } }
    for peer in peers {
      crowds.append(
        try await place.start(
          "bindery-bench",
          [
            "watchers", "--peer", peer.kind.rawValue, "--port", "\(peer.port)", "--count",
            "\(count)", "--bytes", "\(peer.messageBytes)",
          ],
          as: "watchers-\(peer.kind.rawValue)-\(count)",
          in: folder
        )
      )
    }
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
    print(table(count, peers.map(\.name), results))
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

  private func table(_ count: Int, _ names: [String], _ results: [PushTimes]) -> String {
    var table = TextTable([
      "\(count) watchers, \(bytes) bytes", "stored", "half have it", "all have it", "p95", "p99",
      "all acknowledged", "of the floor", "of etcd",
    ])
    for (name, times) in zip(names, results) {
      let all = times.all.quantile(0.5)
      table.add([
        name, decimals(times.stored.quantile(0.5)), decimals(times.half.quantile(0.5)),
        decimals(all), decimals(times.all.quantile(0.95)), decimals(times.all.quantile(0.99)),
        times.acknowledged.count == 0 ? "-" : decimals(times.acknowledged.quantile(0.5)),
        decimals(all / results[0].all.quantile(0.5), 2),
        decimals(all / results[1].all.quantile(0.5), 2),
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
