/// What goes wrong meanwhile.
enum Chaos {
  /// How often chance is asked, in µs.
  private static let interval: Int64 = 250_000

  static func plan(_ sim: Simulation) {
    sim.after(interval) { sim in
      guard !sim.isCalm else { return }
      try strike(sim)
      plan(sim)
    }
  }

  private static func strike(_ sim: Simulation) throws {
    let part = Double(interval) / 1_000_000
    let plan = sim.plan
    for node in sim.nodes where node.isUp {
      if sim.chance(plan.disconnects * part) {
        sim.injected("disconnect")
        node.link?.cut(sim, "disconnected")
      }
      if sim.chance(plan.crashes * part) {
        sim.injected("crash of a node")
        node.crash(sim)
      }
      if sim.chance(plan.stalls * part) {
        sim.injected("stopped reader")
        node.stall(sim, for: sim.number(100_000 ... 3_000_000))
      }
    }
    for replica in sim.replicas {
      if replica.isUp, sim.chance(plan.restarts * part) { try replica.leave(sim) }
      if !replica.isCutOff, sim.chance(plan.partitions * part) {
        sim.injected("replica cut off from the database")
        replica.isCutOff = true
        sim.trace { "replica \(replica.number) is cut off from the database" }
        sim.after(sim.number(200_000 ... 6_000_000)) { _ in replica.isCutOff = false }
      }
    }
    if sim.chance(plan.restores * part) { WorldActions.restore(sim) }
  }

  static func heal(_ sim: Simulation) throws {
    for replica in sim.replicas {
      replica.isCutOff = false
      replica.start(sim)
    }
    for node in sim.nodes { try node.heal(sim) }
  }
}
