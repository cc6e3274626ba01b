import Channels
import Crypto
import Domain
import Foundation
import Models
import Subscription
import Testing
import Turn
import TurnDoubles
import Wire

@Suite("The WhatsApp webhook, over sockets")
struct WebhookTests {
  private func delivery(
    _ edge: Edge,
    _ messages: [JSONValue],
    number: String? = nil,
    phoneNumberID: String? = nil
  ) throws -> Data {
    let account = edge.harness.tenant.account
    return try JSONEncoder().encode(
      [
        "object": "whatsapp_business_account",
        "entry": [
          [
            "id": "WABA",
            "changes": [
              [
                "field": "messages",
                "value": [
                  "metadata": [
                    "display_phone_number": .string(number ?? account.displayNumber),
                    "phone_number_id": .string(phoneNumberID ?? account.phoneNumberID),
                  ],
                  "contacts": [["profile": ["name": "Asha"], "wa_id": "919812345678"]],
                  "messages": .array(messages),
                ],
              ]
            ],
          ]
        ],
      ] as JSONValue
    )
  }

  private func text(_ body: String, id: String = "wamid.\(UUID())") -> JSONValue {
    [
      "from": "919812345678", "id": .string(id), "type": "text", "timestamp": "1749416383",
      "text": ["body": .string(body)],
    ]
  }

  private func signature(_ body: Data, secret: String = Edge.appSecret) -> String {
    let code = HMAC<SHA256>.authenticationCode(
      for: body,
      using: SymmetricKey(data: Data(secret.utf8))
    )
    return "sha256=" + code.map { String(format: "%02x", $0) }.joined()
  }

  private func post(
    _ edge: Edge,
    _ body: Data,
    signature: String?,
    account: String? = nil
  ) async throws -> Answer {
    var headers = ["content-type": "application/json"]
    headers["x-hub-signature-256"] = signature
    let slug = account ?? edge.harness.tenant.account.slug
    return try await call(
      "POST",
      "\(edge.url)/webhooks/whatsapp/\(slug)",
      headers: headers,
      body: body
    )
  }

