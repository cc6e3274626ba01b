import Changelog
import Domain
import Foundation
import Subscription
import Wire

/// A node: the state, streams and waits that `bindery-node` has, on a clock and a disk of this run.
final class Node {
  let number: Int
  private let drift: Double
  private(set) var scope: WatchScope
  private(set) var state = NodeState(image: nil, switches: SwitchTable())
  private(set) var disk = Disk()
  private(set) var isUp = false
  /// What rollouts choose it by; another one after some crashes.
  private(set) var region = "r0"
  private(set) var labels: [String: String] = [:]
  private(set) var link: Link?
  private var stream: NodeStream?
  private var reconnect = Reconnect()
  private var program = 1
  private var life = 0
  /// Messages that have arrived and wait for the one before.
  private var inbox: [(Bindery_V1_WatchResponse, Link)] = []
  private var isBusy = false
  private var isWriting = false
  private var stalledUntil: Int64 = 0
  private var copied: SubscriptionMachine.Cursor?

  init(_ number: Int, drift: Double, _ sim: Simulation) {
    self.number = number
    self.drift = drift
    scope = WatchScope(mode: .eager)
    choose(sim)
    settle(sim)
  }

  private func settle(_ sim: Simulation) {
    region = "r\(sim.number(0 ... 1))"
    labels = sim.chance(0.5) ? ["canary": "yes"] : ["canary": "no"]
  }

  private var place: String { NodeIdentity.place(region: region, labels: labels) }

  static let filters: [Set<TenantID>?] = [nil, [1, 2], [2, 3], [3]].map { numbers in
    numbers.map { Set($0.map(Catalogue.tenantID)) }
  }

  private func choose(_ sim: Simulation) {
    let chosen = [0, 0, 1, 2, 3][Int(sim.number(0 ... 4))]
    scope.tenants = Self.filters[chosen]
  }

  var identity: NodeIdentity {
    NodeIdentity(
      nodeID: "n\(number)",
      region: region,
      labels: labels,
      version: "\(program)",
      mode: scope.mode == .eager ? .eager : .lazy
    )
  }

  func instant(_ sim: Simulation) -> ContinuousClock.Instant { drift.instant(at: sim.now) }

  /// Plans for this life of the process only.
  private func after(
    _ delay: Int64,
    _ sim: Simulation,
    _ body: @escaping (Simulation) throws -> Void
  ) {
    let life = life
    sim.after(delay) { sim in if self.life == life { try body(sim) } }
  }

  // MARK: - Life

  func boot(_ sim: Simulation) throws {
    guard !isUp else { return }
    isUp = true
    if life == 0, sim.chance(0.35) { scope.mode = .lazy }
    var image: ConfigImage?
    if let copy = disk.copy { image = try DiskCopy.decode(copy, readBy: "\(program)", at: place) }
    state = NodeState(image: image, switches: try disk.readSwitches())
    state.isStreaming = true
    copied = state.image.cursor
    reconnect = Reconnect(first: .milliseconds(200), last: .seconds(2))
    sim.trace { "node \(number) boots at \(state.image.revision), \(scope)" }
    try sim.checker.booted(self, sim)
    connect(sim)
    keepCopy(sim)
    turns(sim)
    if scope.mode == .lazy { fetches(sim) }
  }

  func crash(_ sim: Simulation) {
    guard isUp else { return }
    isUp = false
    life += 1
    disk.crash(copyArrives: sim.chance(0.5), switchesArrive: sim.chance(0.5))
    sim.trace { "node \(number) crashes" }
    let old = link
    link = nil
    stream = nil
    inbox = []
    isBusy = false
    isWriting = false
    stalledUntil = 0
    old?.cut(sim, "node crashed")
    old?.endAtNode(sim)
    if sim.chance(0.2) { choose(sim) }
    if sim.chance(0.2) { settle(sim) }
    if sim.chance(0.3) { program += 1 }
    sim.after(sim.number(50_000 ... 3_000_000)) { try self.boot($0) }
  }

  func heal(_ sim: Simulation) throws {
    stalledUntil = 0
    try boot(sim)
    try work(sim)
  }

  /// Reads nothing for a while.
  func stall(_ sim: Simulation, for time: Int64) {
    sim.trace { "node \(number) stops reading" }
    stalledUntil = sim.now + time
    after(time, sim) { try self.work($0) }
  }

  // MARK: - The stream

