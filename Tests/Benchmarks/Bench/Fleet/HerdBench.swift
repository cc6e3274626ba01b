internal import ArgumentParser
internal import Foundation
internal import Scenario

struct HerdBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "herd",
    abstract: "All nodes come at once, and each needs everything.",
    discussion: """
      The worst case of a start: nodes without a disk copy, each on a TCP connection of its own, that all \
      connect within the same second and take a whole snapshot. Admission is ramped: nobody is refused, \
      switches and leases flow to those that wait.
      """
  )

  @OptionGroup var place: BenchPlace
  @Option(help: "Nodes.") var nodes = 2_000
  @Option(help: "Bindings.") var bindings = 1_000
  @Option(help: "Humans, teams and agents, of each.") var tiers = 50
  @Option(name: [.customShort("o"), .long], help: "table or json.") var output =
    PublishBench.Output.table

  func run() async throws {
    try await place.withFolder { folder in
      let fleet = FleetPlace(place: place, folder: folder)
      var programs: [Program] = []
      do {
        let report = try await measure(fleet, &programs)
        for program in programs.reversed() { await program.stop() }
        print(output == .json ? try report.json() : report.text)
      } catch {
        for program in programs.reversed() { await program.stop() }
        throw error
      }
    }
  }

  private func measure(_ fleet: FleetPlace, _ programs: inout [Program]) async throws -> FleetReport
  {
    var report = FleetReport(title: "herd, \(place.machine)")
    let world = PublishWorld(tenants: 1, tiers: tiers, bindings: bindings)
    programs.append(try await fleet.startOperator())
    for batch in world.batches(of: 0) { try await fleet.apply(batch) }
    let serving = try await fleet.startServing("serving")
    programs.append(serving)
    let idle = try ProcessUsage.residentKiB(of: serving.processIdentifier)
    let before = try ProcessUsage.cpuSeconds(of: serving.processIdentifier)
    let crowd = try fleet.startNodes(nodes, ["--at-once"])
    programs.append(crowd)
    let current = try await fleet.current(crowd)
    func seconds(_ end: UInt64) -> Double { Double(end &- current.began) / 1e9 }
    report.add("nodes", Double(nodes))
    report.add("bytes read by a node", Double(current.bytes) / Double(nodes))
    report.add("first served, s", seconds(current.first), 2)
    report.add("half served, s", seconds(current.median), 2)
    report.add("all served, s", seconds(current.last), 2)
    report.add("nodes/s", Double(nodes) / seconds(current.last))
    report.add(
      "CPU of the control plane, s",
      try ProcessUsage.cpuSeconds(of: serving.processIdentifier) - before,
      2
    )
    report.add("its memory before, MiB", idle / 1_024)
    report.add(
      "its memory at the most, MiB",
      try ProcessUsage.peakResidentKiB(of: serving.processIdentifier) / 1_024
    )
    return report
  }
}
