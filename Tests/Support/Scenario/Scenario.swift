internal import Domain
internal import Foundation

/// The main path, step by step, on a started stack. Oracles are the fakes' requests and the database.
package struct Scenario: Sendable {
  package struct Step: Sendable {
    package let name: String
    /// Returns a detail worth printing.
    package let run: @Sendable () async throws -> String
  }

  let stack: Stack
  private let phone = "919812345678"

  package init(stack: Stack) {
    self.stack = stack
  }

  package var steps: [Step] {
    [
      Step(name: "five tenants are applied", run: apply),
      Step(name: "a signed delivery gets one reply, the same one again none", run: oneReply),
      Step(name: "an unsigned delivery is refused", run: unsigned),
      Step(name: "a web message streams back", run: web),
      Step(name: "a tool is called", run: tool),
      Step(name: "a guardrail rewrites", run: rewrite),
      Step(name: "a new persona version reaches both nodes and the next reply", run: persona),
      Step(name: "a paused tenant is refused on both nodes, the others go on", run: pause),
      Step(
        name: "the control plane goes away, conversations go on, all is stored once",
        run: outage
      ),
      Step(name: "the rows agree with all that was said", run: rows),
    ]
  }

  private func apply() async throws -> String {
    let answer = try await stack.tool().json(
      ["apply", "-y", "-f", stack.layout.sample.path])
    try require(answer["applied"] == true, "not applied: \(answer)")
    try await waitUntil("both nodes have it", within: .seconds(15)) {
      let nodes = try await stack.tool().json(["nodes"])["nodes"]?.arrayValue ?? []
      return nodes.count { $0["revision"] == answer["revision"] } == 2
    }
    let tenants = try await stack.database().count("select 1 from tenants")
    try require(tenants == 5, "\(tenants) tenants are stored")
    return "revision \(answer["revision"]?.intValue ?? 0)"
  }

  private func oneReply() async throws -> String {
    let delivery = try WhatsAppDelivery(
      text: "namaste",
      from: phone,
      to: stack.account(of: "sahayak"),
      id: "wamid.CHECK1"
    )
    let first = try await delivery.post(to: stack.edges[0])
    try require(first.status == 200, "the webhook answered \(first.status)")
    try await waitUntil("the reply is sent", within: .seconds(15)) {
      try await !stack.sent(to: phone).isEmpty
    }
    for edge in stack.edges {
      let again = try await delivery.post(to: edge)
      try require(again.status == 200, "the repeated delivery got \(again.status)")
    }
    // Another conversation's whole turn passes by; by then a second reply would have come.
    let other = try WhatsAppDelivery(
      text: "namaskara",
      from: "919811111111",
      to: stack.account(of: "kichcha"),
      id: "wamid.CHECK2"
    )
    _ = try await other.post(to: stack.edges[1])
    try await waitUntil("the other reply is sent", within: .seconds(15)) {
      try await !stack.sent(to: "919811111111").isEmpty
    }
    let sent = try await stack.sent(to: phone)
    try require(sent.count == 1, "\(sent.count) replies were sent")
    return "1 send"
  }

  private func unsigned() async throws -> String {
    var delivery = try WhatsAppDelivery(
      text: "let me in",
      from: phone,
      to: stack.account(of: "sahayak"),
      id: "wamid.CHECK3"
    )
    delivery.signature = nil
    let bare = try await delivery.post(to: stack.edges[0])
    delivery.signature = WhatsAppDelivery.signature(of: delivery.body, secret: "wrong")
    let wrong = try await delivery.post(to: stack.edges[0])
    try require(
      (401 ... 403).contains(bare.status) && (401 ... 403).contains(wrong.status),
      "answered \(bare.status) and \(wrong.status)"
    )
    let rows = try await stack.database().count("select 1 from inputs where body = 'let me in'")
    try require(rows == 0, "it was stored")
    return "\(bare.status), \(wrong.status)"
  }

  private func web() async throws -> String {
    let reply = try await WebVisitor(host: "vakil.example").say("hello", to: stack.edges[1])
    try require(reply.status == 200 && reply.ended == "done", "\(reply.status) \(reply.ended)")
    try require(reply.text.contains("Dr. Vakil"), "the reply is not the persona's: \(reply.text)")
    return "first text after \(milliseconds(reply.firstPieceAfter ?? .zero)) ms"
  }

  private func tool() async throws -> String {
    let reply = try await WebVisitor(host: "sahayak.example").say(
      #"please call train_status {"train": "12951"}"#,
      to: stack.edges[0]
    )
    try require(reply.ended == "done", "the reply ended \(reply.ended)")
    let calls = try await stack.received(by: stack.ports.tools)
      .filter { $0["path"] == "/tools/train_status" }
    try require(calls.count == 1, "the tool was called \(calls.count) times")
    try require(calls[0]["body"]?["train"] == "12951", "with \(calls[0]["body"] ?? .null)")
    try await waitUntil("the call is stored", within: .seconds(10)) {
      try await stack.database().count("select 1 from tool_calls where tool_name = 'train_status'")
        == 1
    }
    return "train_status"
  }

  private func rewrite() async throws -> String {
    let reply = try await WebVisitor(host: "medicly.example").say("how much?", to: stack.edges[0])
    let asked = try await stack.received(by: stack.ports.anthropic)
    try require(asked.count == 1, "the model was asked \(asked.count) times")
    try require(reply.ended == "done", "the reply ended \(reply.ended)")
    try require(
      reply.text.contains("[ask your doctor]") && !reply.text.contains("500"),
      "sent: \(reply.text)"
    )
    let database = try stack.database()
    try await waitUntil("the violation is stored", within: .seconds(10)) {
      try await database.count(
        "select 1 from guardrail_violations where rule_id = 'medicly.no-dosage' and severity = 'rewrite'"
      ) == 1
    }
    let leaked = try await database.count("select 1 from messages where body like '%500 mg%'")
    try require(leaked == 0, "the forbidden text is stored")
    return "model said '500 mg', nobody heard it"
  }

  private func persona() async throws -> String {
    let folder = stack.folder.appending(path: "persona")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let file = stack.layout.sample.appending(path: "ranveer/tiers.yaml")
    let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
      .replacing("Hey champion! Ranveer here.", with: "Salute, topper! Ranveer here.")
    try Data(text.utf8).write(to: folder.appending(path: "tiers.yaml"))
    let start = ContinuousClock.now
    let answer = try await stack.tool().json(["apply", "-y", "-f", folder.path])
    try await waitUntil("both nodes have it", within: .seconds(15)) {
      let nodes = try await stack.tool().json(["nodes"])["nodes"]?.arrayValue ?? []
      return nodes.count { $0["revision"] == answer["revision"] } == 2
    }
    let took = ContinuousClock.now - start
    for edge in stack.edges {
      let reply = try await WebVisitor(host: "ranveer.example").say("hello", to: edge)
      try require(reply.text.contains("Salute, topper!"), "\(edge) said: \(reply.text)")
    }
    return "\(milliseconds(took)) ms from the command to both nodes"
  }

  private func pause() async throws -> String {
    let start = ContinuousClock.now
    let done = try await stack.tool().run(["tenant", "pause", "ranveer", "--wait"])
    let took = ContinuousClock.now - start
    try require(done.status == 0, "pause ended with \(done.status): \(done.standardError)")
    for edge in stack.edges {
      let refused = try await WebVisitor(host: "ranveer.example").say("hello", to: edge)
      try require(!refused.text.contains("Ranveer here"), "\(edge) answered: \(refused.text)")
      let other = try await WebVisitor(host: "kichcha.example").say("hello", to: edge)
      try require(other.ended == "done", "kichcha at \(edge): \(other.ended)")
    }
    let resumed = try await stack.tool().run(["tenant", "resume", "ranveer", "--wait"])
    try require(resumed.status == 0, "resume ended with \(resumed.status)")
    let line = done.standardOutput.split(separator: "\n").last.map(String.init) ?? ""
    return "\(milliseconds(took)) ms with the command; \(line)"
  }

  private func outage() async throws -> String {
    try await stack.killControl()
    let during = try await WebVisitor(host: "kichcha.example").say(
      "are you there",
      to: stack.edges[0]
    )
    try require(during.ended == "done", "while it is away: \(during.ended) \(during.end)")
    let delivery = try WhatsAppDelivery(
      text: "still there?",
      from: "919822222222",
      to: stack.account(of: "sahayak"),
      id: "wamid.OUTAGE1"
    )
    let answer = try await delivery.post(to: stack.edges[1])
    try require(answer.status == 200, "the webhook answered \(answer.status)")
    try await waitUntil("the reply is sent", within: .seconds(30)) {
      try await stack.sent(to: "919822222222").count == 1
    }
    try await stack.startControl()
    let start = ContinuousClock.now
    let database = try stack.database()
    for body in ["are you there", "still there?"] {
      try await waitUntil("'\(body)' is stored", within: .seconds(45)) {
        try await database.count("select 1 from messages where body = '\(body)'") == 1
      }
    }
    try await waitUntil("the spools are empty", within: .seconds(45)) {
      let nodes = try await stack.tool().json(["nodes"])["nodes"]?.arrayValue ?? []
      return nodes.count == 2 && nodes.allSatisfy { $0["spool_depth"] == 0 }
    }
    let took = ContinuousClock.now - start
    let sent = try await stack.sent(to: "919822222222")
    try require(sent.count == 1, "\(sent.count) replies were sent")
    return "stored \(milliseconds(took)) ms after its return"
  }

  private func rows() async throws -> String {
    let database = try stack.database()
    let doubled = try await database.count(
      "select provider_message_id from messages where direction = 'inbound' and provider_message_id is not null group by session_id, 1 having count(*) > 1"
    )
    try require(doubled == 0, "\(doubled) inbound messages are stored twice")
    for request in try await stack.received(by: stack.ports.whatsapp) {
      let body = (request["body"]?["text"]?["body"]?.stringValue ?? "").replacing("'", with: "''")
      let stored = try await database.count(
        "select 1 from messages where direction = 'outbound' and body = '\(body)'"
      )
      try require(stored >= 1, "a sent reply is not stored")
    }
    let foreign = try await database.count(
      "select 1 from messages m join sessions s on s.id = m.session_id where s.tenant_id <> m.tenant_id"
    )
    try require(foreign == 0, "\(foreign) messages stand under another tenant")
    let calls = try await database.count("select 1 from llm_calls")
    let messages = try await database.count("select 1 from messages")
    return "\(messages) messages, \(calls) model calls"
  }

  private func milliseconds(_ duration: Duration) -> Int { Int(duration / .milliseconds(1)) }
}
