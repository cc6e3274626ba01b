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
  /// What people said and what they got to see on the web.
  private let heard = Heard()
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
      Step(name: "usage agrees with what the model and the tools were asked", run: usage),
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
    let first = try await post(delivery, "namaste", to: stack.edges[0])
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
    _ = try await post(other, "namaskara", to: stack.edges[1])
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
    let reply = try await say("hello", at: "vakil", to: stack.edges[1])
    try require(reply.status == 200 && reply.ended == "done", "\(reply.status) \(reply.ended)")
    try require(reply.text.contains("Dr. Vakil"), "the reply is not the persona's: \(reply.text)")
    return "first text after \(milliseconds(reply.firstPieceAfter ?? .zero)) ms"
  }

  private func tool() async throws -> String {
    let reply = try await say(
      #"please call train_status {"train": "12951"}"#,
      at: "sahayak",
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
    let reply = try await say("how much?", at: "medicly", to: stack.edges[0])
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
    let answer = try await stack.tool().json(["apply", "-y", "--wait", "-f", folder.path])
    let nodes = try confirmations(in: answer)
    for edge in stack.edges {
      let reply = try await say("hello", at: "ranveer", to: edge)
      try require(reply.text.contains("Salute, topper!"), "\(edge) said: \(reply.text)")
    }
    return nodes
  }

  private func pause() async throws -> String {
    let done = try await stack.tool().json(["tenant", "pause", "ranveer", "--wait"])
    for edge in stack.edges {
      // Refused is neither a turn nor a message: the rows must not show it.
      let refused = try await WebVisitor(host: "ranveer.example").say("hello", to: edge)
      try require(
        refused.text == "Classes are closed for the moment. We will be back soon!",
        "\(edge) answered: \(refused.text)"
      )
      let other = try await say("hello", at: "kichcha", to: edge)
      try require(other.ended == "done", "kichcha at \(edge): \(other.ended)")
    }
    let resumed = try await stack.tool().run(["tenant", "resume", "ranveer", "--wait"])
    try require(resumed.status == 0, "resume ended with \(resumed.status)")
    return try confirmations(in: done)
  }

  private func outage() async throws -> String {
    try await stack.killControl()
    let during = try await say("are you there", at: "kichcha", to: stack.edges[0])
    try require(during.ended == "done", "while it is away: \(during.ended) \(during.end)")
    let delivery = try WhatsAppDelivery(
      text: "still there?",
      from: "919822222222",
      to: stack.account(of: "sahayak"),
      id: "wamid.OUTAGE1"
    )
    let answer = try await post(delivery, "still there?", to: stack.edges[1])
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

  /// Every message of every tenant, as often as it was said, and nothing else.
  private func rows() async throws -> String {
    var said = await heard.transcript
    said.add(contentsOf: try await stack.sentByWhatsApp())
    let stored = try await stack.database().transcript()
    let differences = said.differences(from: stored)
    try require(differences.isEmpty, "\n    " + differences.joined(separator: "\n    "))
    let foreign = try await stack.database().count(
      "select 1 from messages m join sessions s on s.id = m.session_id where s.tenant_id <> m.tenant_id"
    )
    try require(foreign == 0, "\(foreign) messages stand under another tenant")
    return "\(stored.count) messages"
  }

  /// The fakes' requests, the rows and what `bindery usage` shows tell the same.
  private func usage() async throws -> String {
    let asked = try await stack.received(by: stack.ports.anthropic).count
    let tools = try await stack.received(by: stack.ports.tools).count
    let database = try stack.database()
    let calls = try await database.rows(
      """
      select provider, count(*) calls, sum(tokens_in) tokens_in, sum(tokens_out) tokens_out,
        sum(cost_usd) cost from llm_calls group by provider order by provider
      """
    )
    let vendor = calls.first { $0["provider"] == "anthropic" } ?? [:]
    // The fake's answer says 120 tokens in and 14 out, each time.
    for (name, wanted) in [
      ("calls", asked), ("tokens_in", 120 * asked), ("tokens_out", 14 * asked),
    ] {
      try require(
        vendor[name]?.intValue == Int64(wanted),
        "\(name): the vendor knows \(wanted), stored is \(vendor[name] ?? .null)"
      )
    }
    let stored = try await database.count("select 1 from tool_calls")
    try require(stored == tools, "\(tools) tool calls came, \(stored) are stored")
    let shown = try await stack.tool().json(["usage"]).arrayValue ?? []
    for row in calls {
      let provider = row["provider"]?.stringValue ?? ""
      let mine = shown.filter { $0["provider"]?.stringValue == provider }
      for (name, column) in [
        ("model_calls", "calls"), ("tokens_in", "tokens_in"), ("tokens_out", "tokens_out"),
      ] {
        let sum = mine.reduce(0) { $0 + ($1[name]?.intValue ?? 0) }
        try require(
          sum == row[column]?.intValue,
          "\(provider), \(name): shown \(sum), stored \(row[column] ?? .null)"
        )
      }
    }
    let lines = calls.map {
      "\($0["provider"]?.stringValue ?? "") \($0["calls"]?.intValue ?? 0) calls"
    }
    return lines.joined(separator: ", ") + ", \(tools) tool call"
  }

  /// What `--wait` tells: both nodes, and how long after the commit.
  private func confirmations(in answer: JSONValue) throws -> String {
    let nodes = (answer["wait"]?["confirmed"]?.arrayValue ?? []).map { node in
      let after = (node["after_ms"]?.doubleValue ?? 0).formatted(
        .number.precision(.fractionLength(1))
      )
      return "\(node["node"]?.stringValue ?? "") after \(after) ms"
    }
    try require(nodes.count == 2, "confirmed by \(nodes)")
    return nodes.joined(separator: ", ")
  }

  // MARK: - People

  /// A visitor of a tenant's page says something; what was said and heard is kept.
  private func say(
    _ text: String,
    at tenant: String,
    to edge: String
  ) async throws -> WebVisitor.Reply {
    let reply = try await WebVisitor(host: "\(tenant).example").say(text, to: edge)
    await heard.add(text, reply, at: tenant)
    return reply
  }

  /// WhatsApp delivers a message for the first time.
  private func post(
    _ delivery: WhatsAppDelivery,
    _ text: String,
    to edge: String
  ) async throws -> HTTPAnswer {
    let answer = try await delivery.post(to: edge)
    if answer.status == 200 {
      await heard.add(
        Utterance(tenant: delivery.account.tenant, channel: "whatsapp", inbound: true, body: text)
      )
    }
    return answer
  }

  private func milliseconds(_ duration: Duration) -> Int { Int(duration / .milliseconds(1)) }
}
