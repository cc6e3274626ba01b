import Domain
import Foundation
import Scenario
import Support
import Testing

/// A node 80 ms from its control plane, each way. What is counted is flights over the link, two of which
/// are a round trip; times are printed. Other calls are under way on the same link, so that a single
/// try may count more than what it waited for: the least of some tries is what is needed.
@Suite(.serialized) struct Distance {
  private static let far = LinkProxy.Condition(
    upDelay: .milliseconds(80),
    downDelay: .milliseconds(80)
  )
  private static let tries = 6

  @Test(.timeLimit(.minutes(10)))
  func
    `pushes, switches and the way to the model take one round trip, a resume one on its connection`()
    async throws
  {
    try await PartitionWorld.with(base: 9300, nodes: 1, hasSecondControl: false) { world in
      world.links[0].set(Self.far)
      try await world.waitUntilHealthy()
      try await push(world)
      try await switches(world)
      try await resume(world)
      try await turn(world)
    }
  }

  /// Runs something some times and tells the least of its flights.
  private func least(
    _ what: String,
    _ world: PartitionWorld,
    _ body: (Int) async throws -> (flights: Int, took: Duration)
  ) async throws -> Int {
    var all: [(flights: Int, took: Duration)] = []
    for number in 0 ..< Self.tries { all.append(try await body(number)) }
    let told = all.map { "\($0.flights) in \(Int($0.took / .milliseconds(1))) ms" }
    print("\(what): flights \(told.joined(separator: ", "))")
    return all.map(\.flights).min() ?? 0
  }

  /// When the node has something, by its own word: a flight after it came, an acknowledgement leaves.
  private func watch(
    _ world: PartitionWorld,
    from start: ContinuousClock.Instant,
    until condition: () async throws -> Bool
  ) async throws -> (flights: Int, took: Duration) {
    try await waitUntil("the node has it", within: .seconds(20), every: .milliseconds(3), condition)
    return (world.links[0].flights(.down), ContinuousClock.now - start)
  }

  private func push(_ world: PartitionWorld) async throws {
    let sample = world.stack.folder.appending(path: "sample/sahayak/tiers.yaml")
    let text = String(decoding: try Data(contentsOf: sample), as: UTF8.self)
    var waits: [Double] = []
    for number in 0 ..< Self.tries {
      let edited = text.replacing("Ask one question at a time", with: "Ask \(number) at a time")
      try Data(edited.utf8).write(to: sample)
      let answer = try await world.stack.tool().json(
        ["apply", "-y", "-f", sample.deletingLastPathComponent().path, "--wait"]
      )
      waits.append(try acknowledged(answer))
    }
    print("pushes: commit to acknowledged \(waits.map { Int($0) }) ms")
    try expectOneRoundTrip(waits)
  }

  /// In ms after the commit.
  private func acknowledged(_ answer: JSONValue) throws -> Double {
    try #require(answer["wait"]?["confirmed"]?.arrayValue?.first?["after_ms"]?.doubleValue)
  }

  /// A second one would take 320 ms at least, at every try.
  private func expectOneRoundTrip(_ waits: [Double]) throws {
    let least = try #require(waits.min())
    #expect(least >= 160 && least < 320)
  }

  private func switches(_ world: PartitionWorld) async throws {
    var waits: [Double] = []
    for _ in 0 ..< Self.tries {
      for verb in ["pause", "resume"] {
        let answer = try await world.stack.tool().json(["tenant", verb, "kichcha", "--wait"])
        waits.append(try acknowledged(answer))
      }
    }
    print("switches: commit to acknowledged \(waits.map { Int($0) }) ms")
    try expectOneRoundTrip(waits)
  }

  private func resume(_ world: PartitionWorld) async throws {
    let flights = try await least("a node that comes back is current", world) { number in
      world.links[0].set(.init(isCut: true))
      try await waitUntil("the node is cut off", within: .seconds(10)) {
        try await world.status(0)["connected"] == false
      }
      let verb = number.isMultiple(of: 2) ? "pause" : "resume"
      let wanted = try await world.stack.tool().json(["tenant", verb, "kichcha"])["revision"]
      world.links[0].resetFlights()
      let before = world.links[0].accepted
      world.links[0].set(Self.far)
      try await waitUntil("it connects", within: .seconds(20), every: .milliseconds(2)) {
        world.links[0].accepted > before
      }
      return try await watch(world, from: .now) { try await world.status(0)["revision"] == wanted }
    }
    // A new connection waits for the server's SETTINGS before its first call, as gRPC's clients do; then
    // Hello goes up, and what changed comes down.
    #expect(flights <= 4)
    try await world.waitUntilHealthy()
  }

  /// Between a visitor's message and the first call of the model.
  private func turn(_ world: PartitionWorld) async throws {
    let flights = try await least("a web turn's first model call", world) { _ in
      let port = world.stack.ports.anthropic
      let before = try await world.stack.received(by: port).count
      let visitor = WebVisitor(host: "medicly.example")
      world.links[0].resetFlights()
      let start = ContinuousClock.now
      async let reply = visitor.say("how much?", to: world.stack.edges[0])
      let result = try await watch(world, from: start) {
        try await world.stack.received(by: port).count > before
      }
      #expect(try await reply.ended == "done")
      return result
    }
    #expect(flights == 2)
  }
}
