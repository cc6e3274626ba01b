import Domain
import Foundation
import Models
import Subscription
import Testing
import Turn
import TurnDoubles
import Wire

@Suite("A turn, end to end on doubles")
struct TurnTests {
  private func webTurn(
    _ harness: TurnHarness,
    _ text: String,
    stream: CollectingStream = CollectingStream()
  ) async throws -> TurnEnd {
    let plan = try #require(
      harness.runner.plan(harness.address("web"), message: harness.message(text))
    )
    return await harness.runner.run(plan, known: [], delivery: .stream(stream))
  }

  @Test("streams the reply, commits it, and leaves a committed record in the spool")
  func replies() async throws {
    let harness = TurnHarness(model: ScriptedModel(.pieces(["Hello, ", "how are ", "you today?"])))
    let stream = CollectingStream()
    let end = try await webTurn(harness, "hi", stream: stream)
    #expect(end.kind == .replied)
    #expect(end.text == "Hello, how are you today?")
    #expect(stream.text == "Hello, how are you today?")
    #expect(stream.pieces.count > 1)
    #expect(stream.typingCount == 1)
    let commits = harness.controlPlane.read { $0.commits }
    #expect(commits.count == 1)
    #expect(commits.first?.messages.map(\.body) == ["hi", "Hello, how are you today?"])
    #expect(commits.first?.modelCalls.count == 1)
    #expect(commits.first == harness.spool.records.first)
    #expect(harness.spool.committed == [1])
  }

  @Test("shows the model the earlier messages")
  func history() async throws {
    let harness = TurnHarness()
    _ = try await webTurn(harness, "first")
    _ = try await webTurn(harness, "second")
    #expect(
      harness.model.requests.last?.messages == [
        .user("first"), .assistant(text: "Hi!", calls: []), .user("second"),
      ]
    )
    #expect(
      harness.model.requests.last?.system.map(\.tier).starts(with: [
        "platform", "human", "team", "agent",
      ]) == true
    )
  }

  @Test("calls tools at most max_tool_iterations times, then asks once more with tools off")
  func toolLoop() async throws {
    let tenant = SampleTenant(
      tools: [SampleTenant.tool("look_up", idempotent: true)],
      maxToolIterations: 2
    )
    let harness = TurnHarness(
      tenant: tenant,
      model: ScriptedModel(
        .tool("look_up", arguments: #"{"q":1}"#),
        .tool("look_up", arguments: #"{"q":2}"#),
        .pieces(["Found it."])
      )
    )
    let end = try await webTurn(harness, "find it")
    #expect(end.text == "Found it.")
    #expect(harness.tools.names == ["look_up", "look_up"])
    #expect(Set(harness.tools.keys).count == 2)
    #expect(harness.model.requests.map(\.toolsAllowed) == [true, true, false])
    #expect(harness.controlPlane.read { $0.commits }.first?.toolCalls.count == 2)
  }

  @Test(
    "answers with an apology when a model asks for tools although they are off and says nothing"
  )
  func toolsOff() async throws {
    let tenant = SampleTenant(
      tools: [SampleTenant.tool("look_up", idempotent: true)],
      maxToolIterations: 1
    )
    let harness = TurnHarness(
      tenant: tenant,
      model: ScriptedModel(.tool("look_up", arguments: "{}"))
    )
    let end = try await webTurn(harness, "find it")
    #expect(end.kind == .failed)
    #expect(end.text == "Sorry.")
    #expect(harness.tools.names == ["look_up"])
  }

  @Test("journals a tool that must not run twice before it runs, and after")
  func journal() async throws {
    let tenant = SampleTenant(tools: [SampleTenant.tool("pay", idempotent: false)])
    let plane = MemoryControlPlane()
    let harness = TurnHarness(
      tenant: tenant,
      model: ScriptedModel(.tool("pay", arguments: "{}"), .pieces(["Paid."])),
      controlPlane: plane
    )
    let end = try await webTurn(harness, "pay it")
    #expect(end.kind == .replied)
    #expect(harness.tools.names == ["pay"])
    #expect(plane.read { $0.journaled.map(\.kind) } == ["tool_started", "tool_finished"])
  }

  @Test("does not run a tool once its lease is lost")
  func journalRefused() async throws {
    let tenant = SampleTenant(tools: [SampleTenant.tool("pay", idempotent: false)])
    let harness = TurnHarness(
      tenant: tenant,
      model: ScriptedModel(.tool("pay", arguments: "{}"), .pieces(["Paid."]))
    )
    harness.controlPlane.read { $0.acceptsJournal = false }
    let end = try await webTurn(harness, "pay it")
    #expect(end.kind == .abandoned)
    #expect(harness.tools.names.isEmpty)
    // What the model cost is on record all the same.
    #expect(harness.spool.records.map(\.modelCalls.count) == [1])
  }

  @Test("does not repeat a payment that a lost attempt began")
  func lostAttempt() async throws {
    let tenant = SampleTenant(tools: [SampleTenant.tool("pay", idempotent: false)])
    let harness = TurnHarness(
      tenant: tenant,
      model: ScriptedModel(.tool("pay", arguments: "{}"), .pieces(["I have to check."]))
    )
    let address = harness.address("web")
    var entry = Bindery_V1_JournalEntry()
    entry.step = 1
    entry.kind = "tool_started"
    entry.payloadJson = #"{"call_id":"x","tool":"pay"}"#
    let lost = entry
    harness.controlPlane.read { $0.journal[address] = [lost] }
    let end = try await webTurn(harness, "pay it")
    #expect(end.kind == .replied)
    #expect(harness.tools.names.isEmpty)
    let row = harness.controlPlane.read { $0.commits }.first?.toolCalls.first
    #expect(row?.error == "outcome_unknown")
  }

  @Test("puts a rule's message in place of a blocked input, without a model call")
  func blockedInput() async throws {
    let harness = TurnHarness()
    let end = try await webTurn(harness, "BLOCK me")
    #expect(end.kind == .blocked)
    #expect(end.text == "I can't talk about that.")
    #expect(harness.model.requests.isEmpty)
    #expect(harness.controlPlane.read { $0.commits }.first?.violations.count == 1)
  }

  @Test("rewrites the output before any of it leaves or is stored")
  func rewrittenOutput() async throws {
    let harness = TurnHarness(
      model: ScriptedModel(.pieces(["The word is SE", "CRE", "T, really, that is all."]))
    )
    let stream = CollectingStream()
    let end = try await webTurn(harness, "say it", stream: stream)
    #expect(end.text == "The word is [hidden], really, that is all.")
    #expect(stream.text == end.text)
    #expect(!stream.pieces.contains { $0.contains("SECRET") })
    let record = harness.controlPlane.read { $0.commits }.first
    #expect(record?.messages.last?.body == end.text)
    #expect(record?.violations.first?.outboundWasBlocked == false)
  }

  @Test("ends a blocked stream as interrupted, with the rule's message after what had left")
  func blockedOutput() async throws {
    let harness = TurnHarness(
      model: ScriptedModel(.pieces(["Some words that may leave. ", "BLOCK", " and more."]))
    )
    let stream = CollectingStream()
    let end = try await webTurn(harness, "say it", stream: stream)
    #expect(end.kind == .blocked)
    #expect(end.isInterrupted)
    #expect(!stream.text.contains("BLOCK"))
    #expect(stream.text.hasSuffix("I can't talk about that."))
  }

  @Test(
    "apologises in the user's language when the model fails, and records the failure",
    arguments: [("hello", "Sorry."), ("नमस्ते, क्या हाल है", "माफ़ कीजिए।")]
  )
  func apology(said: String, apology: String) async throws {
    let harness = TurnHarness(model: ScriptedModel(.fails(after: [])))
    let end = try await webTurn(harness, said)
    #expect(end.kind == .failed)
    #expect(end.text == apology)
    let record = harness.controlPlane.read { $0.commits }.first
    #expect(record?.outcome == .failed)
    #expect(record?.modelCalls.first?.error == "cut")
  }

  @Test("starts anew after a break that nobody saw")
  func unseenBreak() async throws {
    let harness = TurnHarness(
      model: ScriptedModel(.fails(after: ["Hm"]), .pieces(["Good morning."]))
    )
    let stream = CollectingStream()
    let end = try await webTurn(harness, "hello", stream: stream)
    #expect(end.kind == .replied)
    #expect(stream.text == "Good morning.")
    #expect(harness.controlPlane.read { $0.commits }.first?.modelCalls.count == 2)
  }

  @Test("asks the routing's next model after breaks that nobody saw, at once where one refused")
  func unseenBreaks() async throws {
    let again = TurnHarness(
      model: ScriptedModel(.fails(after: ["Hm"]), .fails(after: ["Hm"]), .pieces(["Good morning."]))
    )
    #expect(try await webTurn(again, "hello").text == "Good morning.")
    #expect(again.model.requests.map(\.model) == ["smart", "smart", "other"])
    let refused = TurnHarness(
      model: ScriptedModel(.fails(after: ["Hm"], mayRetry: false), .pieces(["Good morning."]))
    )
    #expect(try await webTurn(refused, "hello").text == "Good morning.")
    #expect(refused.model.requests.map(\.model) == ["smart", "other"])
    let never = TurnHarness(model: ScriptedModel(.fails(after: ["Hm"])))
    #expect(try await webTurn(never, "hello").text == "Sorry.")
    #expect(never.model.requests.count == 3)
  }

  @Test("never passes a stream that broke halfway off as a clean end")
  func seenBreak() async throws {
    let harness = TurnHarness(model: ScriptedModel(.fails(after: ["A long beginning of it "])))
    let stream = CollectingStream()
    let end = try await webTurn(harness, "hello", stream: stream)
    #expect(end.kind == .failed)
    #expect(end.isInterrupted)
    #expect(stream.text.hasSuffix("Sorry."))
    #expect(harness.model.requests.count == 1)
  }
}
