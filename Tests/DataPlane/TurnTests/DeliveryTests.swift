import Domain
import Foundation
import Models
import Subscription
import Testing
import Turn
import TurnDoubles
import Wire

@Suite("What leaves a turn, and what must not")
struct DeliveryTests {
  private func whatsAppTurn(
    _ harness: TurnHarness,
    _ text: String = "hi"
  ) async throws -> TurnEnd {
    let address = harness.address("whatsapp")
    let account = harness.tenant.account.slug
    let message = harness.message(text, account: account)
    var request = Bindery_V1_AcceptRequest()
    request.conversation = address.wire
    request.message = message
    do {
      _ = try await harness.controlPlane.accept(request)
    } catch is ConversationFailure {
      // Away: the node holds the message itself.
    }
    let plan = try #require(harness.runner.plan(address, channelAccount: account))
    return await harness.runner.run(plan, known: [message], delivery: .message(harness.sender))
  }

  @Test("is sent once, after the commit, and settled")
  func sent() async throws {
    let harness = TurnHarness()
    let end = try await whatsAppTurn(harness)
    #expect(end.kind == .replied)
    #expect(harness.sender.messages.map(\.text) == ["Hi!"])
    #expect(harness.sender.messages.first?.channelAccount == harness.tenant.account.slug)
    let (committed, settled) = harness.controlPlane.read { ($0.commits, $0.settled) }
    #expect(committed.first?.outbox.map(\.state) == [.pending])
    #expect(settled.map(\.state) == [.sent])
    #expect(settled.first?.providerMessageID == "wamid.1")
  }

  @Test("is dropped when another node holds the conversation")
  func fenced() async throws {
    let harness = TurnHarness()
    harness.controlPlane.read { $0.commitDisposition = .fenced }
    let end = try await whatsAppTurn(harness)
    #expect(end.kind == .abandoned)
    #expect(harness.sender.messages.isEmpty)
  }

  @Test("is kept, not sent, when the tenant was paused by the time of the commit")
  func committedHeld() async throws {
    let harness = TurnHarness()
    harness.controlPlane.read { $0.commitDisposition = .committedHeld }
    let end = try await whatsAppTurn(harness)
    #expect(end.kind == .held)
    #expect(harness.sender.messages.isEmpty)
  }

  @Test("no more leaves once the switch is off, in the middle of a stream")
  func pausedMidway() async throws {
    let tenant = SampleTenant()
    let configuration = TestConfiguration(tenant)
    let model = ScriptedModel(
      .runs({ configuration.set(.paused(.hold, message: [:]), for: tenant) }, then: "Too late.")
    )
    var harness = TurnHarness(tenant: tenant, model: model)
    harness.use(configuration)
    let plan = try #require(
      harness.runner.plan(harness.address("web"), message: harness.message("hi"))
    )
    let stream = CollectingStream()
    let end = await harness.runner.run(plan, known: [], delivery: .stream(stream))
    #expect(end.kind == .held)
    #expect(stream.pieces.isEmpty)
    #expect(harness.controlPlane.read { $0.commits }.isEmpty)
  }

  @Test("what waited for the commit does not leave on the web when the switch went off meanwhile")
  func pausedAtTheCommit() async throws {
    let tenant = SampleTenant()
    let configuration = TestConfiguration(tenant)
    // The last of the reply is kept back until the whole is checked.
    var harness = TurnHarness(
      tenant: tenant,
      model: ScriptedModel(.pieces(["A long answer."])),
      guards: WordGuards(window: 1_000)
    )
    harness.use(configuration)
    harness.controlPlane.read { $0.onCommit = { configuration.set(.stale, for: tenant) } }
    let plan = try #require(
      harness.runner.plan(harness.address("web"), message: harness.message("hi"))
    )
    let stream = CollectingStream()
    let end = await harness.runner.run(plan, known: [], delivery: .stream(stream))
    #expect(end.kind == .held)
    #expect(stream.pieces.isEmpty)
    // It is stored, and found in the history.
    #expect(harness.controlPlane.read { $0.commits.count } == 1)
    #expect(harness.services.memory.recall(plan.address)?.messages.count == 2)
  }

  @Test(
    "a paused tenant's turn makes no call at all",
    arguments: [PausedPolicy.hold, .refuse]
  )
  func paused(policy: PausedPolicy) async throws {
    let harness = TurnHarness()
    harness.configuration.set(.paused(policy, message: ["": "Closed."]), for: harness.tenant)
    let end = try await whatsAppTurn(harness)
    #expect(end.kind == (policy == .hold ? .held : .refused(["": "Closed."])))
    #expect(harness.model.requests.isEmpty)
    #expect(harness.controlPlane.read { $0.epoch } == 0)
  }

  @Test("goes on without the control plane, and remembers what it said")
  func degraded() async throws {
    let harness = TurnHarness(model: ScriptedModel(.pieces(["One."]), .pieces(["Two."])))
    _ = try await whatsAppTurn(harness, "first")
    harness.controlPlane.read { $0.isAway = true }
    let end = try await whatsAppTurn(harness, "second")
    #expect(end.kind == .replied)
    #expect(end.isDegraded)
    #expect(harness.sender.messages.map(\.text) == ["One.", "Two."])
    #expect(
      harness.model.requests.last?.messages == [
        .user("first"), .assistant(text: "One.", calls: []), .user("second"),
      ]
    )
    // The reply before it was sent, and then what became of the send.
    let records = harness.spool.records.suffix(2)
    #expect(records.map { $0.outbox.map(\.state) } == [[.ambiguous], [.sent]])
    #expect(records.allSatisfy { $0.degraded })
    #expect(records.first?.messages.map(\.body) == ["second", "Two."])
  }

  @Test("runs no tool that must not run twice while the control plane is away")
  func degradedTool() async throws {
    let tenant = SampleTenant(tools: [SampleTenant.tool("pay", idempotent: false)])
    let harness = TurnHarness(
      tenant: tenant,
      model: ScriptedModel(.tool("pay", arguments: "{}"), .pieces(["Later."]))
    )
    harness.controlPlane.read { $0.isAway = true }
    let end = try await whatsAppTurn(harness)
    #expect(end.kind == .replied)
    #expect(harness.tools.names.isEmpty)
  }

  @Test("waits for the control plane where the binding says so")
  func degradedHold() async throws {
    let harness = TurnHarness(tenant: SampleTenant(degraded: .hold))
    harness.controlPlane.read { $0.isAway = true }
    let end = try await whatsAppTurn(harness)
    #expect(end.kind == .waiting)
    #expect(harness.model.requests.isEmpty)
  }

  @Test("sends nothing whose record the disk would not take")
  func fullDisk() async throws {
    let harness = TurnHarness()
    harness.spool.fill()
    let end = try await whatsAppTurn(harness)
    #expect(end.kind == .abandoned)
    #expect(harness.sender.messages.isEmpty)
    #expect(harness.controlPlane.read { $0.commits }.isEmpty)
  }
}
