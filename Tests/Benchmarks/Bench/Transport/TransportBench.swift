internal import ArgumentParser
internal import Foundation
internal import Scenario

struct TransportBench: AsyncParsableCommand {
  enum Part: String, ExpressibleByArgument, CaseIterable {
    case unary
    case streaming
    case fanout
    case memory
  }

  static let configuration = CommandConfiguration(
    commandName: "transport",
    abstract: "The transport beside other gRPC servers, under the same load.",
    discussion: """
      Each server is a process of its own and answers the same methods; the messages are raw bytes \
      wherever its interface allows it. nghttpd, which knows no gRPC, serves a file of the same length \
      as the limit. Build the peers first: Tests/Benchmarks/Peers/build.
      """
  )

  @OptionGroup var place: BenchPlace
  @Option(help: "What to measure.") var part: [Part] = Part.allCases
  @Option(help: "Beside which servers.") var peer: [TransportPeer] = TransportPeer.allCases
  @Option(help: "Rounds of each measurement.") var rounds = 3
  @Option(help: "Seconds of one round of unary calls.") var seconds = 5
  @Option(help: "Messages of one server stream.") var messages = 20_000
  @Option(help: "Numbers of watchers of the fan-out.") var watchers: [Int] = [1000, 5000]
  @Option(help: "Rounds of the fan-out.") var pushes = 40
  @Option(help: "Payload of the fan-out in bytes.") var bytes = 4096
  @Option(help: "Numbers of idle watchers.") var idle: [Int] = [1000, 10_000]
  @Option(help: "How often they come and go.") var crowds = 4

  func run() async throws {
    try await place.withFolder { folder in
      print(place.machine)
      for part in part {
        switch part {
        case .unary: try await unary(folder)
        case .streaming: try await streaming(folder)
        case .fanout: try await fanout(folder)
        case .memory:
          let memory = IdleMemory(
            place: place,
            folder: folder,
            servers: peer.filter(\.isPushing),
            rounds: crowds
          )
          print(try await memory.run(idle))
        }
      }
    }
  }

  private func unary(_ folder: URL) async throws {
    try await withServers(peer, folder) { servers in
      let unary = UnaryRounds(
        load: try H2Load(folder: folder),
        servers: servers,
        rounds: rounds,
        seconds: seconds
      )
      print(try await unary.run())
    }
  }

  private func streaming(_ folder: URL) async throws {
    try await withServers(peer.filter(\.isGRPC), folder) { servers in
      let streams = StreamRounds(
        place: place,
        servers: servers,
        rounds: rounds,
        messages: messages
      )
      print(try await streams.run())
    }
  }

  private func fanout(_ folder: URL) async throws {
    let (floor, etcd) = (7950, 7952)
    // An HTTP/2 frame and a gRPC prefix are 14 bytes.
    let bare = try await place.start(
      "bindery-bench",
      ["fanout", "--port", "\(floor)", "--bytes", "\(bytes + 14)"],
      as: "floor",
      in: folder
    )
    try await with(bare) {
      try await with(try await EtcdServer.start(port: etcd, folder)) {
        try await withServers(peer.filter(\.isPushing), folder) { servers in
          try await push(servers.map(\.peer), floor: floor, etcd: etcd, folder)
        }
      }
    }
  }

  private func push(
    _ servers: [TransportPeer],
    floor: Int,
    etcd: Int,
    _ folder: URL
  ) async throws {
    try await withClient(port: etcd) { client in
      var peers: [any PushPeer] = [
        try FloorPeer(port: floor, messageBytes: bytes + 14),
        EtcdPeer(port: etcd, messageBytes: bytes, client: client),
      ]
      for server in servers { peers.append(try EchoPeer(server, messageBytes: bytes)) }
      let push = PushRounds(
        place: place,
        folder: folder,
        peers: peers,
        rounds: pushes,
        bytes: bytes
      )
      for count in watchers { print(try await push.run(count)) }
    }
  }

  /// Stops `program` after `body`, whatever came of it.
  private func with(_ program: Program, _ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch {
      await program.stop()
      throw error
    }
    await program.stop()
  }

  /// Starts servers for as long as `body` runs.
  private func withServers(
    _ peers: [TransportPeer],
    _ folder: URL,
    _ body: ([(peer: TransportPeer, program: Program)]) async throws -> Void
  ) async throws {
    var servers: [(peer: TransportPeer, program: Program)] = []
    do {
      for peer in peers { servers.append((peer, try await peer.start(place, folder))) }
      try await body(servers)
    } catch {
      for server in servers { await server.program.stop(within: .seconds(2)) }
      throw error
    }
    for server in servers { await server.program.stop(within: .seconds(2)) }
  }
}
