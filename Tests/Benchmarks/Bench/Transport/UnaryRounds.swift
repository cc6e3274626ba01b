internal import Foundation
internal import Scenario

/// Unary calls of 128 bytes, with and without a deadline; the rounds of all peers take turns.
struct UnaryRounds {
  let load: H2Load
  let servers: [(peer: TransportPeer, program: Program)]
  let rounds: Int
  let seconds: Int

  private struct Measured {
    var rates: [Double] = []
    var cpu: [Double] = []
  }

  func run() async throws -> String {
    var plain = servers.map { _ in Measured() }
    var limited = servers.map { _ in Measured() }
    for (peer, _) in servers {
      try peer.check()
      _ = try await load.run(peer, seconds: 1)
    }
    for _ in 0 ..< rounds {
      for index in servers.indices { try await measure(index, [], &plain[index]) }
      for index in servers.indices where servers[index].peer.isGRPC {
        try await measure(index, ["grpc-timeout: 5S"], &limited[index])
      }
    }
    var times: [Times] = []
    for (peer, _) in servers { times.append(try await load.times(peer, seconds: 1)) }
    return table(plain, limited, times)
  }

  private func measure(
    _ index: Int,
    _ headers: [String],
    _ measured: inout Measured
  ) async throws {
    let (peer, program) = servers[index]
    let before = try ProcessUsage.cpuSeconds(of: program.processIdentifier)
    let result = try await load.run(peer, seconds: seconds, headers: headers)
    let after = try ProcessUsage.cpuSeconds(of: program.processIdentifier)
    measured.rates.append(result.callsPerSecond)
    measured.cpu.append((after - before) / result.calls * 1e6)
  }

  private func table(_ plain: [Measured], _ limited: [Measured], _ times: [Times]) -> String {
    var table = TextTable([
      "unary, 128 bytes", "calls/s", "CPU us/call", "p50 ms", "p99 ms", "of NIO's calls/s",
      "of NIO's CPU", "of grpc-go's calls/s", "calls/s with deadline", "CPU us/call", "of without",
    ])
    let nio = servers.firstIndex { $0.peer == .nio }
    let go = servers.firstIndex { $0.peer == .go }
    for index in servers.indices {
      let (rate, cpu) = (median(plain[index].rates), median(plain[index].cpu))
      let withDeadline = limited[index].rates.isEmpty ? nil : median(limited[index].rates)
      table.add([
        servers[index].peer.title, decimals(rate, 0), decimals(cpu),
        decimals(times[index].quantile(0.5), 2), decimals(times[index].quantile(0.99), 2),
        nio.map { decimals(rate / median(plain[$0].rates), 2) } ?? "-",
        nio.map { decimals(cpu / median(plain[$0].cpu), 2) } ?? "-",
        go.map { decimals(rate / median(plain[$0].rates), 2) } ?? "-",
        withDeadline.map { decimals($0, 0) } ?? "-",
        withDeadline == nil ? "-" : decimals(median(limited[index].cpu)),
        withDeadline.map { decimals($0 / rate, 2) } ?? "-",
      ])
    }
    return table.text
      + "\n(h2load -c 8 -m 32; median of \(rounds) rounds of \(seconds) s; CPU of the server)\n"
  }
}

/// The middle value; 0 of none.
func median(_ values: [Double]) -> Double {
  values.isEmpty ? 0 : values.sorted()[values.count / 2]
}
