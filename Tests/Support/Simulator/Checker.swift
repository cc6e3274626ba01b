import Changelog
import Domain
import Foundation
import Subscription
import Wire
import WireMapping

/// Looks at all that is written, sent and held, and at every turn that starts.
struct Checker {
  /// The switches that a node has heard of: all up to a revision of a store, in the name that its scope
  /// has for the store.
  struct Known: Hashable {
    var incarnation: UUID
    var revision: Revision
  }

  struct Place: Hashable {
    var node: Int
    var tenant: TenantID
  }

  /// By tenant: the status from a true time on.
  var statuses: [TenantID: [(at: Int64, status: TenantStatus)]] = [:]
  /// In this life of the process.
  var heard: [Place: Known] = [:]
  var acknowledged: [Place: Known] = [:]

  static func require(
    _ holds: Bool,
    _ rule: Rule,
    _ what: @autoclosure () -> String
  ) throws(Violation) {
    if !holds { throw Violation(rule: rule, what: what()) }
  }

  // MARK: - The store

  mutating func committed(_ sim: Simulation) {
    for number in WorldActions.tenants {
      let id = Catalogue.tenantID(number)
      guard case .tenant(let tenant)? = sim.line.newest[.tenant(id)] else { continue }
      if statuses[id]?.last?.status != tenant.status {
        statuses[id, default: []].append((sim.now, tenant.status))
      }
    }
  }

  /// Whether a tenant was active at some time within the last `window`.
  private func wasActive(_ tenant: TenantID, within window: Int64, _ sim: Simulation) -> Bool {
    for entry in (statuses[tenant] ?? []).reversed() {
      if entry.status == .active { return true }
      if entry.at < sim.now - window { return false }
    }
    return false
  }

  // MARK: - Nodes

  mutating func booted(_ node: Node, _ sim: Simulation) throws {
    for number in WorldActions.tenants {
      let place = Place(node: node.number, tenant: Catalogue.tenantID(number))
      heard[place] = acknowledged[place]
    }
    if node.state.image.cursor != nil {
      do {
        try holds(node, sim)
      } catch let violation as Violation {
        throw Violation(rule: .boot, what: violation.description)
      }
    }
  }

  mutating func applied(
    _ batch: SubscriptionMachine.Batch,
    by node: Node,
    before: ConfigImage,
    rejected: [Bindery_V1_Rejection],
    _ sim: Simulation
  ) throws {
    if !batch.isWhole {
      try Self.require(
        before.cursor?.incarnation == batch.cursor.incarnation
          && before.revision < batch.cursor.revision,
        .order,
        "node \(node.number) goes from \(before.revision) to \(batch.cursor.revision)"
      )
    }
    try Self.require(
      node.state.image.cursor == batch.cursor,
      .wholeRevision,
      "node \(node.number) stands at \(node.state.image.revision), not at \(batch.cursor.revision)"
    )
    for number in WorldActions.tenants {
      let place = Place(node: node.number, tenant: Catalogue.tenantID(number))
      hear(place, Known(incarnation: batch.cursor.incarnation, revision: batch.cursor.revision))
    }
    try holds(node, sim)
    guard let (line, _) = sim.meaning(of: batch.cursor.incarnation) else { return }
    let whole = line.whole(at: batch.cursor.revision)
    for it in rejected {
      guard let key = LinkRecord.key(it.key) else { continue }
      var isPoison = false
      switch whole[key] {
      case .binding(let binding): isPoison = WorldActions.isPoison(binding)
      case .candidate(let candidate): isPoison = RolloutActions.isPoison(candidate)
      default: break
      }
      try Self.require(
        isPoison,
        .rejection,
        "node \(node.number) refuses \(key), which is good: \(it.code)"
      )
    }
  }

  mutating func took(
    _ made: SubscriptionMachine.Switch,
    by node: Node,
    before: SubscriptionMachine.Cursor?
  ) throws {
    try Self.require(
      node.state.image.cursor == before,
      .controlMovesCursor,
      "node \(node.number) stood at \(before?.revision ?? .zero)"
    )
    hear(
      Place(node: node.number, tenant: made.tenantID),
      Known(incarnation: made.incarnation, revision: made.revision)
    )
  }

