import Domain
import Foundation
import Guardrails
import Models
import Subscription
import Testing
import Turn
import TurnDoubles
import Wire

@Suite("A turn under rules")
struct GuardedTurnTests {
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

  // MARK: - Written again

  @Test("lets the model write again once, without tools and told the rule; each try is a row")
  func regenerates() async throws {
    let tenant = SampleTenant(tools: [SampleTenant.tool("look_up", idempotent: true)])
    let harness = TurnHarness(
      tenant: tenant,
      model: ScriptedModel(
        .tool("look_up", arguments: "{}", text: "I look. "),
        .pieces(["AGAIN and a long draft"]),
        .pieces(["A better reply."])
      ),
      // A rule to regenerate needs the whole text.
      guards: WordGuards(window: 1_000)
    )
    let stream = CollectingStream()
    let end = try await webTurn(harness, "hi", stream: stream)
    #expect(end.kind == .replied)
    #expect(end.text == "A better reply.")
    #expect(harness.tools.names == ["look_up"])
    #expect(harness.model.requests.map(\.toolsAllowed) == [true, true, false])
    let told = harness.model.requests.last?.system.last
    #expect(told?.tier == "guardrails")
    #expect(told?.text.contains("no-again") == true && told?.text.contains("Never shout.") == true)
    #expect(told?.text.contains("draft and") == false)
    let commit = harness.controlPlane.read { $0.commits }.first
    #expect(commit?.modelCalls.count == 3)
    #expect(commit?.violations.map(\.severity) == ["rewrite"])
    #expect(commit?.messages.last?.body == "A better reply.")
  }

  @Test("says the rule's message when the second try breaks the rule too, and asks no third time")
  func regeneratesOnce() async throws {
    let harness = TurnHarness(model: ScriptedModel(.pieces(["AGAIN"])))
    let stream = CollectingStream()
    let end = try await webTurn(harness, "hi", stream: stream)
    #expect(end.kind == .blocked)
    #expect(end.text == "Let us talk about something else.")
    #expect(stream.text == "Let us talk about something else.")
    #expect(harness.model.requests.count == 2)
    let commit = harness.controlPlane.read { $0.commits }.first
    #expect(commit?.modelCalls.count == 2 && commit?.violations.count == 2)
  }

  @Test("apologises when the model fails on its second try")
  func regenerationFails() async throws {
    let harness = TurnHarness(
      model: ScriptedModel(.pieces(["AGAIN"]), .fails(after: []))
    )
    let end = try await webTurn(harness, "hi")
    #expect(end.kind == .failed && end.text == "Sorry.")
    #expect(harness.controlPlane.read { $0.commits }.first?.modelCalls.count == 2)
  }

  // MARK: - Language

  private func language(of harness: TurnHarness) -> String? {
    harness.model.requests.last?.system.last { $0.tier == "language" }?.text
  }

  @Test("tells the model the language and the script, and keeps them for short lines")
  func language() async throws {
    let harness = TurnHarness()
    _ = try await webTurn(harness, "ok")
    #expect(language(of: harness) == nil)
    _ = try await webTurn(harness, "mera parcel abhi tak nahi aaya")
    #expect(language(of: harness)?.contains("hi-Latn. Write this reply in Hindi in Latin") == true)
    _ = try await webTurn(harness, "ok 12345")
    #expect(language(of: harness)?.contains("hi-Latn") == true)
    _ = try await webTurn(harness, "मेरा पार्सल कहाँ है")
    #expect(language(of: harness)?.contains("hi. Write this reply in Hindi, as") == true)
    _ = try await webTurn(harness, "Where is my parcel? I have been waiting for days")
    #expect(language(of: harness)?.contains("Reply language: en.") == true)
    // What never changes stands first, byte for byte.
    let systems = harness.model.requests.map { Array($0.system.prefix(4)) }
    #expect(Set(systems).count == 1)
  }

  @Test(arguments: [
    ("mera parcel kahan hai bhaiya", "", ["en", "hi"], "hi-Latn"),
    ("mera parcel kahan hai bhaiya", "", ["en", "hi-Latn", "hi"], "hi-Latn"),
    ("मेरा पार्सल कहाँ है", "en", ["en", "hi-IN"], "hi-IN"),
    ("where is my parcel please", "hi", ["hi"], "hi"),
    ("ok", "hi", ["en", "hi"], "hi"), ("ok", "fr", ["kn", "en"], "kn"), ("ok", "", [], ""),
    ("ನನ್ನ ಪಾರ್ಸೆಲ್ ಎಲ್ಲಿದೆ", "en-IN", ["en", "kn"], "kn"),
    ("the price of this please", "", ["kn", "en-IN"], "en-IN"),
  ])
  func `the language is the message's if the persona speaks it, then the channel's, then the first`(
    text: String,
    locale: String,
    languages: [String],
    expected: String
  ) {
    #expect(ReplyLanguage.choose(locale: locale, text: text, languages: languages) == expected)
  }

