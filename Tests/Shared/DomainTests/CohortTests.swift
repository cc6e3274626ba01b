import Domain
import Foundation
import Testing

@Suite struct `Cohorts of a rollout` {
  private static let rollout = RolloutID("0190a000-0000-7000-8000-000000000001")
  private static let tenant = TenantID("0190a000-0000-7000-8000-0000000000aa")

  private func candidate(
    _ basisPoints: Int,
    _ rollout: RolloutID? = nil
  ) throws
    -> CandidateResource
  {
    CandidateResource(
      tenantID: try #require(Self.tenant),
      bindingID: BindingID(UUID()),
      rolloutID: try #require(rollout ?? Self.rollout),
      digest: Digest(of: Data()),
      content: "",
      sectionDigests: [],
      basisPoints: basisPoints,
      audience: Audience()
    )
  }

  /// From another implementation: sha256(rollout ‖ tenant ‖ channel ‖ 0 ‖ identity), the first 8 bytes
  /// big-endian modulo 10000. Nodes of different versions must agree, so these never change.
  @Test(arguments: [
    ("whatsapp", "919800000042", 9917), ("whatsapp", "919800000043", 8333),
    ("web", "0b1c2d3e", 5439), ("web", "", 4074), ("whatsapp", "नमस्ते", 8712),
  ])
  func `are what every node has always said`(
    _ channel: String,
    _ person: String,
    _ bucket: Int
  )
    throws
  {
    let rollout = try #require(Self.rollout)
    let tenant = try #require(Self.tenant)
    #expect(Cohort.bucket(of: person, on: channel, tenant: tenant, in: rollout) == bucket)
    let other = try #require(RolloutID("0190a000-0000-7000-8000-000000000002"))
    let neighbour = try #require(TenantID("0190a000-0000-7000-8000-0000000000ab"))
    #expect(Cohort.bucket(of: "919800000042", on: "whatsapp", tenant: tenant, in: other) == 7888)
    #expect(
      Cohort.bucket(of: "919800000042", on: "whatsapp", tenant: neighbour, in: rollout) == 2728
    )
  }

  @Test func `only grow, reach everybody at the end and nobody at zero`() throws {
    var random = SeededGenerator(seed: 7)
    let sizes = (0 ..< 30).map { _ in Int.random(in: 0 ... 10_000, using: &random) }.sorted()
    let candidates = try ([0] + sizes + [10_000]).map { try candidate($0) }
    for number in 0 ..< 500 {
      let has = candidates.map { $0.includes(externalID: "9198\(number)", on: "whatsapp") }
      #expect(!has[0] && has[has.count - 1])
      #expect(has == has.sorted { !$0 && $1 }, "9198\(number) lost the candidate")
    }
  }

  @Test func `are as large as they are to be, and others in another rollout`() throws {
    let people = (0 ..< 20_000).map { "91980\($0)" }
    let one = try candidate(2_500)
    let other = try candidate(
      2_500,
      RolloutID(UUID(uuid: (1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6)))
    )
    let first = Set(people.filter { one.includes(externalID: $0, on: "whatsapp") })
    let second = Set(people.filter { other.includes(externalID: $0, on: "whatsapp") })
    // Six standard deviations of a binomial are 367.
    #expect((5_000 - 367 ... 5_000 + 367).contains(first.count))
    // Independent: a quarter of a quarter have both.
    #expect((1_250 - 200 ... 1_250 + 200).contains(first.intersection(second).count))
  }
}

@Suite struct `The strategy of a rollout` {
  private func step(
    _ points: Int,
    _ regions: Set<String> = [],
    _ labels: [String: String] = [:]
  )
    -> RolloutStep
  {
    RolloutStep(
      basisPoints: points,
      audience: Audience(regions: regions, labels: labels),
      holdMS: 0
    )
  }

  @Test func `may widen in every way, and narrow in none`() {
    let good = RolloutStrategy(steps: [
      step(100, ["a"], ["canary": "yes"]), step(100, ["a", "b"], ["canary": "yes"]),
      step(500, ["a", "b"]), step(10_000),
    ])
    #expect(good.problems.isEmpty)
    for (before, after) in [
      (step(500), step(499)), (step(500), step(500, ["a"])),
      (step(500, ["a", "b"]), step(500, ["a"])), (step(500), step(500, [], ["x": "y"])),
      (step(500, [], ["x": "y"]), step(500, [], ["x": "z"])),
    ] {
      #expect(RolloutStrategy(steps: [before, after]).problems.count == 1)
    }
  }

  @Test func `tells all that is wrong with it at once`() {
    #expect(RolloutStrategy(steps: []).problems.count == 1)
    var strategy = RolloutStrategy(steps: [step(0), step(10_001)], nodeTimeoutMS: 5)
    strategy.gates.maxMoreErrors = 100
    #expect(strategy.problems.count == 4)
    strategy.gates = RolloutGates()
    strategy.gates.minTurns = 5
    #expect(strategy.problems.contains { $0.contains("min_turns alone") })
    #expect(
      RolloutStrategy(steps: (0 ..< 21).map { _ in step(10_000) }).problems.count == 1
    )
  }

  @Test func `covers what it includes`() {
    var random = SeededGenerator(seed: 11)
    func some(_ all: [String]) -> Set<String> {
      Set(all.filter { _ in Bool.random(using: &random) })
    }
    for _ in 0 ..< 2_000 {
      let audiences = (0 ..< 2).map { _ in
        Audience(
          regions: some(["a", "b", "c"]),
          labels: Dictionary(
            uniqueKeysWithValues: some(["k", "l"]).map {
              ($0, Bool.random(using: &random) ? "1" : "2")
            }
          )
        )
      }
      guard audiences[0].covers(audiences[1]) else { continue }
      for region in ["a", "b", "c", "d"] {
        for k in ["1", "2", nil] {
          for l in ["1", "2", nil] {
            let labels = ["k": k, "l": l].compactMapValues(\.self)
            if audiences[1].includes(region: region, labels: labels) {
              #expect(audiences[0].includes(region: region, labels: labels))
            }
          }
        }
      }
    }
  }
}
