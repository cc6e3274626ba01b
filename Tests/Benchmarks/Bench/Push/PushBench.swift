internal import ArgumentParser
internal import Foundation
internal import Scenario

/// A part of what `push` measures.
enum PushPart: String, ExpressibleByArgument, CaseIterable {
  case pushes
  case stopped
  case memory
  case commits
}

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
  @Option(help: "Commits offered a second, in 'commits'.") var rate = 100
  @Option(help: "What is measured: pushes, commits (beside watchers), stopped, memory.")
  var part: [PushPart] = PushPart.allCases

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
    programs.append(try await EtcdServer.start(port: etcd, folder))
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
        let push = PushRounds(
          place: place,
          folder: folder,
          peers: peers,
          rounds: rounds,
          bytes: bytes
        )
        if part.contains(.pushes) {
          for count in watchers { print(try await push.run(count)) }
        }
        if part.contains(.stopped) {
          print(try await push.withStopped(900, stopped: 100, times: 3))
        }
        let cost = PushCost(push: push, etcd: programs[1], control: programs[2])
        if part.contains(.memory) { print(try await cost.memory(2000)) }
        if part.contains(.commits) {
          print(try await cost.commits(2000, rate: rate, client: bindery))
        }
      }
    }
  }
}
