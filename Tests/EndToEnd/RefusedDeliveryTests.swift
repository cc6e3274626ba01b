import Domain
import Foundation
import Scenario
import Testing

@Suite(.serialized, .edge(base: 7900))
struct `The edge of a node` {
  let stack: Stack
  private let account: WhatsAppAccount

  init() throws {
    stack = try Stack.ofSuite()
    account = stack.account(of: "sahayak")
  }

  private func post(_ delivery: WhatsAppDelivery) async throws -> Int {
    try await delivery.post(to: stack.edges[0]).status
  }

  @Test
  func `bodies that are unsigned, wrongly signed or by another tenant's secret get 401 and 403`()
    async throws
  {
    var delivery = try WhatsAppDelivery(
      text: "x",
      from: "919000000001",
      to: account,
      id: "wamid.X1"
    )
    let good = try #require(delivery.signature)
    let wrong = [
      "", "sha256=", "sha256=zz", "sha1=\(good.dropFirst(7))", String(good.dropLast(2)),
      good + "00", "sha256=\(String(repeating: "0", count: 64))",
      WhatsAppDelivery.signature(of: delivery.body, secret: "vakil-app_secret"),
      String(repeating: "a", count: 8_000),
    ]
    for signature in wrong {
      delivery.signature = signature
      #expect([401, 403].contains(try await post(delivery)), "\(signature.prefix(80))")
    }
    delivery.signature = nil
    #expect(try await post(delivery) == 401)
    delivery.signature = good
    delivery.body.append(0x20)
    #expect(try await post(delivery) == 403)
    #expect(try await stack.database().count("select 1 from inputs where body = 'x'") == 0)
    try await stack.expectWell()
  }

  @Test func `a body over the limit gets 413, whether its length is told or not`() async throws {
    let large = Data(repeating: UInt8(ascii: " "), count: (3 << 20) + 1)
    let delivery = WhatsAppDelivery(body: large, to: account)
    for tellsLength in [true, false] {
      let answer = try await delivery.post(to: stack.edges[0], tellsLength: tellsLength)
      #expect(answer.status == 413)
    }
    // At the limit it is read, and is no JSON.
    #expect(try await post(WhatsAppDelivery(body: large.dropLast(), to: account)) == 400)
    try await stack.expectWell()
  }

  @Test func `signed bodies that are no JSON object get 400`() async throws {
    let bodies: [Data] = [
      Data(), Data("{".utf8), Data("null".utf8), Data("[]".utf8), Data("\"text\"".utf8),
      Data("<xml/>".utf8), Data([0xFF, 0xFE, 0x00]), Data("{\"entry\": [}".utf8),
      Data(String(repeating: "[", count: 200_000).utf8),
      Data((String(repeating: "{\"entry\":", count: 100_000)).utf8),
    ]
    for body in bodies {
      #expect(
        try await post(WhatsAppDelivery(body: body, to: account)) == 400,
        "\(String(decoding: body.prefix(40), as: UTF8.self))"
      )
    }
    try await stack.expectWell()
  }

  @Test func `signed bodies of an unknown type or form get 200 and are ignored`() async throws {
    let bodies = [
      "{}", #"{"object":"page","entry":[]}"#, #"{"entry":null}"#, #"{"entry":7}"#,
      #"{"entry":[null,7,"x",{}]}"#, #"{"entry":[{"changes":{"a":1}}]}"#,
      #"{"entry":[{"changes":[{"field":"account_update","value":{"event":"BANNED"}}]}]}"#,
      #"{"entry":[{"changes":[{"field":"messages","value":{"messages":"none"}}]}]}"#,
      #"{"entry":[{"changes":[{"field":"messages","value":{"statuses":[{"id":1}]}}]}]}"#,
    ]
    for body in bodies {
      #expect(
        try await post(WhatsAppDelivery(body: Data(body.utf8), to: account)) == 200,
        "\(body)"
      )
    }
    let odd: [JSONValue] = [
      ["type": "text"], ["type": 3, "id": 4, "from": 5], .null, "text",
      ["type": "text", "from": "919000000002", "id": "wamid.ODD", "text": ["body": 12]],
      ["type": "hologram", "from": "", "id": "", "hologram": [:]],
    ]
    let delivery = try WhatsAppDelivery(messages: odd, from: "919000000002", to: account)
    #expect(try await post(delivery) == 200)
    #expect(
      try await stack.database().count(
        "select 1 from inputs where provider_message_id = 'wamid.ODD' and body <> ''"
      )
        == 0
    )
    try await stack.expectWell()
  }

  @Test func `the handshake gives the challenge to the right token alone`() async throws {
    let path = "\(stack.edges[0])/webhooks/whatsapp/sahayak"
    func shake(_ query: String) async throws -> (Int, String) {
      let answer = try await httpCall("GET", query.isEmpty ? path : "\(path)?\(query)")
      return (answer.status, answer.text)
    }
    let token = account.verifyToken
    let right = try await shake(
      "hub.mode=subscribe&hub.verify_token=\(token)&hub.challenge=1158201444"
    )
    #expect(right == (200, "1158201444"))
    let wrong = try await shake("hub.mode=subscribe&hub.verify_token=\(token)x&hub.challenge=115")
    #expect(wrong.0 == 403 && !wrong.1.contains("115"))
    for query in [
      "", "hub.mode=subscribe", "hub.mode=unsubscribe&hub.verify_token=\(token)&hub.challenge=115",
      "hub.mode=subscribe&hub.verify_token=\(token)",
      "hub.mode=subscribe&hub.verify_token=&hub.challenge=115",
      "hub.mode=subscribe&hub.verify_token=\(token)&hub.challenge="
        + String(repeating: "1", count: 2_000),
    ] {
      let answer = try await shake(query)
      #expect([400, 403].contains(answer.0) && !answer.1.contains("115"), "\(query.prefix(80))")
    }
    try await stack.expectWell()
  }

  @Test func `web messages in a wrong form get 4xx, and the page's host still answers`()
    async throws
  {
    func say(
      _ body: Data,
      type: String = "application/json",
      origin: String? = nil
    ) async throws -> Int {
      var headers = ["host": "vakil.example", "content-type": type]
      if let origin { headers["origin"] = origin }
      return try await httpCall(
        "POST",
        "\(stack.edges[0])/chat/messages",
        headers: headers,
        body: body
      )
      .status
    }
    let good = Data(#"{"text": "hello", "client_message_id": "1"}"#.utf8)
    for body in [
      "", "{", "[]", "null", #"{"text": "hello"}"#, #"{"text": 5, "client_message_id": "1"}"#,
      #"{"text": "  ", "client_message_id": "1"}"#, #"{"text": "a", "client_message_id": ""}"#,
      #"{"text": "\#(String(repeating: "a", count: 4_001))", "client_message_id": "1"}"#,
      String(repeating: "[", count: 60_000),
    ] {
      #expect(try await say(Data(body.utf8)) == 400, "\(body.prefix(60))")
    }
    #expect(try await say(Data([0xFF, 0xFE])) == 400)
    #expect(try await say(Data(repeating: 0x20, count: (64 << 10) + 1)) == 413)
    #expect(try await say(good, type: "text/plain") == 415)
    #expect(try await say(good, origin: "https://evil.example") == 403)
    let reply = try await WebVisitor(host: "vakil.example").say("hello", to: stack.edges[0])
    #expect(reply.ended == "done" && !reply.text.isEmpty)
  }
}
