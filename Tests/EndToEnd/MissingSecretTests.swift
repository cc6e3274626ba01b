import Foundation
import Scenario
import Testing

extension `The edge of a node` {
  /// Runs `body` while a secret is changed, and puts it back.
  private func withSecret(
    _ name: String,
    of tenant: String,
    changed change: (URL) throws -> Void,
    _ body: () async throws -> Void
  ) async throws {
    let file = stack.secret(name, of: tenant)
    let value = try Data(contentsOf: file)
    try change(file)
    do {
      try await body()
    } catch {
      Issue.record("\(error)")
    }
    try value.write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
  }

  /// Waits for a line of the first node's log that names the secret; no line may hold a value.
  private func waitForLog(of reference: String, saying hint: String) async throws {
    try await waitUntil("the log names \(reference)", within: .seconds(10)) {
      await stack.output(of: "node-1").split(separator: "\n")
        .contains { $0.contains("\"\(reference)\"") && $0.contains(hint) }
    }
    let log = await stack.output(of: "node-1")
    for tenant in Stack.tenants {
      for name in ["app_secret", "verify_token", "access_token", "anthropic_api_key"] {
        #expect(!log.contains("\(tenant)-\(name)"))
      }
    }
  }

  @Test
  func `without its app secret a webhook asks for the delivery again, and says which is missing`()
    async throws
  {
    let account = stack.account(of: "vakil")
    func delivery(_ id: String) throws -> WhatsAppDelivery {
      try WhatsAppDelivery(text: "hello", from: "919000000010", to: account, id: id)
    }
    try await withSecret("app_secret", of: "vakil", changed: FileManager.default.removeItem(at:)) {
      #expect(try await delivery("wamid.S1").post(to: stack.edges[0]).status == 503)
      try await waitForLog(of: "vakil/app_secret", saying: "put it in")
      try await stack.expectWell()
    }
    let truncate = { @Sendable (file: URL) in try Data().write(to: file) }
    try await withSecret("app_secret", of: "vakil", changed: truncate) {
      // With an empty key anybody could sign.
      var forged = try delivery("wamid.S2")
      forged.signature = WhatsAppDelivery.signature(of: forged.body, secret: "")
      #expect(try await forged.post(to: stack.edges[0]).status == 503)
      try await waitForLog(of: "vakil/app_secret", saying: "is empty")
    }
    let open = { @Sendable (file: URL) in
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file.path)
    }
    try await withSecret("app_secret", of: "vakil", changed: open) {
      #expect(try await delivery("wamid.S3").post(to: stack.edges[0]).status == 503)
      try await waitForLog(of: "vakil/app_secret", saying: "chmod 600")
    }
    #expect(try await delivery("wamid.S4").post(to: stack.edges[0]).status == 200)
    try await waitUntil("it answers once it has the secret", within: .seconds(15)) {
      try await stack.sent(to: "919000000010").count == 1
    }
  }

  @Test func `without its verify token the handshake fails, and the token is not guessed`()
    async throws
  {
    let path = "\(stack.edges[0])/webhooks/whatsapp/vakil"
    try await withSecret("verify_token", of: "vakil", changed: FileManager.default.removeItem(at:))
    {
      for token in ["", "vakil-verify_token"] {
        let answer = try await httpCall(
          "GET",
          "\(path)?hub.mode=subscribe&hub.verify_token=\(token)&hub.challenge=115"
        )
        #expect(answer.status == 503 && !answer.text.contains("115"))
      }
      try await waitForLog(of: "vakil/verify_token", saying: "put it in")
    }
  }

  @Test func `without its access token a reply is stored with the reason why it was not sent`()
    async throws
  {
    let account = stack.account(of: "vakil")
    let remove = FileManager.default.removeItem(at:) as (URL) throws -> Void
    try await withSecret("access_token", of: "vakil", changed: remove) {
      let delivery = try WhatsAppDelivery(
        text: "hello",
        from: "919000000011",
        to: account,
        id: "wamid.S5"
      )
      #expect(try await delivery.post(to: stack.edges[0]).status == 200)
      try await stack.waitForRow(
        "the outbox tells why",
        "select 1 from outbox where recipient = '919000000011' and error <> ''"
      )
      #expect(try await stack.sent(to: "919000000011").isEmpty)
      try await stack.expectWell()
    }
  }

  @Test func `without a model's key the person gets an apology, and the row and the log say why`()
    async throws
  {
    let remove = FileManager.default.removeItem(at:) as (URL) throws -> Void
    try await withSecret("anthropic_api_key", of: "medicly", changed: remove) {
      let reply = try await WebVisitor(host: "medicly.example").say("how much?", to: stack.edges[0])
      #expect(reply.text.contains("our desk has a technical problem"))
      try await stack.waitForRow(
        "the model call is stored with its error",
        "select 1 from llm_calls where provider = 'anthropic' and error = 'rejected'"
      )
      try await waitUntil("the log tells", within: .seconds(10)) {
        await stack.output(of: "node-1").contains("anthropic_api_key")
      }
    }
    let reply = try await WebVisitor(host: "medicly.example").say("how much?", to: stack.edges[0])
    #expect(reply.text.contains("[ask your doctor]"))
  }

  @Test func `a node without its secrets folder says so and starts`() async throws {
    let log = stack.folder.appending(path: "no-secrets.log")
    let node = try Program(
      "node without secrets",
      path: try stack.layout.program("bindery-node"),
      arguments: [
        "--node-id", "bare", "--control", stack.control, "--http",
        "127.0.0.1:\(stack.ports.grpc + 30)",
        "--data-dir", stack.folder.appending(path: "bare").path, "--secrets-dir",
        stack.folder.appending(path: "nowhere").path,
      ],
      log: log
    )
    do {
      try await node.waitUntilReady(within: .seconds(20))
      #expect(node.output.contains("secrets folder is not there"))
      let edge = "http://127.0.0.1:\(stack.ports.grpc + 30)"
      try await waitUntil("it has the configuration", within: .seconds(15)) {
        try await httpCall("GET", "\(edge)/readyz").status == 200
      }
      let delivery = try WhatsAppDelivery(
        text: "x",
        from: "919000000012",
        to: stack.account(of: "sahayak"),
        id: "wamid.S6"
      )
      #expect(try await delivery.post(to: edge).status == 503)
      // A tenant that is served without a lease: this node may not have its first one yet.
      let reply = try await WebVisitor(host: "sahayak.example").say("hello", to: edge)
      #expect(reply.ended == "done")
    } catch {
      Issue.record("\(error)")
    }
    #expect(await node.stop() == nil)
    #expect(!node.output.contains("sahayak-app_secret"))
  }
}
