internal import Changelog
internal import Domain
internal import Foundation
package import Logging
package import Store
package import Switches

/// Drives the rollouts of all tenants from the database: each look reads what is stored, and whatever is
/// decided is stored with the change itself. Of several replicas one decides at a time; all tell what
/// they know of nodes.
package final class RolloutDriver: Sendable {
  package struct Options: Sendable {
    /// Between two looks while a rollout is active.
    package var interval = Duration.milliseconds(250)
    /// Between two looks whether there is one.
    package var idleInterval = Duration.seconds(1)
    /// Of the figures of gates, at least so old.
    package var gateInterval = Duration.seconds(2)
    /// Of signs of life of nodes without other news.
    package var signInterval = Duration.seconds(5)

    package init() {}
  }

  /// Of a node that leaves just when a step comes, in ms.
  private static let graceMS: Int64 = 1_000

  private let store: Store
  private let nodes: NodeRegistry
  private let gates: any GateSource
  private let options: Options
  private let logger: Logger

  package init(
    store: Store,
    nodes: NodeRegistry,
    gates: any GateSource,
    options: Options = Options(),
    logger: Logger
  ) {
    self.store = store
    self.nodes = nodes
    self.gates = gates
    self.options = options
    self.logger = logger
  }

  /// Goes on until cancelled; what fails is tried again.
  package func run() async throws {
    var looks = RolloutLooks()
    while true {
      var isActive = false
      do {
        isActive = try await look(&looks)
      } catch let error where !(error is CancellationError) && !Task.isCancelled {
        logger.warning("rollouts not looked at", metadata: ["error": "\(error)"])
      }
      try await Task.sleep(for: isActive ? options.interval : options.idleInterval)
    }
  }

  /// One look at all active rollouts; tells whether there are any.
  package func look(_ looks: inout RolloutLooks) async throws -> Bool {
    let active = try await store.activeRollouts()
    looks.keep(Set(active.map(\.id)))
    guard !active.isEmpty else { return false }
    for rollout in active {
      do {
        try await tell(rollout, &looks)
      } catch {
        try pass(over: rollout, error)
      }
    }
    var reports = looks
    let driven = try await store.drivingRollouts {
      // Read again: another replica may have decided since.
      var due: [RolloutRecord] = []
      for rollout in try await store.activeRollouts() {
        do {
          let known = reports.figures(of: rollout, within: options.gateInterval)
          if try await !drive(rollout, by: known) { due.append(rollout) }
        } catch {
          try pass(over: rollout, error)
        }
      }
      // Figures may take long: by then all are protected by what is known.
      for rollout in due {
        do {
          _ = try await drive(rollout, by: try await figures(of: rollout, &reports))
        } catch {
          try pass(over: rollout, error)
        }
      }
      return reports
    }
    if let driven { looks = driven }
    return true
  }

  /// The others are not to suffer from what goes wrong with one.
  private func pass(over rollout: RolloutRecord, _ error: any Error) throws {
    if error is CancellationError || Task.isCancelled { throw error }
    // Somebody else has changed it meanwhile.
    if let error = error as? StoreError, error.kind == .occupied { return }
    logger.warning(
      "rollout not driven",
      metadata: ["rollout": "\(rollout.tenant)/\(rollout.name)", "error": "\(error)"]
    )
  }

  /// Tells what this replica knows of the nodes that the step is for.
  private func tell(_ rollout: RolloutRecord, _ looks: inout RolloutLooks) async throws {
    let audience = rollout.currentStep.audience
    let concerned = nodes.nodes.filter { node in
      // What another replica serves it tells of itself, sooner than others hear of it.
      (node.told == nil || !node.isConnected) && node.scope.admits(rollout.tenantID)
        && audience.includes(region: node.region, labels: node.labels)
    }
    guard !concerned.isEmpty else { return }
    var digests: [BindingID: Digest] = looks.digests[rollout.id] ?? [:]
    if digests.isEmpty {
      digests = try await store.candidateDigests(of: rollout)
      looks.digests[rollout.id] = digests
    }
    var told: [RolloutRecord.Node] = []
    for node in concerned {
      let silent = max(0, Date().timeIntervalSince(node.lastSeen)) * 1000
      // Whoever had left before the step has nothing to confirm.
      if !node.isConnected, Int64(silent) > rollout.heldMS + Self.graceMS { continue }
      let rejection = Self.rejection(of: digests, by: node)
      let news = RolloutLooks.Told(
        step: rollout.revision,
        revision: min(node.revision, rollout.revision),
        isConnected: node.isConnected,
        code: rejection?.code
      )
      // With a thousand nodes most have no news most of the time.
      if let last = looks.told[rollout.id]?[node.nodeID], last.news == news,
        !node.isConnected || last.at.duration(to: .now) < options.signInterval
      {
        continue
      }
      looks.told[rollout.id, default: [:]][node.nodeID] = (news, .now)
      told.append(
        RolloutRecord.Node(
          nodeID: node.nodeID,
          region: node.region,
          revision: node.revision,
          // A stream that is open is a sign of life.
          silentMS: node.isConnected ? 0 : Int64(silent),
          rejection: rejection
        )
      )
    }
    guard !told.isEmpty else { return }
    do {
      try await store.note(told, of: rollout)
    } catch {
      looks.told[rollout.id] = nil
      throw error
    }
  }

  private static func rejection(
    of digests: [BindingID: Digest],
    by node: KnownNode
  ) -> RolloutRecord.Rejection? {
    for rejection in node.rejections.values {
      guard case .candidate(_, let binding) = rejection.key, let digest = rejection.digest,
        digests[binding] == digest
      else { continue }
      return RolloutRecord.Rejection(code: rejection.code, message: rejection.message)
    }
    return nil
  }

  /// Decides and acts; false when the figures of the gates have to be asked for first.
  private func drive(
    _ rollout: RolloutRecord,
    by figures: RolloutLooks.Figures
  ) async throws -> Bool {
    let report = figures.report
    let nodes = try await store.nodes(of: rollout)
    var decision = RolloutMachine.decide(.init(rollout, nodes: nodes, report: report))
    switch (figures.age, decision) {
    case (.current, _): break
    // For its nodes, or for figures that failed before: newer ones change nothing about it.
    case (_, .change(.rollBack(let code, _))) where code != RolloutMachine.tooFewTurns: break
    case (.due, _): return false
    case (.missing, .change(_)): decision = .wait("the figures of its gates")
    case (.missing, .wait(_)): break
    }
    switch decision {
    case .wait(let waiting):
      if waiting != rollout.waiting || report != rollout.report {
        try await store.note(waiting: waiting, report: report, of: rollout)
      }
    case .change(let change):
      // The figures that it was decided by stay to be seen.
      if report != rollout.report {
        try await store.note(waiting: rollout.waiting, report: report, of: rollout)
      }
      let revision = try await store.change(
        rollout,
        change,
        author: "rollout \(rollout.name)",
        reason: Self.reason(change)
      )
      logger.notice(
        "rollout goes on",
        metadata: [
          "rollout": "\(rollout.tenant)/\(rollout.name)", "change": "\(Self.reason(change))",
          "revision": "\(revision ?? .zero)",
        ]
      )
    }
    return true
  }

  /// Asks for the figures of the gates; the last ones when that fails.
  private func figures(
    of rollout: RolloutRecord,
    _ looks: inout RolloutLooks
  ) async throws -> RolloutLooks.Figures {
    var figures = looks.figures(of: rollout, within: .zero)
    do {
      let arms = try await gates.figures(of: rollout)
      figures.report = GateJudge.judge(
        baseline: arms.baseline,
        candidate: arms.candidate,
        by: rollout.strategy.gates
      )
      figures.age = .current
    } catch let error where !(error is CancellationError) && !Task.isCancelled {
      logger.warning(
        "figures of gates not read",
        metadata: ["rollout": "\(rollout.tenant)/\(rollout.name)", "error": "\(error)"]
      )
      figures.age = .missing
    }
    looks.reports[rollout.id] = (.now, figures)
    return figures
  }

  private static func reason(_ change: RolloutChange) -> String {
    switch change {
    case .advance(let step): "step \(step + 1)"
    case .pause: "gates: too few turns in time"
    case .resume: "resumed"
    case .promote: "all steps done"
    case .rollBack(let code, let message): "\(code): \(message)"
    case .abort: "aborted"
    }
  }
}

