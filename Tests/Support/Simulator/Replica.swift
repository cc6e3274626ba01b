import Changelog
import Domain
import Foundation

/// A control plane: a hub that follows the store over a network that may fail.
final class Replica {
  let number: Int
  private let drift: Double
  private(set) var hub: ChangelogHub
  private(set) var isUp = false
  /// From the database; nodes still reach it.
  var isCutOff = false
  private(set) var links: [Link] = []
  private var tail: TailMachine
  private var life = 0

  init(_ number: Int, drift: Double, _ sim: Simulation) {
    self.number = number
    self.drift = drift
    hub = Self.hub(sim)
    tail = TailMachine(hub: hub)
  }

  private static func hub(_ sim: Simulation) -> ChangelogHub {
    var limits = ChangelogHub.Limits()
    limits.keys = sim.plan.logKeys
    limits.chunkBytes = sim.plan.chunkBytes
    return ChangelogHub(limits: limits)
  }

  func instant(_ sim: Simulation) -> ContinuousClock.Instant { drift.instant(at: sim.now) }

  // MARK: - Life

  func start(_ sim: Simulation) {
    guard !isUp else { return }
    isUp = true
    life += 1
    hub = Self.hub(sim)
    tail = TailMachine(hub: hub)
    sim.trace { "replica \(number) starts" }
    follow(sim)
  }

  /// Stops: at once, or after it has told its nodes to go.
  func leave(_ sim: Simulation) throws {
    guard sim.chance(0.5) else {
      sim.injected("kill of a replica")
      return stop(sim)
    }
    sim.injected("drain of a replica")
    sim.trace { "replica \(number) drains" }
    for link in links { link.watcher.drain(after: 0, jitter: 500) }
    try ring(sim)
    let life = life
    sim.after(sim.number(0 ... 300_000)) { sim in
      if self.life == life { self.stop(sim) }
    }
  }

  private func stop(_ sim: Simulation) {
    guard isUp else { return }
    isUp = false
    life += 1
    sim.trace { "replica \(number) is gone" }
    for link in links { link.cut(sim, "replica gone") }
    links = []
    sim.after(sim.number(100_000 ... 3_000_000)) { self.start($0) }
  }

  // MARK: - The store

  private func follow(_ sim: Simulation) {
    let life = life
    let asked = instant(sim)
    let step = tail.step
    var wait = sim.number(0 ... 20_000)
    if case .wait = step { wait += sim.isCalm ? 180_000 : sim.number(0 ... 180_000) }
    sim.after(wait) { sim in
      guard self.life == life else { return }
      guard !self.isCutOff else {
        self.tail.failed()
        return sim.after(100_000) { sim in if self.life == life { self.follow(sim) } }
      }
      // Read now, and told later.
      let line = sim.line
      let position = StorePosition(incarnation: line.incarnation, revision: line.revision)
      let back = sim.chance(0.5) ? 0 : sim.number(0 ... 12)
      let base = Revision(max(line.first, line.revision.value - back))
      var commits: [Commit] = []
      if case .commits(let at) = step {
        commits = line.commits(after: at, limit: Int(sim.number(1 ... 4)))
      }
      sim.after(
        sim.chance(0.05) && !sim.isCalm ? sim.number(0 ... 800_000) : sim.number(0 ... 15_000)
      ) { sim in
        guard self.life == life else { return }
        switch step {
        case .snapshot:
          do {
            try self.tail.read(
              line.incarnation,
              line.snapshot(at: base),
              recent: line.commits(after: base, limit: .max),
              asked: asked
            )
          } catch {
            throw Violation(rule: .order, what: "replica \(self.number): \(error)")
          }
        case .renewal: self.tail.renewed()
        case .wait: self.tail.waited(position, asked: asked)
        case .commits:
          do { try self.tail.read(line.incarnation, commits) } catch { self.tail.failed() }
        }
        sim.trace { "replica \(self.number) is at \(self.hub.revision ?? .zero) after \(step)" }
        try self.ring(sim)
        self.follow(sim)
      }
    }
  }

  /// It made the newest commit itself, and need not read it.
  func made(_ commit: Commit, of incarnation: UUID, _ sim: Simulation) {
    let life = life
    sim.after(sim.number(0 ... 4_000)) { sim in
      guard self.life == life, self.hub.offer(commit, of: incarnation) else { return }
      sim.trace { "replica \(self.number) is at \(commit.revision) by its own commit" }
      try self.ring(sim)
    }
  }

  // MARK: - Streams

  func take(_ link: Link) { links.append(link) }

  func drop(_ link: Link) { links.removeAll { $0 === link } }

  /// Lets all streams with news write.
  func ring(_ sim: Simulation) throws {
    for link in links where link.bell.isRung() { try link.pump(sim) }
  }
}
