package import Changelog
internal import Domain
internal import Foundation
package import Logging
package import Store
internal import Synchronization

/// Tells the other replicas of this one's nodes, and reads what they tell, for as long as it runs.
///
/// Little and aside of commits: a row a replica a beat, and of nodes what has changed, in one statement.
/// Once somebody waits for nodes, at any replica, what they acknowledge is told and read at once.
package struct FleetSync: Sendable {
  package struct Options: Sendable {
    /// From one beat to the next: what others tell is no older. Leases count from a beat.
    package var beat = Duration.seconds(1)
    /// The same while somebody waits here.
    package var waitingBeat = Duration.milliseconds(100)
    /// What comes at once is told together.
    package var gathering = Duration.milliseconds(8)
    /// Nodes that are away are looked for that are to be forgotten, so often.
    package var ageing = Duration.seconds(600)

    package init() {}
  }

  private struct Progress {
    var report: Int64 = 0
    var generation: Int64?
    var known: [UUID: Int64] = [:]
    var agedAt = ContinuousClock.now
    var saidWaitAt: ContinuousClock.Instant?
  }

  private let store: Store
  private let nodes: NodeRegistry
  private let hub: ChangelogHub
  private let logger: Logger
  private let options: Options
  private let member: FleetMember
  private let progress = Progression()

  /// - Parameter address: where this replica listens, for people.
  package init(
    store: Store,
    nodes: NodeRegistry,
    hub: ChangelogHub,
    address: String,
    options: Options = Options(),
    logger: Logger
  ) {
    self.store = store
    self.nodes = nodes
    self.hub = hub
    self.options = options
    self.logger = logger
    member = FleetMember(
      id: UUID(),
      address: address,
      lease: Int64(nodes.options.longestLease / .milliseconds(1)) + 1
    )
  }

  /// Before any node is served: says that this replica is there, and reads what is known of all nodes.
  ///
  /// - Throws: `PostgresError`.
  package func start() async throws {
    nodes.follow(store: try await store.incarnation())
    let age = try await exchange()
    // Before the first of them, nobody told of any node: those with a lease come back, or lose it.
    let left = nodes.options.longestLease - max(age, .zero)
    if left > .zero, try await store.currentRevision() > .zero { nodes.settle(for: left) }
  }

  /// Until cancelled, or the pools are shut down.
  package func run() async throws {
    let (bell, ring) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    nodes.whenThereIsNews { ring.yield() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await self.store.hearFleet { word in
          switch word {
          case .wait: self.nodes.hurry(for: .seconds(2))
          case .told: if self.nodes.isAwaited { ring.yield() }
          }
        }
      }
      group.addTask {
        // The bell rings at each beat, too.
        while true {
          try await Task.sleep(
            for: self.nodes.isAwaited ? self.options.waitingBeat : self.options.beat
          )
          ring.yield()
        }
      }
      group.addTask {
        for await _ in bell {
          await self.beat()
          try await Task.sleep(for: self.options.gathering)
        }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func beat() async {
    do {
      try await exchange()
    } catch {
      if !Task.isCancelled {
        logger.warning("the other replicas' nodes not read", metadata: ["error": "\(error)"])
      }
    }
  }

  /// - Returns: for how long replicas have told each other of their nodes.
  @discardableResult
  private func exchange() async throws -> Duration {
    var now = progress.get()
    defer { progress.set(now) }
    let asked = ContinuousClock.now
    let isAwaited = nodes.isAwaited
    if isAwaited, now.saidWaitAt.map({ asked - $0 > .seconds(1) }) ?? true {
      now.saidWaitAt = asked
      await store.say(.wait)
    }
    if !isAwaited { now.saidWaitAt = nil }
    if let incarnation = hub.configuration?.incarnation { nodes.follow(store: incarnation) }
    let report = nodes.report(at: asked)
    now.report += 1
    let taken = try await store.tellFleet(
      member,
      report: now.report,
      nodes: report.map(\.node)
    )
    hub.register(at: asked)
    nodes.told(report, taken: taken, asked: asked)
    if !report.isEmpty { await store.say(.told) }
    let readAt = ContinuousClock.now
    let reading = try await store.readFleet(
      besides: member.id,
      known: now.known,
      generation: now.generation
    )
    nodes.take(reading, besides: member, asked: readAt)
    now.generation = reading.generation
    now.known = Dictionary(
      reading.replicas.map { ($0.id, $0.report) },
      uniquingKeysWith: { first, _ in first }
    )
    if asked - now.agedAt > options.ageing {
      now.agedAt = asked
      for name in try await store.ageFleet(olderThan: nodes.options.memory) {
        logger.notice(
          "a node that was not seen any more is forgotten",
          metadata: ["node": "\(name)"]
        )
      }
    }
    return .milliseconds(reading.age)
  }

  /// Between one beat and the next; beats follow each other.
  private final class Progression: Sendable {
    private let value = Mutex(Progress())

    func get() -> Progress { value.withLock { $0 } }
    func set(_ progress: Progress) { value.withLock { $0 = progress } }
  }
}
