import Domain
import Foundation

/// Rollouts meanwhile: begun for some nodes, widened, promoted, taken back. Only what the store may do:
/// one of each binding, and each step is for no fewer than the one before.
enum RolloutActions {
  static let rollout = RolloutID(Catalogue.uuid(4, 0, 0))
  /// People whose arm is looked at.
  static let people = (0 ..< 4).map { "9198\($0)" }

  static func candidates(of line: StoreLine) -> [CandidateResource] {
    line.newest.values.compactMap { resource -> CandidateResource? in
      if case .candidate(let candidate) = resource { candidate } else { nil }
    }
    .sorted { $0.bindingID < $1.bindingID }
  }

  static func isPoison(_ candidate: CandidateResource) -> Bool {
    candidate.content.hasPrefix("{\"poison\"")
  }

  /// One step of one rollout; false when there is nothing to roll out.
  static func act(_ sim: Simulation) -> Bool {
    let line = sim.line
    let active = candidates(of: line)
    if !active.isEmpty, sim.chance(0.75) {
      goOn(active[Int(sim.number(0 ... Int64(active.count - 1)))], sim)
      return true
    }
    let free = line.newest.values.compactMap { resource -> BindingResource? in
      guard case .binding(let binding) = resource,
        line.newest[.candidate(binding.tenantID, binding.bindingID)] == nil
      else { return nil }
      return binding
    }
    .sorted { $0.bindingID < $1.bindingID }
    guard !free.isEmpty else { return false }
    begin(free[Int(sim.number(0 ... Int64(free.count - 1)))], sim)
    return true
  }

  private static func begin(_ binding: BindingResource, _ sim: Simulation) {
    let made = WorldActions.form(
      sim,
      binding.bindingID.bytes[1],
      binding.bindingID.bytes[2],
      team: UInt8(sim.number(0 ... 1))
    )
    let audiences = [
      Audience(regions: ["r0"]), Audience(labels: ["canary": "yes"]),
      Audience(regions: ["r0", "r1"], labels: ["canary": "yes"]), Audience(),
    ]
    var candidate = CandidateResource(
      tenantID: binding.tenantID,
      bindingID: binding.bindingID,
      rolloutID: rollout,
      digest: made.binding.digest,
      content: made.binding.content,
      sectionDigests: made.binding.sectionDigests,
      basisPoints: Int(sim.number(1 ... 9_000)),
      audience: audiences[Int(sim.number(0 ... 3))]
    )
    if sim.chance(sim.plan.poison) {
      candidate.content = "{\"poison\":\(sim.line.revision)}"
      candidate.digest = Digest(of: Data(candidate.content.utf8))
    }
    WorldActions.change(sim) {
      $0.commit(put: [.candidate(candidate)], sections: made.sections, at: sim.now)
    }
  }

  private static func goOn(_ candidate: CandidateResource, _ sim: Simulation) {
    let key = ResourceKey.candidate(candidate.tenantID, candidate.bindingID)
    switch sim.number(0 ... 3) {
    case 0: WorldActions.change(sim) { $0.commit(put: [], removed: [key], at: sim.now) }
    case 1 where !isPoison(candidate):
      let isActive =
        switch sim.line.newest[.binding(candidate.tenantID, candidate.bindingID)] {
        case .binding(let binding): binding.isActive
        default: true
        }
      let promoted = BindingResource(
        tenantID: candidate.tenantID,
        bindingID: candidate.bindingID,
        digest: candidate.digest,
        content: candidate.content,
        sectionDigests: candidate.sectionDigests,
        isActive: isActive
      )
      WorldActions.change(sim) {
        $0.commit(put: [.binding(promoted)], removed: [key], at: sim.now)
      }
    default:
      var wider = candidate
      wider.basisPoints = Int(sim.number(Int64(candidate.basisPoints) ... 10_000))
      if sim.chance(0.5) { wider.audience = Audience() }
      WorldActions.change(sim) { $0.commit(put: [.candidate(wider)], at: sim.now) }
    }
  }
}
