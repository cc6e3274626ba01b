internal import Foundation
internal import Scenario

/// Server streaming: 8 connections with 4 streams each; the rounds of all peers take turns.
struct StreamRounds {
  let place: BenchPlace
  let servers: [(peer: TransportPeer, program: Program)]
  let rounds: Int
  let messages: Int

  func run() async throws -> String {
    let servers = servers.filter(\.peer.isGRPC)
    var rates = servers.map { _ in [Double]() }
    var cpu = servers.map { _ in [Double]() }
    for round in 0 ... rounds {
      for (index, server) in servers.enumerated() {
        let before = try ProcessUsage.cpuSeconds(of: server.program.processIdentifier)
        let (count, seconds) = try await load(server.peer)
        let after = try ProcessUsage.cpuSeconds(of: server.program.processIdentifier)
        // The first round warms up.
        guard round > 0 else { continue }
        rates[index].append(count / seconds)
        cpu[index].append((after - before) / count * 1e6)
      }
    }
    var table = TextTable([
      "server streaming, 128 bytes", "messages/s", "CPU us/message", "of NIO's", "of grpc-go's",
    ])
    let nio = servers.firstIndex { $0.peer == .nio }
    let go = servers.firstIndex { $0.peer == .go }
    for (index, server) in servers.enumerated() {
      let rate = median(rates[index])
      table.add([
        server.peer.title, decimals(rate, 0), decimals(median(cpu[index]), 2),
        nio.map { decimals(rate / median(rates[$0]), 2) } ?? "-",
        go.map { decimals(rate / median(rates[$0]), 2) } ?? "-",
      ])
    }
    return table.text
      + "\n(8 connections, 4 streams each, \(messages) messages a stream; one reading thread; "
      + "median of \(rounds) rounds)\n"
  }

  private func load(_ peer: TransportPeer) async throws -> (count: Double, seconds: Double) {
    let done = try await Completed.run(
      "streams",
      path: try place.layout().program("bindery-bench"),
      arguments: ["streams", "--port", "\(peer.port)", "--messages", "\(messages)"],
      within: .seconds(120)
    )
    let words = done.standardOutput.split(whereSeparator: \.isWhitespace)
    guard done.status == 0, words.count == 3, words[0] == "messages", let count = Double(words[1]),
      let nanoseconds = Double(words[2])
    else { throw BenchFailure("\(peer.rawValue): streams failed\n\(done.standardError)") }
    return (count, nanoseconds / 1e9)
  }
}
