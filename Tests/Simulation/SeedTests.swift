import Simulator
import Testing

/// Many seeds of the whole distribution; `Shared/Scripts/simulate` runs more, and replays one.
@Suite struct SeedTests {
  @Test func `control planes and nodes keep every rule, whatever happens to them`() {
    let report = Campaign.run(from: 0, count: 600)
    #expect(
      report.failures.isEmpty,
      "replay with Shared/Scripts/simulate --seed N\n\(report)"
    )
    #expect(report.seeds == 600)
    // What is meant to go wrong has.
    #expect(
      Set(report.faults.keys)
        == [
          "crash of a node", "disconnect", "drain of a replica", "failed write",
          "kill of a replica", "replica cut off from the database", "restore", "stopped reader",
        ]
    )
  }
}
