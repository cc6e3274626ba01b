import Domain
import Foundation
import Models
import Subscription
import Synchronization
import Testing
import Turn
import TurnDoubles
import Wire

@Suite("Intake and scheduling")
struct SchedulingTests {
  /// Intake, scheduler and runner as a node wires them.
  private struct Desk {
    let harness: TurnHarness
    let scheduler: ConversationScheduler
    let intake: Intake
    let held = HeldInputs()

    init(_ harness: TurnHarness) {
      self.harness = harness
      scheduler = ConversationScheduler(logger: harness.services.logger) { address, known in
        let account = harness.tenant.account.slug
        guard let plan = harness.runner.plan(address, channelAccount: account) else {
          return TurnEnd(kind: .unknown)
        }
        return await harness.runner.run(plan, known: known, delivery: .message(harness.sender))
      }
      var debounce = Intake.Debounce()
      debounce.quietMS = 20
      intake = Intake(
        harness.services,
        scheduler: scheduler,
        held: held,
        debounce: debounce
      )
    }

    func say(_ text: String, id: String = UUID().uuidString) async -> Intake.Outcome {
      await intake.take(
        harness.message(text, id: id, account: harness.tenant.account.slug),
        in: harness.address("whatsapp")
      )
    }

    /// Runs the scheduler while `body` runs, then lets the turns under way finish.
    func running(_ body: @Sendable () async throws -> Void) async throws {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await scheduler.run() }
        try await body()
        await scheduler.finish()
        try await group.waitForAll()
      }
    }
  }

  private func wait(until condition: () async -> Bool) async throws {
    for _ in 0 ..< 2_000 {
      if await condition() { return }
      try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record("the condition did not come true within 10 s")
  }

  @Test("answers two quick messages by one reply")
  func coalesces() async throws {
    let desk = Desk(TurnHarness(controlPlane: MemoryControlPlane(dueInMS: 100)))
    try await desk.running {
      #expect(await desk.say("one") == .stored)
      #expect(await desk.say("two") == .stored)
      try await wait { await desk.scheduler.count == 0 }
    }
    #expect(desk.harness.sender.messages.count == 1)
    #expect(desk.harness.model.requests.first?.messages == [.user("one\ntwo")])
  }

  @Test("answers what came in during a turn by the next one")
  func during() async throws {
    let box = Mutex<Desk?>(nil)
    let model = ScriptedModel(
      .runs(
        {
          let desk = box.withLock { $0 }
          _ = await desk?.say("two")
        },
        then: "First."
      ),
      .pieces(["Second."])
    )
    let desk = Desk(TurnHarness(model: model))
    box.withLock { $0 = desk }
    try await desk.running {
      #expect(await desk.say("one") == .stored)
      try await wait { desk.harness.sender.messages.count == 2 }
      try await wait { await desk.scheduler.count == 0 }
    }
    #expect(desk.harness.sender.messages.map(\.text) == ["First.", "Second."])
    #expect(desk.harness.sender.repeats == 0)
  }

  @Test("takes the same delivery once, with and without the control plane")
  func duplicates() async throws {
    let desk = Desk(TurnHarness())
    try await desk.running {
      #expect(await desk.say("one", id: "wamid.A") == .stored)
      #expect(await desk.say("one", id: "wamid.A") == .duplicate)
      desk.harness.controlPlane.read { $0.isAway = true }
      #expect(await desk.say("one", id: "wamid.A") == .duplicate)
      #expect(await desk.say("two", id: "wamid.B") == .stored)
      #expect(await desk.say("two", id: "wamid.B") == .duplicate)
      try await wait { await desk.scheduler.count == 0 }
    }
    #expect(desk.harness.controlPlane.read { $0.accepts } == 1)
  }

  @Test("answers from the cache while the control plane is away, and not again on its return")
  func outage() async throws {
    let desk = Desk(TurnHarness())
    desk.harness.controlPlane.read { $0.isAway = true }
    try await desk.running {
      #expect(await desk.say("anyone there?") == .stored)
      try await wait { desk.harness.sender.messages.count == 1 }
      try await wait { await desk.scheduler.count == 0 }
      desk.harness.controlPlane.read { $0.isAway = false }
      #expect(await desk.intake.replayHeld())
      try await wait { await desk.scheduler.count == 0 }
    }
    #expect(desk.harness.sender.messages.count == 1)
    #expect(desk.harness.controlPlane.read { $0.accepts } == 0)
    #expect(desk.harness.spool.records.first?.messages.first?.body == "anyone there?")
    #expect(desk.held.count == 0)
    #expect(desk.harness.inbox.count == 0)
  }

  @Test("hands what it held over on the return, and answers it then")
  func heldThroughOutage() async throws {
    let desk = Desk(TurnHarness(tenant: SampleTenant(degraded: .hold)))
    desk.harness.controlPlane.read { $0.isAway = true }
    try await desk.running {
      #expect(await desk.say("anyone there?") == .stored)
      #expect(!(await desk.intake.replayHeld()))
      #expect(desk.harness.sender.messages.isEmpty)
      desk.harness.controlPlane.read { $0.isAway = false }
      #expect(await desk.intake.replayHeld())
      try await wait { desk.harness.sender.messages.count == 1 }
      try await wait { await desk.scheduler.count == 0 }
    }
    #expect(desk.harness.controlPlane.read { $0.commits.count } == 1)
    #expect(desk.held.count == 0)
  }

  @Test("hands what it held over though its claim stream never ended")
  func heldThroughASilence() async throws {
    let desk = Desk(TurnHarness(tenant: SampleTenant(degraded: .hold)))
    let plane = desk.harness.controlPlane
    plane.read { $0.keepsClaiming = true }
    let claims = ClaimWorker(
      desk.harness.services,
      scheduler: desk.scheduler,
      intake: desk.intake,
      sender: desk.harness.sender,
      replayInterval: .milliseconds(10)
    )
    try await desk.running {
      let worker = Task { await claims.run() }
      try await wait { plane.read { $0.claims } == 1 }
      plane.read { $0.isAway = true }
      #expect(await desk.say("anyone there?") == .stored)
      #expect(desk.held.count == 1)
      plane.read { $0.isAway = false }
      try await wait { desk.harness.sender.messages.count == 1 }
      try await wait { await desk.scheduler.count == 0 }
      worker.cancel()
      await worker.value
    }
    #expect(plane.read { $0.claims } == 1)
    #expect(desk.held.count == 0)
  }

  @Test("sets a held message aside that is refused, and goes on with the others")
  func heldAndRefused() async throws {
    let desk = Desk(TurnHarness(tenant: SampleTenant(degraded: .hold)))
    desk.harness.controlPlane.read {
      $0.isAway = true
      $0.refusedMessages = ["wamid.A"]
    }
    try await desk.running {
      #expect(await desk.say("one", id: "wamid.A") == .stored)
      #expect(await desk.say("two", id: "wamid.B") == .stored)
      desk.harness.controlPlane.read { $0.isAway = false }
      #expect(await desk.intake.replayHeld())
      try await wait { desk.harness.sender.messages.count == 1 }
      try await wait { await desk.scheduler.count == 0 }
      #expect(await desk.intake.replayHeld())
    }
    #expect(desk.harness.controlPlane.read { $0.accepts } == 2)
    #expect(desk.held.count == 0)
    // Still on disk.
    #expect(desk.harness.inbox.count == 1)
  }

  @Test("tells the sender to try again when neither the control plane nor the disk takes it")
  func nowhere() async throws {
    let desk = Desk(TurnHarness())
    desk.harness.controlPlane.read { $0.isAway = true }
    desk.harness.inbox.fill()
    #expect(await desk.say("lost?") == .unavailable)
  }
}
