import Channels
import Domain
import Foundation
import Models
import Subscription
import Testing
import Turn
import TurnDoubles
import Wire

@Suite("The web chat, over sockets")
struct WebChatTests {
  private func say(
    _ edge: Edge,
    _ text: String,
    id: String = UUID().uuidString,
    host: String = "chat.example",
    headers: [String: String] = [:]
  ) async throws -> Answer {
    let body = try JSONEncoder().encode(
      ["text": .string(text), "client_message_id": .string(id)] as JSONValue
    )
    var all = ["host": host, "content-type": "application/json"]
    all.merge(headers) { $1 }
    return try await call("POST", "\(edge.url)/chat/messages", headers: all, body: body)
  }

  /// The text of all text events, and the last event.
  private func read(_ answer: Answer) throws -> (text: String, end: String, data: JSONValue) {
    var (text, end, data) = ("", "", JSONValue.null)
    for block in answer.body.components(separatedBy: "\n\n") where block.hasPrefix("event: ") {
      let lines = block.components(separatedBy: "\ndata: ")
      let name = String(lines[0].dropFirst(7))
      let json = try JSONDecoder().decode(JSONValue.self, from: Data(lines[1].utf8))
      if name == "text" { text += json["text"]?.stringValue ?? "" }
      (end, data) = (name, json)
    }
    return (text, end, data)
  }

  private func cookie(_ answer: Answer) throws -> String {
    let header = try #require(answer.headers["set-cookie"])
    #expect(header.contains("HttpOnly"))
    #expect(header.contains("SameSite=Strict"))
    return String(header.prefix { $0 != ";" })
  }

  @Test("streams an answer and ends it with done once it is committed")
  func answers() async throws {
    let harness = TurnHarness(model: ScriptedModel(.pieces(["Good ", "morning, ", "visitor."])))
    try await Edge.run(harness) { edge in
      let answer = try await say(edge, "hello")
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"]?.hasPrefix("text/event-stream") == true)
      let (text, end, _) = try read(answer)
      #expect(text == "Good morning, visitor.")
      #expect(end == "done")
      #expect(harness.controlPlane.read { $0.commits.count } == 1)
    }
  }

