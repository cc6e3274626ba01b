import Codecs
import Domain
import Foundation
import Logging
import Secrets
import Support
import Testing
import Tools

private struct FixedSecrets: SecretResolver {
  func secret(_ reference: SecretReference) async throws(SecretError) -> Secret {
    guard reference.tenantSlug == "shop", reference.name == "crm" else {
      throw SecretError(code: .notFound, reference: reference.name)
    }
    return Secret("s3cret")
  }
}

/// Real sockets. The server's own record says what was sent.
@Suite struct ToolRunnerTests {
  static let schema: JSONValue = [
    "type": "object",
    "properties": ["id": ["type": "string", "pattern": #"^ORD-\d+$"#], "deep": [:]],
    "required": ["id"], "additionalProperties": false,
  ]

  static func tool(
    _ url: String,
    method: String = "POST",
    auth: ToolSpec.Auth? = nil,
    timeoutMS: Int = 10_000,
    maxResultBytes: Int = 1_000,
    redact: [String] = []
  ) -> ToolSpec {
    ToolSpec(
      name: "lookup_order",
      description: "Looks an order up.",
      schema: schema,
      url: url,
      method: method,
      auth: auth,
      timeoutMS: timeoutMS,
      idempotent: true,
      approval: "never",
      maxResultBytes: maxResultBytes,
      redact: redact
    )
  }

  struct Run {
    var outcome: ToolOutcome
    var requests: [ScriptedRequest]
  }

  func run(
    _ steps: [ScriptedServer.Step],
    name: String = "lookup_order",
    arguments: String = #"{"id":"ORD-1"}"#,
    path: String = "/orders",
    allowed: Bool = true,
    tool: @Sendable (String) -> ToolSpec = { tool($0) }
  ) async throws -> Run {
    try await ScriptedServer.with({ _, _ in steps }) { server in
      let runner = HTTPToolRunner(
        secrets: FixedSecrets(),
        allow: allowed ? ["127.0.0.1:\(server.port)"] : [],
        logger: Logger(label: "test")
      )
      let outcome = try await runner.run(
        ToolInvocation(name: name, argumentsJSON: arguments),
        of: [tool(server.url + path)],
        tenant: TenantID(UUID()),
        tenantSlug: "shop",
        idempotencyKey: "key-7"
      )
      try await runner.shutDown()
      return Run(outcome: outcome, requests: server.requests)
    }
  }

  @Test func `arguments go out as a JSON body, with a key and the tenant's secret`() async throws {
    let auth = ToolSpec.Auth(type: "bearer", header: nil, secretRef: "shop/crm")
    let run = try await run(ScriptedServer.response(200, #"{"state":"sent"}"#)) {
      Self.tool($0, auth: auth)
    }
    let request = try #require(run.requests.first)
    #expect(request.line == "POST /orders HTTP/1.1")
    #expect(request.body == #"{"id":"ORD-1"}"#)
    #expect(request.headers["content-type"] == "application/json")
    #expect(request.headers["idempotency-key"] == "key-7")
    #expect(request.headers["authorization"] == "Bearer s3cret")
    #expect(run.outcome.content == #"{"state":"sent"}"#)
    #expect(!run.outcome.isError)
    #expect(run.outcome.error.isEmpty)
    #expect(run.outcome.recordedResultJSON == #"{"state":"sent"}"#)
  }

  @Test func `GET carries arguments as an escaped query`() async throws {
    let run = try await run(
      ScriptedServer.response(200, "fine", type: "text/plain"),
      arguments: #"{"id":"ORD-1","deep":["a&b",1]}"#,
      path: "/orders?v=1"
    ) { Self.tool($0, method: "GET") }
    let request = try #require(run.requests.first)
    #expect(request.line == "GET /orders?v=1&deep=%5B%22a%26b%22%2C1%5D&id=ORD-1 HTTP/1.1")
    #expect(run.outcome.content == "fine")
    #expect(run.outcome.recordedResultJSON == #""fine""#)
  }

  @Test(arguments: [
    (#"{"id":"nope"}"#, "bad_arguments"), (#"{}"#, "bad_arguments"), ("[1]", "bad_arguments"),
    ("{oops", "bad_arguments"), (#"{"id":"ORD-1","more":1}"#, "bad_arguments"),
  ])
  func `bad arguments never leave the node`(arguments: String, error: String) async throws {
    let run = try await run(ScriptedServer.response(200, "{}"), arguments: arguments)
    #expect(run.requests.isEmpty)
    #expect(run.outcome.isError)
    #expect(run.outcome.error == error)
  }

  @Test func `an unknown tool is told which there are`() async throws {
    let run = try await run(ScriptedServer.response(200, "{}"), name: "rm")
    #expect(run.requests.isEmpty)
    #expect(run.outcome.error == "unknown_tool")
    #expect(run.outcome.content.contains("lookup_order"))
  }

  @Test(arguments: [
    (500, "http_500"), (404, "http_404"), (302, "http_302"),
  ])
  func `an error status is an outcome`(status: Int, error: String) async throws {
    let steps = ScriptedServer.response(
      status,
      "stack trace",
      headers: ["location": "http://127.0.0.1:1/"]
    )
    let run = try await run(steps)
    #expect(run.outcome.error == error)
    #expect(run.outcome.recordedResultJSON.isEmpty)
    #expect(!run.outcome.content.contains("stack trace"))
    #expect(run.requests.count == 1)
  }

  @Test func `garbage, cuts and floods are outcomes`() async throws {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    #expect(try await run(ScriptedServer.response(200, "{oops")).outcome.error == "not_json")
    let flood = ScriptedServer.response(200, String(repeating: "x", count: 5_000))
    #expect(try await run(flood).outcome.error == "too_large")
    let cut = [ScriptedServer.Step.bytes(head + "content-length: 100\r\n\r\n{")]
    #expect(try await run(cut).outcome.error == "cut")
    let silent = try await run([.stall]) { Self.tool($0, timeoutMS: 200) }
    #expect(silent.outcome.error == "timed_out")
    let trickle = try await run([.bytes(head + "content-length: 100\r\n\r\n{"), .stall]) {
      Self.tool($0, timeoutMS: 200)
    }
    #expect(trickle.outcome.error == "timed_out")
  }

  @Test func `records hold no redacted members`() async throws {
    let answer = #"{"list":[{"aadhaar":"2341"},{"aadhaar":"99"}],"id":"ORD-1"}"#
    let run = try await run(ScriptedServer.response(200, answer)) {
      Self.tool($0, redact: ["$.list.aadhaar", "$.id"])
    }
    #expect(run.outcome.content == answer)
    #expect(run.outcome.recordedArgumentsJSON == #"{"id":"[redacted]"}"#)
    #expect(
      run.outcome.recordedResultJSON
        == #"{"id":"[redacted]","list":[{"aadhaar":"[redacted]"},{"aadhaar":"[redacted]"}]}"#
    )
  }

  @Test(arguments: ["other/crm", "missing", "../crm"])
  func `a secret that is not the tenant's own is not used`(reference: String) async throws {
    let auth = ToolSpec.Auth(type: "header", header: "x-key", secretRef: reference)
    let run = try await run(ScriptedServer.response(200, "{}")) { Self.tool($0, auth: auth) }
    #expect(run.outcome.error == "no_secret")
    #expect(run.requests.isEmpty)
  }

  // MARK: - Where tools may be

  @Test func `plain HTTP is refused unless the operator allows it`() async throws {
    let run = try await run(ScriptedServer.response(200, "{}"), allowed: false)
    #expect(run.outcome.error == "insecure_url")
    #expect(run.requests.isEmpty)
  }

  @Test(arguments: [
    "https://127.0.0.1/", "https://localhost/", "https://10.1.2.3/", "https://169.254.169.254/",
    "https://192.168.0.1/", "https://100.64.0.1/", "https://0.0.0.0/", "https://[::1]/",
    "https://[::ffff:127.0.0.1]/", "https://[fd00::1]/", "https://[fe80::1]/",
    "https://[64:ff9b::7f00:1]/", "https://2130706433/", "https://0x7f.1/", "https://127.1/",
  ])
  func `private addresses are refused in every spelling`(url: String) async throws {
    let runner = HTTPToolRunner(secrets: FixedSecrets(), allow: [], logger: Logger(label: "test"))
    let outcome = try await runner.run(
      ToolInvocation(name: "lookup_order", argumentsJSON: #"{"id":"ORD-1"}"#),
      of: [Self.tool(url)],
      tenant: TenantID(UUID()),
      tenantSlug: "shop",
      idempotencyKey: "k"
    )
    #expect(["private_address", "bad_url"].contains(outcome.error))
    try await runner.shutDown()
  }

  @Test(arguments: ["ftp://example.com/", "https://u:p@example.com/", "/orders", "https://"])
  func `a URL that is no plain web address is refused`(url: String) async throws {
    let runner = HTTPToolRunner(secrets: FixedSecrets(), allow: [], logger: Logger(label: "test"))
    let outcome = try await runner.run(
      ToolInvocation(name: "lookup_order", argumentsJSON: #"{"id":"ORD-1"}"#),
      of: [Self.tool(url)],
      tenant: TenantID(UUID()),
      tenantSlug: "shop",
      idempotencyKey: "k"
    )
    #expect(outcome.error == "bad_url")
    try await runner.shutDown()
  }
}