  private func connect(_ sim: Simulation) {
    guard isUp, link == nil else { return }
    let up = sim.replicas.filter(\.isUp)
    guard !up.isEmpty else { return wait(sim, wasLive: false, drain: nil) }
    let replica = up[Int(sim.number(0 ... Int64(up.count - 1)))]
    let stream = NodeStream(state, at: instant(sim))
    var hello = stream.hello(identity, state)
    hello.hello.filter.tenantIds = (scope.tenants ?? []).sorted().map(\.data)
    let link = Link(self, replica, sim, hello: hello.hello)
    self.link = link
    self.stream = stream
    sim.trace { "\(link.name): connects" }
    link.send(hello, sim)
    if scope.mode == .lazy {
      self.stream?.subscribe(add: Set(state.image.bindingIDs))
    }
    status(link, sim)
  }

  private func status(_ link: Link, _ sim: Simulation) {
    guard self.link === link, let stream else { return }
    guard !stream.isSilent(for: .seconds(5), at: instant(sim)) else {
      link.cut(sim, "silent")
      return link.endAtNode(sim)
    }
    var status = Bindery_V1_NodeStatus()
    status.revision = state.image.revision.value
    self.stream?.tell(status, at: instant(sim))
    flush(sim)
    let interval = Int64(stream.statusInterval / .microseconds(1))
    after(interval, sim) { self.status(link, $0) }
  }

  func left(_ old: Link, _ sim: Simulation) {
    guard link === old else { return }
    let (wasLive, drain) = (stream?.wasLive ?? false, stream?.drain)
    link = nil
    stream = nil
    inbox = []
    wait(sim, wasLive: wasLive, drain: drain)
  }

  private func wait(
    _ sim: Simulation,
    wasLive: Bool,
    drain: (after: Duration, jitter: Duration)?
  ) {
    let chance = Double(sim.number(0 ... 999)) / 1000
    let wait = reconnect.wait(wasLive: wasLive, drain: drain, chance: chance)
    sim.checker.waits(wait, drain: drain)
    after(Int64(wait / .microseconds(1)), sim) { self.connect($0) }
  }

  // MARK: - What comes in

  func arrived(_ message: Bindery_V1_WatchResponse, on link: Link, _ sim: Simulation) throws {
    guard self.link === link else { return }
    inbox.append((message, link))
    try work(sim)
  }

  private func work(_ sim: Simulation) throws {
    while isUp, !isBusy, sim.now >= stalledUntil, !inbox.isEmpty {
      let (message, link) = inbox.removeFirst()
      guard self.link === link else { continue }
      link.hasRead(sim)
      try take(message, link, sim)
    }
  }

  private func take(
    _ message: Bindery_V1_WatchResponse,
    _ link: Link,
    _ sim: Simulation
  ) throws {
    guard var stream else { return }
    sim.trace { "node \(number) takes \(Telling.of(message))" }
    let work: NodeStream.Work?
    do {
      work = try stream.receive(message, at: instant(sim))
    } catch {
      throw Violation(rule: .order, what: "\(link.name): \(error)")
    }
    switch work {
    case nil: break
    case .apply(let batch):
      let before = state.image
      let (image, rejected, dropped) = before.applying(
        batch,
        unconfirmed: stream.unconfirmed(batch)
      )
      let change = state.adopt(image)
      stream.applied(batch, rejected: rejected, dropped: dropped, after: change)
      try sim.checker.applied(batch, by: self, before: before, rejected: rejected, sim)
    case .take(let made):
      let cursor = state.image.cursor
      if let (inForce, change) = state.take(made) {
        stream.took(made.tenantID, inForce, after: change)
      }
      try sim.checker.took(made, by: self, before: cursor)
    case .heartbeat(let beat): state.take(beat)
    }
    self.stream = stream
    try turn(sim)
    if state.unwritten != nil { writeSwitches(sim, isReader: true) }
    flush(sim)
    if stream.drain != nil {
      link.cut(sim, "drained")
      link.endAtNode(sim)
    }
  }

  /// Writes what the outbox lets out.
  private func flush(_ sim: Simulation) {
    guard let link, var stream else { return }
    let requests = stream.take(written: state.written)
    self.stream = stream
    for request in requests {
      do {
        try sim.checker.sends(request, from: self)
      } catch {
        sim.after(0) { _ in throw error }
      }
      link.send(request, sim)
    }
  }

  // MARK: - The disk