  @Test("knows a visitor by the cookie, and shows nobody else the history")
  func history() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let first = try await say(edge, "first")
      let token = try cookie(first)
      let second = try await say(edge, "second", headers: ["cookie": token])
      #expect(second.headers["set-cookie"] == nil)
      #expect(edge.harness.model.requests.last?.messages.count == 3)
      let url = "\(edge.url)/chat/messages"
      let own = try await call("GET", url, headers: ["host": "chat.example", "cookie": token])
      #expect(own.body.contains("first"))
      #expect(own.body.contains("second"))
      let stranger = try await call("GET", url, headers: ["host": "chat.example"])
      #expect(stranger.body == #"{"messages":[]}"#)
      let forged = String(token.dropLast(3)) + "AAA"
      let thief = try await call("GET", url, headers: ["host": "chat.example", "cookie": forged])
      #expect(thief.body == #"{"messages":[]}"#)
      let third = try await say(edge, "third", headers: ["cookie": forged])
      #expect(third.headers["set-cookie"] != nil)
    }
  }

  @Test("answers the same message once")
  func duplicate() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let first = try await say(edge, "hello", id: "one")
      let token = try cookie(first)
      let again = try await say(edge, "hello", id: "one", headers: ["cookie": token])
      #expect(try read(again).data["reason"]?.stringValue == "duplicate")
      #expect(edge.harness.model.requests.count == 1)
      // The id is the visitor's own: another visitor may use it too.
      #expect(try read(try await say(edge, "hello", id: "one")).end == "done")
      #expect(edge.harness.model.requests.count == 2)
    }
  }

  @Test("does not tell unknown hosts, inactive bindings and archived tenants apart")
  func alike() async throws {
    let (inactive, archived) = (TurnHarness(), TurnHarness())
    inactive.configuration.deactivate(inactive.tenant)
    archived.configuration.set(.closed, for: archived.tenant)
    for harness in [inactive, archived] {
      try await Edge.run(harness) { edge in
        let unknown = try await say(edge, "hi", host: "elsewhere.example")
        let known = try await say(edge, "hi")
        #expect(unknown.status == 404)
        #expect(known.status == 404)
        #expect(known.body == unknown.body)
        #expect(
          Set(known.headers.keys) == Set(unknown.headers.keys)
        )
        let page = try await call("GET", edge.url + "/", headers: ["host": "chat.example"])
        #expect(page.status == 404)
        #expect(page.body == unknown.body)
      }
    }
  }

  @Test(
    "refuses what is no message",
    arguments: [
      (#"{"text":"","client_message_id":"1"}"#, 400), (#"{"text":"hi"}"#, 400), ("nonsense", 400),
      (#"{"text":"\#(String(repeating: "a", count: 4_001))","client_message_id":"1"}"#, 400),
      (String(repeating: "a", count: 65_537), 413),
    ]
  )
  func refused(body: String, status: Int) async throws {
    try await Edge.run(TurnHarness()) { edge in
      let answer = try await call(
        "POST",
        "\(edge.url)/chat/messages",
        headers: ["host": "chat.example", "content-type": "application/json"],
        body: Data(body.utf8)
      )
      #expect(answer.status == status)
      #expect(edge.harness.model.requests.isEmpty)
    }
  }

  @Test("refuses other sites' pages, forms, and too many messages")
  func foreign() async throws {
    try await Edge.run(TurnHarness(), visitorMessagesPerMinute: 2) { edge in
      let foreign = ["origin": "https://evil.example"]
      #expect(try await say(edge, "hi", headers: foreign).status == 403)
      #expect(try await say(edge, "hi", headers: ["content-type": "text/plain"]).status == 415)
      let own = try await say(edge, "hi", headers: ["origin": "https://chat.example:443"])
      #expect(own.status == 200)
      let token = try cookie(own)
      var statuses: [Int] = []
      // A new minute may begin in between; then the fourth is one too many.
      for _ in 1 ... 5 {
        statuses.append(try await say(edge, "hi", headers: ["cookie": token]).status)
      }
      #expect(statuses.contains(429))
    }
  }

  @Test("says a refusing tenant's own words without a model call; a holding one answers later")
  func paused() async throws {
    try await Edge.run(TurnHarness()) { edge in
      edge.harness.configuration.set(
        .paused(.refuse, message: ["": "We are closed."]),
        for: edge.harness.tenant
      )
      let refused = try read(try await say(edge, "hi"))
      #expect(refused.text == "We are closed.")
      #expect(refused.data["reason"]?.stringValue == "refused")
      edge.harness.configuration.set(.paused(.hold, message: [:]), for: edge.harness.tenant)
      let held = try read(try await say(edge, "hi"))
      #expect(held.text.isEmpty)
      #expect(held.end == "interrupted")
      #expect(edge.harness.controlPlane.read { $0.accepts } == 1)
      #expect(edge.harness.model.requests.isEmpty)
    }
  }

  @Test("keeps the newest answer, which may be withheld, out of the history during a pause")
  func historyDuringAPause() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let token = try cookie(try await say(edge, "first"))
      _ = try await say(edge, "second", headers: ["cookie": token])
      func answers() async throws -> Int {
        let headers = ["host": "chat.example", "cookie": token]
        let history = try await call("GET", "\(edge.url)/chat/messages", headers: headers)
        #expect(history.body.contains("second"))
        return history.body.components(separatedBy: #""persona""#).count - 1
      }
      #expect(try await answers() == 2)
      for gate in [TenantGate.paused(.hold, message: [:]), .stale] {
        edge.harness.configuration.set(gate, for: edge.harness.tenant)
        #expect(try await answers() == 1)
      }
      edge.harness.configuration.set(.open, for: edge.harness.tenant)
      #expect(try await answers() == 2)
    }
  }

  @Test("queues a second message behind the one that is being answered")
  func queued() async throws {
    let harness = TurnHarness()
    try await Edge.run(harness) { edge in
      harness.controlPlane.read { $0.beginDisposition = .busy }
      async let answer = say(edge, "hello")
      try await wait { harness.controlPlane.read { $0.begins > 0 } }
      harness.controlPlane.read { $0.beginDisposition = nil }
      let (text, end, _) = try read(try await answer)
      #expect(end == "done")
      #expect(text == "Hi!")
    }
  }

  @Test("shows a page that names the persona and loads nothing from elsewhere")
  func page() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let host = ["host": "chat.example", "accept-language": "en-GB,en;q=0.8"]
      let page = try await call("GET", edge.url + "/", headers: host)
      #expect(page.status == 200)
      #expect(page.body.contains("<title>Asha</title>"))
      #expect(page.body.contains("Hello"))
      #expect(page.headers["content-security-policy"]?.hasPrefix("default-src 'none'") == true)
      #expect(!page.body.contains("http://"))
      #expect(!page.body.contains("https://"))
      #expect(try await call("GET", edge.url + "/chat/page.js", headers: host).status == 200)
      #expect(try await call("GET", edge.url + "/chat/style.css", headers: host).status == 200)
    }
  }
}
