internal import ArgumentParser
internal import Foundation
internal import Scenario
internal import Wire

struct ResumeBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume",
    abstract: "Nodes come back to a control plane that was killed, with a part of it all changed.",
    discussion: """
      Two control planes on one database. The nodes watch one of them, each on a TCP connection of its \
      own; it is killed (-9), edits go through the other, and it is started again. The nodes come back \
      as nodes do, after 0.5 to 1 s and twice that at each failure, and resume from where they stood. \
      Bytes are those that all sockets read, connections' set-up and heartbeats included, against each \
      changed resource once. Then one agent's edit reaches as many bindings as use it, against the bytes \
      that those bindings would take with all that they are made of.
      """
  )

  @OptionGroup var place: BenchPlace
  @Option(help: "Nodes.") var nodes = 2_000
  @Option(help: "Bindings; half of them use one agent.") var bindings = 20_000
  @Option(help: "Humans, teams and agents, of each.") var tiers = 200
  @Option(help: "Percent of the bindings that change meanwhile.") var percent = 1.0
  @Option(name: [.customShort("o"), .long], help: "table or json.") var output =
    PublishBench.Output.table

  func validate() throws {
    guard tiers >= 20, bindings >= 2 * tiers else {
      throw ValidationError("at least 20 tiers, and twice as many bindings")
    }
  }

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
    var report = FleetReport(title: "resume after a kill -9, \(place.machine)")
    let world = PublishWorld(tenants: 1, tiers: tiers, bindings: bindings)
    programs.append(try await fleet.startOperator())
    var loaded: Int64 = 0
    for batch in world.batches(of: 0) { loaded = try await fleet.apply(batch).revision }
    let reference = try ReferenceWatch(port: FleetPlace.operatorPort)
    // The snapshot may be from before the last commit.
    try reference.follow(to: loaded)
    let serving = try await fleet.startServing("serving-1")
    programs.append(serving)
    let crowd = try fleet.startNodes(
      nodes,
      [
        "--incarnation", reference.incarnation.base64EncodedString(), "--revision",
        "\(reference.revision)",
      ]
    )
    programs.append(crowd)
    try await crowd.waitUntilReady(within: .seconds(120))

    reference.begin()
    serving.signal(SIGKILL)
    let killed = monotonicNanoseconds()
    try await serving.waitUntilExit(within: .seconds(10))
    let tens = Int((Double(bindings) * percent / 1_000).rounded(.up))
    let edit = Int(killed % 1_000_000_007)
    let edits = (0 ..< min(tens, tiers / 10)).map { world.human(0, usedBy: 10, $0, edit: edit) }
    let applied = try await fleet.apply(edits)
    let again = try await fleet.startServing("serving-2")
    programs.append(again)
    let serves = monotonicNanoseconds()
    let current = try await fleet.current(crowd)
    try reference.follow(to: applied.revision)
    let each = Double(current.bytes) / Double(nodes)
    report.add("nodes", Double(nodes))
    report.add("bindings changed", Double(reference.changedBindings.count))
    report.add("least bytes for a node", Double(reference.minimalBytes))
    report.add("bytes read by a node", each)
    report.add("ratio (to reach: 1.05)", each / Double(reference.minimalBytes), 3)
    report.add("all current, ms after the kill", Self.ms(killed, current.last))
    report.add("half current, ms after it serves again", Self.ms(serves, current.median))
    report.add("all current, ms after it serves again", Self.ms(serves, current.last))
    report.add(
      "CPU of the control plane since its start, s",
      try ProcessUsage.cpuSeconds(of: again.processIdentifier),
      2
    )
    // One edit of an agent that half of the bindings use.
    reference.begin()
    let wide = try await fleet.apply([world.agent(0, 0, edit: edit)])
    try reference.follow(to: wide.revision)
    report.add("bindings of one agent's edit", Double(reference.changedBindings.count))
    report.add("bytes read for it", Double(reference.bytes))
    report.add("bytes of those bindings whole", Double(reference.wholeBytes))
    report.add(
      "times fewer (to reach: 50)",
      Double(reference.wholeBytes) / Double(max(1, reference.bytes)),
      1
    )
    return report
  }

  private static func ms(_ start: UInt64, _ end: UInt64) -> Double {
    Double(Int64(bitPattern: end &- start)) / 1e6
  }
}