/// What a replica remembers from one look to the next, to ask less; it may be lost at any time.
package struct RolloutLooks: Sendable {
  /// What was told of a node.
  struct Told: Equatable, Sendable {
    var step: Revision
    var revision: Revision
    var isConnected: Bool
    var code: String?
  }

  /// What the gates of a rollout said last.
  struct Figures: Sendable {
    enum Age: Sendable {
      case current
      /// They are to be asked for again.
      case due
      /// They could not be had: nothing goes on by older ones.
      case missing
    }

    var report: GateReport?
    var age: Age
  }

  var digests: [RolloutID: [BindingID: Digest]] = [:]
  var told: [RolloutID: [String: (news: Told, at: ContinuousClock.Instant)]] = [:]
  var reports: [RolloutID: (at: ContinuousClock.Instant, figures: Figures)] = [:]

  package init() {}

  /// What is known without asking.
  func figures(of rollout: RolloutRecord, within interval: Duration) -> Figures {
    guard rollout.strategy.gates.minTurns > 0 else {
      return Figures(report: rollout.report, age: .current)
    }
    guard let last = reports[rollout.id] else { return Figures(report: rollout.report, age: .due) }
    return last.at.duration(to: .now) < interval
      ? last.figures : Figures(report: last.figures.report, age: .due)
  }

  mutating func keep(_ active: Set<RolloutID>) {
    digests = digests.filter { active.contains($0.key) }
    told = told.filter { active.contains($0.key) }
    reports = reports.filter { active.contains($0.key) }
  }
}