  private mutating func hear(_ place: Place, _ new: Known) {
    if let old = heard[place], old.incarnation == new.incarnation, old.revision >= new.revision {
      return
    }
    heard[place] = new
  }

  /// Something leaves a node.
  mutating func sends(_ request: Bindery_V1_WatchRequest, from node: Node) throws {
    guard case .ack(let ack) = request.message else { return }
    let table = node.disk.switches
    if ack.hasControl {
      guard let tenant = TenantID(bytes: ack.control.tenantID) else { return }
      let place = Place(node: node.number, tenant: tenant)
      try Self.require(
        table[tenant]?.revision.value ?? 0 >= ack.control.switchRevision
          || table[tenant] == node.state.switches[tenant],
        .diskBeforeAck,
        "node \(node.number) acknowledges switch \(ack.control.switchRevision) of tenant"
          + " \(tenant.bytes[1]), its disk has \(table[tenant]?.revision ?? .zero)"
      )
      if let known = heard[place] { acknowledged[place] = known }
      return
    }
    for tenant in node.state.image.allTenants where tenant.switchRevision > .zero {
      let place = Place(node: node.number, tenant: tenant.tenantID)
      try Self.require(
        node.state.image.revision.value > ack.revision
          || table[tenant.tenantID]?.revision ?? .zero >= tenant.switchRevision
          || table[tenant.tenantID] == node.state.switches[tenant.tenantID],
        .diskBeforeAck,
        "node \(node.number) acknowledges \(ack.revision), its disk has switch"
          + " \(table[tenant.tenantID]?.revision ?? .zero) of tenant \(tenant.tenantID.bytes[1])"
      )
      if let known = heard[place], known.revision.value <= ack.revision {
        acknowledged[place] = known
      }
    }
  }

  // MARK: - Turns

  func turnStarts(_ tenant: TenantID, on node: Node, _ sim: Simulation) throws {
    if case .tenant(let resource)? = sim.line.newest[.tenant(tenant)],
      resource.stalePolicy == .refuse
    {
      let bound = Int64(Double(Simulation.lease) * (1 + Simulation.leaseTolerance))
      try Self.require(
        wasActive(tenant, within: bound, sim),
        .leaseBound,
        "a turn of tenant \(tenant.bytes[1]) starts on node \(node.number), which may not since"
          + " \(statuses[tenant]?.last?.at ?? 0) us"
      )
    }
    guard let known = heard[Place(node: node.number, tenant: tenant)],
      let (line, _) = sim.meaning(of: known.incarnation)
    else { return }
    var revision = max(known.revision, Revision(line.first))
    while revision <= line.revision {
      if case .tenant(let resource)? = line.whole(at: revision)[.tenant(tenant)],
        resource.status == .active
      {
        return
      }
      revision = revision.next
    }
    throw Violation(
      rule: .switchUndone,
      what: "a turn of tenant \(tenant.bytes[1]) starts on node \(node.number), which has heard of"
        + " switches through \(known.revision)"
    )
  }

  // MARK: - Reconnects

  func waits(
    _ wait: Duration,
    drain: (after: Duration, jitter: Duration)?
  ) {
    // The bound of waits is part of convergence: a node that waits too long is not there in the end.
  }

  // MARK: - The end

  func converged(_ sim: Simulation) throws {
    for node in sim.nodes {
      let image = node.state.image
      let line = sim.line
      try Self.require(
        image.revision == line.revision
          && image.cursor?.incarnation == node.scope.incarnation(of: line.incarnation),
        .convergence,
        "node \(node.number) is at \(image.revision), the store at \(line.revision)"
      )
      try holds(node, sim)
      for number in WorldActions.tenants {
        let id = Catalogue.tenantID(number)
        guard node.scope.admits(id), case .tenant(let tenant)? = line.newest[.tenant(id)] else {
          continue
        }
        let gate = node.state.gate(id, at: node.instant(sim))
        let expected: TenantGate =
          switch tenant.status {
          case .active: .open
          case .paused: .paused(tenant.pausedPolicy, message: tenant.pausedMessage)
          case .archived: .closed
          }
        try Self.require(
          gate == expected,
          .convergence,
          "node \(node.number): tenant \(number) is \(tenant.status), its gate \(gate)"
        )
      }
    }
  }
}