  /// - Parameter isReader: the stream's reading task waits for it.
  private func writeSwitches(_ sim: Simulation, isReader: Bool) {
    guard let unwritten = state.unwritten else {
      guard isReader else { return }
      isBusy = false
      flush(sim)
      return sim.after(0) { try self.work($0) }
    }
    if isReader { isBusy = true }
    guard !isWriting else {
      // Files have one thread.
      return after(2_000, sim) { self.writeSwitches($0, isReader: isReader) }
    }
    isWriting = true
    disk.begin(switches: unwritten.table)
    let link = link
    after(sim.number(100 ... 60_000), sim) { sim in
      self.isWriting = false
      if isReader { self.isBusy = false }
      if sim.chance(sim.plan.writeFailures) {
        sim.injected("failed write")
        sim.trace { "node \(self.number): the switches are not written" }
        self.disk.failSwitches()
        if isReader, let link, self.link === link {
          link.cut(sim, "the disk failed")
          link.endAtNode(sim)
        }
        return
      }
      self.disk.finishSwitches()
      self.state.wrote(unwritten.change)
      self.flush(sim)
      try self.work(sim)
    }
  }

  private func keepCopy(_ sim: Simulation) {
    after(sim.number(100_000 ... 900_000), sim) { sim in
      self.keepCopy(sim)
      if self.state.unwritten != nil {
        if !self.isWriting { self.writeSwitches(sim, isReader: false) }
        return
      }
      guard !self.isWriting, let image = self.state.copyable, let cursor = image.cursor,
        cursor != self.copied
      else { return }
      self.isWriting = true
      self.disk.begin(
        copy: try DiskCopy.encode(image, cursor, writtenBy: "\(self.program)", at: self.place)
      )
      self.after(sim.number(100 ... 200_000), sim) { _ in
        self.isWriting = false
        self.disk.finishCopy()
        self.copied = cursor
      }
    }
  }

  // MARK: - Turns

  private func turns(_ sim: Simulation) {
    after(sim.isCalm ? 500_000 : sim.number(50_000 ... 300_000), sim) { sim in
      self.turns(sim)
      try self.turn(sim)
    }
  }

  /// Somebody writes to each tenant: a turn starts where the gate lets it.
  private func turn(_ sim: Simulation) throws {
    for number in WorldActions.tenants {
      let tenant = Catalogue.tenantID(number)
      guard state.gate(tenant, at: instant(sim)) == .open else { continue }
      try sim.checker.turnStarts(tenant, on: self, sim)
    }
  }

  /// LAZY: somebody writes to a binding that is not here.
  private func fetches(_ sim: Simulation) {
    after(sim.number(50_000 ... 600_000), sim) { sim in
      self.fetches(sim)
      guard let link = self.link, self.stream?.wasLive == true else { return }
      let image = self.state.image
      let missing = image.routedBindings.filter {
        image.binding($0.binding) == nil && !image.refuses($0.binding, of: $0.tenant)
      }.sorted { $0.binding < $1.binding }
      guard !missing.isEmpty else { return }
      let wanted = missing[Int(sim.number(0 ... Int64(missing.count - 1)))]
      self.stream?.subscribe(add: [wanted.binding])
      if sim.chance(0.5) { self.flush(sim) } else { sim.after(0) { self.flush($0) } }
      guard let cursor = image.cursor else { return }
      let key = ResourceKey.binding(wanted.tenant, wanted.binding)
      // A call of its own: before or after what the stream carries.
      sim.after(sim.delay()) { sim in
        guard link.isOpenAtReplica, link.replica.isUp else { return }
        guard let answer = Self.fetch(key, cursor, link) else { return }
        try sim.checker.fetched(answer, on: link)
        self.after(sim.delay(), sim) { sim in
          guard self.link === link, Revision(answer.revision) == self.state.image.revision,
            self.stream?.serves(wanted.binding) == true
          else { return }
          let (image, rejected) = self.state.image.adding(answer.changes)
          if self.state.adopt(fetched: image, asOf: Revision(answer.revision)) {
            if !rejected.isEmpty {
              self.stream?.refused(
                rejected,
                asOf: Revision(answer.revision),
                after: self.state.change
              )
              self.flush(sim)
            }
            sim.trace { "node \(self.number) holds \(wanted.binding) as of \(answer.revision)" }
            try sim.checker.holds(self, sim)
          }
        }
      }
    }
  }

  private static func fetch(
    _ key: ResourceKey,
    _ cursor: SubscriptionMachine.Cursor,
    _ link: Link
  ) -> Bindery_V1_FetchResponse? {
    do {
      return try link.replica.hub.fetch(
        [key],
        at: cursor.revision,
        of: cursor.incarnation,
        scope: link.scope,
        place: NodePlace(region: link.node.region, labels: link.node.labels)
      )
    } catch {
      return nil
    }
  }
}
