package import Domain
package import Wire

extension RolloutStrategy {
  package init(wire: Bindery_V1_RolloutStrategy) throws(MappingError) {
    self.init(
      steps: wire.steps.map { step in
        RolloutStep(
          basisPoints: Int(step.basisPoints),
          audience: Audience(regions: Set(step.regions), labels: step.labels),
          holdMS: step.holdUntilPromoted ? nil : step.holdMs
        )
      },
      gates: try RolloutGates(wire: wire.gates),
      nodeTimeoutMS: wire.nodeTimeoutMs == 0 ? Self.defaultNodeTimeoutMS : wire.nodeTimeoutMs
    )
  }

  package var wire: Bindery_V1_RolloutStrategy {
    var wire = Bindery_V1_RolloutStrategy()
    wire.steps = steps.map { step in
      var wire = Bindery_V1_RolloutStep()
      wire.basisPoints = UInt32(clamping: step.basisPoints)
      wire.regions = step.audience.regions.sorted()
      wire.labels = step.audience.labels
      wire.holdMs = step.holdMS ?? 0
      wire.holdUntilPromoted = step.holdMS == nil
      return wire
    }
    wire.gates = gates.wire
    wire.nodeTimeoutMs = nodeTimeoutMS
    return wire
  }
}

extension RolloutGates {
  package init(wire: Bindery_V1_RolloutGates) throws(MappingError) {
    self.init()
    minTurns = wire.minTurns
    timeoutMS = wire.timeoutMs
    switch wire.onTimeout {
    case "": onTimeout = .pause
    case let text:
      guard let known = OnTimeout(rawValue: text) else {
        throw MappingError(.unsupported, "on_timeout: write pause or rollback")
      }
      onTimeout = known
    }
    maxMoreErrors = wire.hasMaxMoreErrors ? Int(wire.maxMoreErrors) : nil
    maxMoreBlocks = wire.hasMaxMoreBlocks ? Int(wire.maxMoreBlocks) : nil
    maxMoreLatency = wire.hasMaxMoreLatency ? Int(wire.maxMoreLatency) : nil
    maxMoreCost = wire.hasMaxMoreCost ? Int(wire.maxMoreCost) : nil
  }

  package var wire: Bindery_V1_RolloutGates {
    var wire = Bindery_V1_RolloutGates()
    wire.minTurns = minTurns
    wire.timeoutMs = timeoutMS
    wire.onTimeout = onTimeout.rawValue
    if let maxMoreErrors { wire.maxMoreErrors = UInt32(clamping: maxMoreErrors) }
    if let maxMoreBlocks { wire.maxMoreBlocks = UInt32(clamping: maxMoreBlocks) }
    if let maxMoreLatency { wire.maxMoreLatency = UInt32(clamping: maxMoreLatency) }
    if let maxMoreCost { wire.maxMoreCost = UInt32(clamping: maxMoreCost) }
    return wire
  }
}
