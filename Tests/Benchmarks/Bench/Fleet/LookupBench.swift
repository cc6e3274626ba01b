internal import ArgumentParser
internal import Foundation
internal import Scenario

struct LookupBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lookup",
    abstract: "100,000 bindings on a node: ready from the network and the disk, memory, lookups.",
    discussion: """
      A server with the bindings in memory and a node, each a process. A lookup is a route by channel and \
      key, then its binding, from the snapshot of that moment, while the server changes bindings; the limit \
      is one plain dictionary from name to both, which nobody changes.
      """
  )

  @OptionGroup var place: BenchPlace
  @Option(help: "Bindings, each with two routes.") var bindings = 100_000
  @Option(help: "Humans, teams and agents, of each.") var tiers = 1_000
  @Option(help: "Changes per second while there are lookups.") var changesPerSecond = 100
  @Option(help: "Seconds for each way of reading.") var seconds = 3.0
  @Option(name: [.customShort("o"), .long], help: "table or json.") var output =
    PublishBench.Output.table

  private static let port = 7990

  func run() async throws {
    try await place.withFolder { folder in
      let server = try Program(
        "lookup-server",
        path: try place.layout().program("bindery-bench"),
        arguments: [
          "lookup-server", "--port", "\(Self.port)", "--bindings", "\(bindings)", "--tiers",
          "\(tiers)", "--changes-per-second", "\(changesPerSecond)",
        ],
        log: folder.appending(path: "server.log")
      )
      do {
        try await server.waitUntilReady(within: .seconds(300))
        let report = try await measure(folder)
        server.signal(SIGKILL)
        print(output == .json ? try report.json() : report.text)
      } catch {
        server.signal(SIGKILL)
        throw error
      }
    }
  }

  private func measure(_ folder: URL) async throws -> FleetReport {
    var report = FleetReport(title: "lookup, \(place.machine)")
    report.add("bindings", Double(bindings))
    let network = try await node(folder, seconds: 0)
    try add(&report, network, "from the network")
    let copy = folder.appending(path: "node/configuration")
    let size = try FileManager.default.attributesOfItem(atPath: copy.path)[.size] as? Int ?? 0
    report.add("disk copy, MiB", Double(size) / 1_048_576, 1)
    let disk = try await node(folder, seconds: seconds)
    try add(&report, disk, "from the disk")
    for line in disk where line.first == "lookups" && line.count == 3 {
      report.add("lookups/s, \(line[1]) thread(s)", Double(line[2]) ?? 0)
    }
    if let line = disk.last(where: { $0.first == "revision" }), line.count == 3 {
      report.add("changes applied meanwhile", (Double(line[2]) ?? 0) - (Double(line[1]) ?? 0))
    }
    return report
  }

  /// Runs a node to its end; its lines, in words.
  private func node(_ folder: URL, seconds: Double) async throws -> [[String]] {
    let completed = try await Completed.run(
      "lookup-node",
      path: try place.layout().program("bindery-bench"),
      arguments: [
        "lookup-node", "--port", "\(Self.port)", "--directory", folder.appending(path: "node").path,
        "--bindings", "\(bindings)", "--seconds", "\(seconds)",
      ],
      within: .seconds(300)
    )
    guard completed.status == 0 else {
      throw BenchFailure("the node ended with \(completed.status): \(completed.standardError)")
    }
    return completed.standardOutput.split(separator: "\n").map { line in
      line.split(separator: " ").map(String.init)
    }
  }

  private func add(_ report: inout FleetReport, _ lines: [[String]], _ from: String) throws {
    guard let line = lines.first(where: { $0.first == "loaded" }), line.count == 3,
      let nanoseconds = Double(line[1]), let kib = Double(line[2])
    else { throw BenchFailure("the node did not say that it had loaded") }
    report.add("ready \(from), s", nanoseconds / 1e9, 2)
    report.add("memory then, MiB", kib / 1_024)
  }
}
