import Domain
import Foundation
import Scenario
import Testing

/// A way in which a service fails, and what must be recorded of it.
struct ServiceFault: Sendable, CustomTestStringConvertible {
  var how: JSONValue
  var recorded: String

  var testDescription: String { recorded }
}

@Suite(.serialized, .edge(base: 8000))
struct `Services that fail` {
  let stack: Stack

  init() throws { stack = try Stack.ofSuite() }

  private static let modelFaults = [
    ServiceFault(how: ["status": 500, "times": 100], recorded: "overloaded"),
    ServiceFault(how: ["status": 429, "times": 100], recorded: "rate_limited"),
    ServiceFault(how: ["status": 400, "times": 100], recorded: "rejected"),
    ServiceFault(how: ["how": "garbage", "times": 100], recorded: "garbage"),
    ServiceFault(how: ["how": "stall", "ms": 1500, "times": 100], recorded: "stalled"),
  ]

  /// Runs `body` while a fake fails; afterwards it is well again.
  private func whileFailing(
    _ port: Int,
    _ how: JSONValue,
    _ body: () async throws -> Void
  ) async throws {
    try await stack.fail(port, how)
    do {
      try await body()
    } catch {
      Issue.record("\(error)")
    }
    try await stack.mend(port)
  }

  @Test(arguments: modelFaults)
  func `a model that fails brings an apology in the person's language, and a row with the error`(
    fault: ServiceFault
  ) async throws {
    let query =
      "select 1 from llm_calls where provider = 'anthropic' and error = '\(fault.recorded)'"
    let before = try await stack.database().count(query)
    let phone = "9188\(UInt32.random(in: 10_000_000 ... 99_999_999))"
    try await whileFailing(stack.ports.anthropic, fault.how) {
      let english = try await WebVisitor(host: "medicly.example").say(
        "how much?",
        to: stack.edges[0]
      )
      #expect(english.text.hasPrefix("We are sorry, our desk has a technical problem."))
      #expect(english.ended == "done" && english.end["reason"] == "failed")
      let delivery = try WhatsAppDelivery(
        text: "कितनी गोली लूँ?",
        from: phone,
        to: stack.account(of: "medicly"),
        id: "wamid.\(phone)"
      )
      #expect(try await delivery.post(to: stack.edges[0]).status == 200)
      try await waitUntil("the apology is sent", within: .seconds(20)) {
        try await !stack.sent(to: phone).isEmpty
      }
      let hindi = try await stack.sent(to: phone)
      #expect(hindi.count == 1 && hindi[0].hasPrefix("क्षमा करें, अभी तकनीकी समस्या है।"))
    }
    try await waitUntil("both calls are stored with their error", within: .seconds(15)) {
      try await stack.database().count(query) >= before + 2
    }
    try await stack.waitForRow(
      "the apology is stored as one",
      """
      select 1 from messages m join sessions s on s.id = m.session_id
      where m.direction = 'outbound' and m.metadata ->> 'apology' = 'true'
        and s.channel = 'whatsapp' and m.body like 'क्षमा करें%'
      """
    )
    // The vendor is well again, and so is the conversation.
    let well = try await WebVisitor(host: "medicly.example").say("how much?", to: stack.edges[0])
    #expect(well.text.contains("[ask your doctor]"))
  }

  @Test(arguments: [
    ServiceFault(how: ["how": "cut", "times": 100], recorded: "cut"),
    ServiceFault(how: ["how": "hang", "ms": 1500, "times": 100], recorded: "stalled"),
  ])
  func `a model that stops midway brings the apology instead of its half answer`(
    fault: ServiceFault
  ) async throws {
    try await whileFailing(stack.ports.anthropic, fault.how) {
      let reply = try await WebVisitor(host: "medicly.example").say("how much?", to: stack.edges[0])
      #expect(reply.status == 200 && reply.ended == "done" && reply.end["reason"] == "failed")
      // The half that came was held back by the guardrails; it is not said.
      #expect(reply.text.hasPrefix("We are sorry, our desk has a technical problem."), "\(reply)")
      try await stack.waitForRow(
        "the call is stored with its error",
        "select 1 from llm_calls where provider = 'anthropic' and error = '\(fault.recorded)'"
      )
    }
    let well = try await WebVisitor(host: "medicly.example").say("how much?", to: stack.edges[0])
    #expect(well.text.contains("[ask your doctor]"))
  }

  private static let toolFaults = [
    ServiceFault(how: ["status": 500, "times": 100], recorded: "http_500"),
    ServiceFault(how: ["status": 404, "times": 100], recorded: "http_404"),
    ServiceFault(how: ["status": 302, "times": 100], recorded: "http_302"),
    ServiceFault(how: ["how": "garbage", "times": 100], recorded: "not_json"),
    ServiceFault(how: ["how": "stall", "ms": 1500, "times": 100], recorded: "timed_out"),
  ]

  @Test(arguments: toolFaults)
  func `a tool that fails is told in the persona's language, and a row has the error`(
    fault: ServiceFault
  ) async throws {
    let query =
      "select 1 from tool_calls where tool_name = 'train_status' and error = '\(fault.recorded)'"
    let before = try await stack.database().count(query)
    let visitor = WebVisitor(host: "sahayak.example")
    try await whileFailing(stack.ports.tools, fault.how) {
      let reply = try await visitor.say(
        #"कृपया मेरी ट्रेन का हाल बताइए, train_status से पूछकर: {"train": "12951"}"#,
        to: stack.edges[0]
      )
      #expect(reply.ended == "done")
      #expect(reply.text.contains("train_status अभी काम नहीं कर पाया।"), "\(reply.text)")
      #expect(!reply.text.contains("nonsense"))
    }
    try await waitUntil("the call is stored with its error", within: .seconds(15)) {
      try await stack.database().count(query) == before + 1
    }
    let well = try await visitor.say(
      #"please call train_status {"train": "12952"}"#,
      to: stack.edges[0]
    )
    #expect(well.text.contains("on time"), "\(well.text)")
  }

  @Test func `WhatsApp that refuses a send leaves the reply stored with the reason`() async throws {
    try await whileFailing(stack.ports.whatsapp, ["status": 400, "times": 100]) {
      let delivery = try WhatsAppDelivery(
        text: "namaste",
        from: "918700000001",
        to: stack.account(of: "vakil"),
        id: "wamid.REFUSED"
      )
      #expect(try await delivery.post(to: stack.edges[0]).status == 200)
      try await stack.waitForRow(
        "the outbox tells why",
        "select 1 from outbox where recipient = '918700000001' and error <> ''"
      )
    }
    try await stack.expectWell()
  }
}