  @Test("an apology is in the language of the conversation")
  func apology() async throws {
    let harness = TurnHarness(model: ScriptedModel(.pieces(["Hi!"]), .fails(after: [])))
    _ = try await webTurn(harness, "मेरा पार्सल कहाँ है")
    #expect(try await webTurn(harness, "ok").text == "माफ़ कीजिए।")
  }

  // MARK: - Rate and arguments, through a binding's compiled rules

  private static func rule(
    _ id: String,
    _ kind: GuardrailRule.Kind,
    _ stage: GuardrailRule.Stage,
    _ params: [String: JSONValue]
  ) -> GuardrailRule {
    GuardrailRule(
      ruleID: id,
      kind: kind,
      stages: [stage],
      severity: .block,
      params: params,
      rewrite: nil,
      message: [:],
      when: .init(),
      failsClosed: true,
      overridableBy: [],
      enabled: true,
      bound: nil
    )
  }

  @Test("counts a person's messages by tenant and channel, and a repeated turn once")
  func rate() throws {
    let limits: JSONValue = [["max": 2, "window_s": 60, "per": "user"]]
    let tenant = SampleTenant(guardrails: [Self.rule("r", .rate, .input, ["limits": limits])])
    let guards = BindingGuards()
      .guards(for: tenant.binding, channel: "web", language: "en")
    func isBlocked(_ ids: [UInt64], user: String, tenantID: TenantID) -> Bool {
      let address = ConversationAddress(
        tenantID: tenantID,
        bindingID: tenant.binding.binding.bindingID,
        channel: "web",
        externalID: user
      )
      let arrivals = ids.map { ArrivalTable.Arrival(id: $0, atMS: 1_000 + Int64($0)) }
      let moment = GuardedMoment(address: address, arrivals: arrivals)
      return guards.check("hi", stage: .input, in: moment).blocked != nil
    }
    let id = tenant.tenant.tenantID
    #expect(!isBlocked([1], user: "a", tenantID: id))
    #expect(!isBlocked([1, 2], user: "a", tenantID: id))
    #expect(!isBlocked([2], user: "a", tenantID: id))
    #expect(isBlocked([3], user: "a", tenantID: id))
    #expect(!isBlocked([3], user: "b", tenantID: id))
    #expect(!isBlocked([3], user: "a", tenantID: TenantID(UUID())))
  }

  @Test(
    "stops a tool call by its arguments before it runs, and a message beyond the rate before a model"
  )
  func machine() async throws {
    let checks: JSONValue = [["tools": ["pay"], "pointer": "/amount", "max": 100]]
    let limits: JSONValue = [["max": 2, "window_s": 60, "per": "conversation"]]
    let tenant = SampleTenant(
      tools: [SampleTenant.tool("pay", idempotent: true)],
      guardrails: [
        Self.rule("args", .toolArgs, .toolArgs, ["checks": checks]),
        Self.rule("rate", .rate, .input, ["limits": limits]),
      ]
    )
    var harness = TurnHarness(
      tenant: tenant,
      model: ScriptedModel(
        .tool("pay", arguments: #"{"amount": 101}"#),
        .tool("pay", arguments: #"{"amount": 99}"#),
        .pieces(["Paid."])
      )
    )
    harness.services.guards = BindingGuards()
    harness.runner = TurnRunner(harness.services)
    #expect(try await webTurn(harness, "pay").text == "Paid.")
    #expect(harness.tools.names == ["pay"])
    let first = harness.controlPlane.read { $0.commits }.first
    #expect(first?.toolCalls.map(\.error) == ["refused_by_rule", ""])
    #expect(first?.violations.map(\.ruleID) == ["args"])
    #expect(try await webTurn(harness, "again").kind == .replied)
    let asked = harness.model.requests.count
    #expect(try await webTurn(harness, "and again").kind == .blocked)
    #expect(harness.model.requests.count == asked)
  }
}