  @Test("hands the challenge back for the right token, and only for it")
  func handshake() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let path = "\(edge.url)/webhooks/whatsapp/\(edge.harness.tenant.account.slug)"
      let query = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
      let right = try await call("GET", path + query + Edge.verifyToken)
      #expect(right.status == 200)
      #expect(right.body == "1158201444")
      #expect(try await call("GET", path + query + "guess").status == 403)
      #expect(try await call("GET", path).status == 400)
      let unknown = "\(edge.url)/webhooks/whatsapp/nobody" + query + Edge.verifyToken
      #expect(try await call("GET", unknown).status == 404)
    }
  }

  @Test("answers a signed delivery once, however often it comes")
  func once() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let body = try delivery(edge, [text("hi", id: "wamid.A")])
      #expect(try await post(edge, body, signature: signature(body)).status == 200)
      try await wait { edge.harness.sender.messages.count == 1 }
      #expect(try await post(edge, body, signature: signature(body)).status == 200)
      #expect(edge.metrics[#"bindery_duplicates_total{channel="whatsapp"}"#] == 1)
      #expect(edge.harness.sender.messages.count == 1)
      let sent = try #require(edge.harness.sender.messages.first)
      #expect(sent.recipient == "919812345678")
      #expect(sent.replyTo == "wamid.A")
      let inbound = edge.harness.controlPlane.read { $0.commits.first?.messages.first }
      #expect(inbound?.body == "hi")
    }
  }

  @Test("checks the signature over the bytes as they came, escapes and all")
  func rawBody() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let account = edge.harness.tenant.account
      let body = Data(
        #"""
        {"object":"whatsapp_business_account",  "entry":[{"changes":[{"field":"messages","value":{
        "metadata":{"display_phone_number":"+\#(account.displayNumber)","phone_number_id":"\#(account.phoneNumberID)"},
        "messages":[{"from":"919812345678","id":"wamid.E","type":"text","text":{"body":"\u0928\u092e"}}]}}]}]}
        """#.utf8
      )
      #expect(try await post(edge, body, signature: signature(body)).status == 200)
      try await wait { edge.harness.sender.messages.count == 1 }
      #expect(edge.harness.model.requests.first?.messages == [.user("नम")])
    }
  }

  @Test("refuses what is unsigned, wrongly signed, too long, or no JSON")
  func refused() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let body = try delivery(edge, [text("hi")])
      #expect(try await post(edge, body, signature: nil).status == 401)
      #expect(try await post(edge, body, signature: signature(body, secret: "x")).status == 403)
      #expect(try await post(edge, body, signature: "sha256=zz").status == 403)
      let long = Data(repeating: UInt8(ascii: " "), count: 100_001)
      #expect(try await post(edge, long, signature: signature(long)).status == 413)
      let garbage = Data("not json".utf8)
      #expect(try await post(edge, garbage, signature: signature(garbage)).status == 400)
      #expect(edge.harness.controlPlane.read { $0.accepts } == 0)
    }
  }

  @Test("does not tell an archived tenant's account from an unknown one")
  func alike() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let body = try delivery(edge, [text("hi")])
      let unknown = try await post(edge, body, signature: signature(body), account: "nobody")
      edge.harness.configuration.set(.closed, for: edge.harness.tenant)
      let archived = try await post(edge, body, signature: signature(body))
      #expect(unknown.status == 404)
      #expect(archived.status == 404)
      #expect(unknown.body == archived.body)
    }
  }

  @Test("takes no message for a number of somebody else's")
  func foreignNumber() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let body = try delivery(edge, [text("hi")], number: "910000000000")
      #expect(try await post(edge, body, signature: signature(body)).status == 200)
      let other = try delivery(edge, [text("hi")], phoneNumberID: "other")
      #expect(try await post(edge, other, signature: signature(other)).status == 200)
      #expect(edge.metrics["bindery_webhook_foreign_number_total"] == 2)
      #expect(edge.harness.controlPlane.read { $0.accepts } == 0)
    }
  }

  @Test("passes over what nobody answers, and tells the persona what it can't hear")
  func kinds() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let ignored: [JSONValue] = [
        ["from": "919812345678", "id": "w1", "type": "reaction", "reaction": ["emoji": "x"]],
        ["from": "919812345678", "id": "w2", "type": "unsupported", "errors": []],
        ["from": "919812345678", "id": "w3", "type": "interactive", "interactive": [:]],
        ["from": "919812345678", "type": "text", "text": ["body": "no id"]],
        "garbage",
      ]
      let body = try delivery(edge, ignored)
      #expect(try await post(edge, body, signature: signature(body)).status == 200)
      #expect(edge.harness.controlPlane.read { $0.accepts } == 0)
      let voice = try delivery(
        edge,
        [["from": "919812345678", "id": "w5", "type": "audio", "audio": ["id": "190"]]]
      )
      #expect(try await post(edge, voice, signature: signature(voice)).status == 200)
      try await wait { edge.harness.sender.messages.count == 1 }
      #expect(edge.harness.model.requests.first?.messages == [.user("[voice message]")])
    }
  }

  @Test("tells a refusing tenant's users that it is paused, once for each message, without a model")
  func paused() async throws {
    try await Edge.run(TurnHarness()) { edge in
      edge.harness.configuration.set(
        .paused(.refuse, message: ["": "We are closed."]),
        for: edge.harness.tenant
      )
      let body = try delivery(edge, [text("hi")])
      #expect(try await post(edge, body, signature: signature(body)).status == 200)
      #expect(try await post(edge, body, signature: signature(body)).status == 200)
      try await wait { !edge.harness.sender.messages.isEmpty }
      #expect(edge.harness.sender.messages.map(\.text) == ["We are closed."])
      #expect(edge.harness.model.requests.isEmpty)
      #expect(edge.harness.controlPlane.read { $0.accepts } == 0)
    }
  }

  @Test("asks for the delivery again when neither the control plane nor the disk takes it")
  func unavailable() async throws {
    try await Edge.run(TurnHarness()) { edge in
      edge.harness.controlPlane.read { $0.isAway = true }
      edge.harness.inbox.fill()
      let body = try delivery(edge, [text("hi")])
      #expect(try await post(edge, body, signature: signature(body)).status == 503)
    }
  }

  @Test("settles a send by the status that echoes its outbox id")
  func echo() async throws {
    try await Edge.run(TurnHarness()) { edge in
      let account = edge.harness.tenant.account
      let outbox = OutboxID(UUID())
      let body = try JSONEncoder().encode(
        [
          "entry": [
            [
              "changes": [
                [
                  "field": "messages",
                  "value": [
                    "metadata": [
                      "display_phone_number": .string(account.displayNumber),
                      "phone_number_id": .string(account.phoneNumberID),
                    ],
                    "statuses": [
                      [
                        "id": "wamid.B", "status": "delivered",
                        "biz_opaque_callback_data": .string(outbox.description),
                      ]
                    ],
                  ],
                ]
              ]
            ]
          ]
        ] as JSONValue
      )
      #expect(try await post(edge, body, signature: signature(body)).status == 200)
      try await wait { edge.harness.controlPlane.read { !$0.settled.isEmpty } }
      let row = edge.harness.controlPlane.read { $0.settled.first }
      #expect(row?.outboxID == outbox.data)
      #expect(row?.state == .sent)
      #expect(row?.providerMessageID == "wamid.B")
    }
  }
}
