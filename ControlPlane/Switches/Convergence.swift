internal import Changelog
package import Domain
package import Foundation

/// What a wait is for.
package enum ConvergenceTarget: Hashable, Sendable {
  /// A revision of the configuration.
  case revision(Revision)
  /// A switch of a tenant, made at a revision.
  case tenantSwitch(TenantID, Revision, StalePolicy)

  package var revision: Revision {
    switch self {
    case .revision(let revision), .tenantSwitch(_, let revision, _): revision
    }
  }
}

/// How far a target is in force over the fleet.
package struct Convergence: Hashable, Sendable {
  package struct Confirmation: Hashable, Sendable {
    package var nodeID: String
    /// From the commit to the acknowledgement.
    package var after: Duration
    /// The node did not answer, but can't serve the tenant any more.
    package var byLease: Bool
  }

  package private(set) var confirmed: [Confirmation] = []
  /// Names of nodes that may still go by what was before.
  package private(set) var unconfirmed: [String] = []

  package var isComplete: Bool { unconfirmed.isEmpty }

  /// Who has confirmed and who has not, without the times.
  var names: [[String]] { [confirmed.map(\.nodeID), unconfirmed] }

  /// Judges what the nodes have told so far.
  ///
  /// A node without a lease no longer counts for a revision: whatever it serves, it is not live. For
  /// a switch it does, unless the tenant's policy is to refuse without a lease.
  package init(
    of target: ConvergenceTarget,
    over nodes: [KnownNode],
    committedAt: Date,
    now: ContinuousClock.Instant
  ) {
    for node in nodes {
      switch node.standing(on: target, at: now) {
      case .uncounted: continue
      case .unconfirmed: unconfirmed.append(node.nodeID)
      case .confirmed(let date):
        let after = Duration.seconds(max(0, date.timeIntervalSince(committedAt)))
        confirmed.append(Confirmation(nodeID: node.nodeID, after: after, byLease: false))
      case .leaseIsOut(let age):
        let since = Duration.seconds(Date().timeIntervalSince(committedAt)) - age
        confirmed.append(
          Confirmation(nodeID: node.nodeID, after: max(since, .zero), byLease: true)
        )
      }
    }
  }
}

extension KnownNode {
  /// Where a node stands with a target.
  enum Standing {
    case confirmed(Date)
    /// It can't serve the tenant any more, for so long.
    case leaseIsOut(Duration)
    case unconfirmed
    /// The target is none of its business.
    case uncounted
  }

  func standing(on target: ConvergenceTarget, at now: ContinuousClock.Instant) -> Standing {
    switch target {
    case .revision(let revision):
      if let date = acknowledgement(of: revision) { return .confirmed(date) }
      return !isConnected && isLeaseOut(at: now) ? .uncounted : .unconfirmed
    case .tenantSwitch(let tenant, let revision, let policy):
      guard scope.admits(tenant) else { return .uncounted }
      if let date = acknowledgement(of: tenant, revision) { return .confirmed(date) }
      guard policy == .refuse, isLeaseOut(at: now) else { return .unconfirmed }
      return .leaseIsOut(leaseEnd.map { $0.duration(to: now) } ?? .zero)
    }
  }
}

/// It can't be told whether a target is in force on the nodes of the other replicas.
package struct FleetUnknown: Error, CustomStringConvertible {
  package var description: String {
    "the nodes of the other replicas can't be read from the database now; try again"
  }
}

extension NodeRegistry {
  /// At most so often a change is reported; the last one always is.
  private static let reportInterval = Duration.milliseconds(50)
  /// All that acknowledge within it wake a waiter once.
  private static let wakeInterval = Duration.milliseconds(2)

  /// Waits until a target is in force everywhere, or for `timeout`; reports changes, the last one
  /// included. Nothing is reported twice.
  ///
  /// - Parameter tenant: Only nodes that serve it count; nil for all nodes.
  package func waitForConvergence(
    on target: ConvergenceTarget,
    serving tenant: TenantID? = nil,
    committedAt: Date,
    timeout: Duration,
    _ report: (Convergence) async throws -> Void
  ) async throws -> Convergence {
    let begun = ContinuousClock.now
    let deadline = begun + timeout
    let (number, stream, ring) = listen()
    beginWait()
    defer {
      endWait()
      unlisten(number)
    }
    return try await withThrowingTaskGroup(of: Void.self) { group in
      // Leases and the timeout run out without anyone telling.
      group.addTask {
        while true {
          try await Task.sleep(for: .milliseconds(100))
          ring.yield()
        }
      }
      defer { group.cancelAll() }
      var last: Convergence?
      var lastReport: ContinuousClock.Instant?
      var changes = stream.makeAsyncIterator()
      while true {
        let now = ContinuousClock.now
        // With a thousand nodes, all acknowledge at once; to list them each time would cost more than
        // the push.
        if let lastReport, now - lastReport < Self.reportInterval, now < deadline,
          !isInForce(target, serving: tenant, at: now)
        {
          await changes.next()
          try await Task.sleep(for: Self.wakeInterval)
          continue
        }
        lastReport = now
        // Before the nodes are looked at: a reading that comes after does not make them whole.
        let isWhole = isWhole(since: begun, at: now)
        let nodes = nodes.filter { node in tenant.map { node.scope.admits($0) } ?? true }
        let found = Convergence(of: target, over: nodes, committedAt: committedAt, now: now)
        if found.names != last?.names { try await report(found) }
        last = found
        if found.isComplete, isWhole { return found }
        if now >= deadline {
          // What others have told is too old to say that all is well.
          if found.isComplete { throw FleetUnknown() }
          return found
        }
        await changes.next()
        try Task.checkCancellation()
      }
    }
  }
}
