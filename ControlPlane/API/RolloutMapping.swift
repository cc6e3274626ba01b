internal import Domain
internal import Foundation
internal import Store
internal import Wire
internal import WireMapping

extension Bindery_V1_Rollout {
  /// Without tiers, bindings and nodes.
  init(_ rollout: RolloutRecord) {
    self.init()
    tenant = rollout.tenant
    name = rollout.name
    id = rollout.id.data
    state = rollout.state.rawValue
    strategy = rollout.strategy.wire
    step = Int32(rollout.step)
    createdAtMs = Int64(rollout.createdAt.timeIntervalSince1970 * 1000)
    author = rollout.author
    reason = rollout.reason
    heldMs = rollout.heldMS
    revision = rollout.revision.value
    waiting = rollout.waiting
    endedAtMs = rollout.endedAt.map { Int64($0.timeIntervalSince1970 * 1000) } ?? 0
    endCode = rollout.endCode
    endMessage = rollout.endMessage
    bindingCount = Int32(clamping: rollout.bindingCount)
    guard let report = rollout.report else { return }
    baselineTurns = report.baseline.turns
    candidateTurns = report.candidate.turns
    gateResults = report.results.map { result in
      var wire = Bindery_V1_RolloutGateResult()
      wire.gate = result.gate
      wire.baseline = result.baseline
      wire.candidate = result.candidate
      wire.limit = result.limit
      wire.passed = result.passed
      return wire
    }
  }
}
