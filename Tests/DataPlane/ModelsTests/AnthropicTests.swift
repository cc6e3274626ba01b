import AsyncHTTPClient
import Codecs
import Domain
import Models
import Support
import Testing

/// Real sockets; the streams are written as the Messages API writes them.
@Suite struct AnthropicTests {
  typealias Steps = [ScriptedServer.Step]

  func run(
    _ steps: Steps,
    request: ModelRequest = Requests.make(),
    timeouts: ModelTimeouts = VendorCall.timeouts,
    maxBytes: Int = 8 << 20
  ) async throws -> VendorCall {
    try await VendorCall.run(steps, request: request) { url in
      AnthropicDialect(ModelEndpoint(url, timeouts: timeouts, maxResponseBytes: maxBytes))
    }
  }

  // MARK: - Answers

  @Test func `text comes in pieces, usage in disjoint buckets`() async throws {
    let body =
      Wire.start + Wire.event("ping", #"{"type":"ping"}"#) + Wire.text(0, "Hel", "lo")
      + Wire.event("a_new_event", "not even JSON") + Wire.end("end_turn", tokens: 12) + Wire.stop
    let outcome = try await run(Wire.stream(body) + [ScriptedServer.lastChunk])
    let answer = try outcome.result.get()
    #expect(outcome.pieces == ["Hel", "lo"])
    #expect(answer.text == "Hello")
    #expect(answer.stop == .endTurn)
    #expect(answer.model == "claude-sonnet-5-5-20260901")
    #expect(answer.requestID == "req_1")
    #expect(answer.ttftMS != nil)
    #expect(answer.usage.inUncached == 25)
    #expect(answer.usage.cacheRead == 300)
    #expect(answer.usage.cacheWrite5m == 30)
    #expect(answer.usage.cacheWrite1h == 10)
    #expect(answer.usage.outVisible == 12)
    #expect(answer.usage.source == .provider)
  }

  @Test func `tool calls are put together from their fragments`() async throws {
    let body =
      Wire.start + Wire.text(0, "One moment.")
      + Wire.open(1, #"{"type":"tool_use","id":"toolu_1","name":"lookup_order","input":{}}"#)
      + Wire.delta(1, #"{"type":"input_json_delta","partial_json":""}"#)
      + Wire.delta(1, #"{"type":"input_json_delta","partial_json":"{\"id\":\"ORD-"}"#)
      + Wire.delta(1, #"{"type":"input_json_delta","partial_json":"123456\"}"}"#)
      + Wire.close(1)
      + Wire.open(2, #"{"type":"tool_use","id":"toolu_2","name":"now","input":{}}"#)
      + Wire.close(2) + Wire.end("tool_use", tokens: 30) + Wire.stop
    let answer = try await run(Wire.stream(body) + [ScriptedServer.lastChunk]).result.get()
    #expect(answer.stop == .toolUse)
    #expect(
      answer.calls == [
        ModelToolCall(
          id: "toolu_1",
          name: "lookup_order",
          argumentsJSON: #"{"id":"ORD-123456"}"#
        ),
        ModelToolCall(id: "toolu_2", name: "now", argumentsJSON: "{}"),
      ]
    )
  }

  @Test func `an answer is whole at message_stop, though the connection stays open`() async throws {
    let body = Wire.start + Wire.text(0, "Hi") + Wire.end("end_turn", tokens: 2) + Wire.stop
    let answer = try await run(Wire.stream(body) + [.stall]).result.get()
    #expect(answer.text == "Hi")
  }

  // MARK: - The request

  @Test func `the request is the vendor's format, byte-equal for equal calls`() async throws {
    let request = Requests.make([
      .user("Where is it?"),
      .assistant(
        text: "",
        calls: [
          ModelToolCall(id: "toolu_1", name: "lookup_order", argumentsJSON: #"{"id":"ORD-1"}"#)
        ]
      ),
      .toolResults([ModelToolResult(id: "toolu_1", content: "on its way", isError: false)]),
    ])
    let body = Wire.start + Wire.text(0, "Hi") + Wire.end("end_turn", tokens: 2) + Wire.stop
    let steps = Wire.stream(body) + [ScriptedServer.lastChunk]
    let first = try #require(try await run(steps, request: request).requests.first)
    let second = try #require(try await run(steps, request: request).requests.first)
    #expect(first.body == second.body)
    #expect(first.line == "POST /v1/messages HTTP/1.1")
    #expect(first.headers["x-api-key"] == "key-1")
    #expect(first.headers["anthropic-version"] == "2023-06-01")
    let sent = try JSONText.parse(first.body)
    #expect(sent["stream"] == true)
    #expect(sent["model"] == "claude-sonnet-5-5")
    #expect(sent["tools"]?.arrayValue?.first?["input_schema"] == Requests.tool.schema)
    #expect(sent["tool_choice"] == ["type": "auto"])
    let system = try #require(sent["system"]?.arrayValue)
    #expect(system.map { $0["cache_control"] != nil } == [false, true])
    let messages: JSONValue = [
      ["role": "user", "content": "Where is it?"],
      [
        "role": "assistant",
        "content": [
          [
            "type": "tool_use", "id": "toolu_1", "name": "lookup_order", "input": ["id": "ORD-1"],
          ]
        ],
      ],
      [
        "role": "user",
        "content": [
          [
            "type": "tool_result", "tool_use_id": "toolu_1", "content": "on its way",
            "is_error": false,
          ]
        ],
      ],
    ]
    #expect(sent["messages"] == messages)
  }

  // MARK: - Failures

  @Test(arguments: [
    (429, "rate_limit_error", ModelFailure.Kind.rateLimited, true),
    (529, "overloaded_error", .overloaded, true),
    (500, "api_error", .overloaded, true),
    (400, "invalid_request_error", .rejected, false),
    (401, "authentication_error", .rejected, false),
    (307, "", .rejected, false),
  ])
  func `an error status has its kind`(
    status: Int,
    type: String,
    kind: ModelFailure.Kind,
    retryable: Bool
  ) async throws {
    let body = #"{"type":"error","error":{"type":"\#(type)","message":"quotes the prompt"}}"#
    let steps = ScriptedServer.response(
      status,
      body,
      headers: ["retry-after": "2", "request-id": "req_9"]
    )
    let failure = try #require(try await run(steps).failure)
    #expect(failure.kind == kind)
    #expect(failure.status == status)
    #expect(failure.retryable == retryable)
    #expect(failure.retryAfterMS == 2_000)
    #expect(failure.requestID == "req_9")
    #expect(failure.usage.tokensIn == 0)
    #expect(!failure.message.contains("quotes"))
  }

  @Test func `a spent limit is not tried again`() async throws {
    let body =
      #"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":"#
      + #"{"error_code":"enforced_spend_limit_reached"}}}"#
    let failure = try #require(try await run(ScriptedServer.response(429, body)).failure)
    #expect(failure.kind == .rejected)
    #expect(!failure.retryable)
  }

  @Test func `a stream cut midway is a failure with what was used so far`() async throws {
    let body =
      Wire.start + Wire.open(0, #"{"type":"text","text":""}"#)
      + Wire.delta(0, #"{"type":"text_delta","text":"half an answer"}"#)
    let outcome = try await run(Wire.stream(body))
    let failure = try #require(outcome.failure)
    #expect(outcome.pieces == ["half an answer"])
    #expect(failure.kind == .cut)
    #expect(failure.afterOutput)
    #expect(failure.usage.source == .partial)
    #expect(failure.usage.inUncached == 25)
    #expect(failure.usage.outVisible == TokenEstimator.tokens("half an answer"))
  }

  @Test func `a clean end of the body without message_stop is a cut as well`() async throws {
    let body = Wire.start + Wire.text(0, "Hi") + Wire.end("end_turn", tokens: 2)
    let failure = try #require(
      try await run(Wire.stream(body) + [ScriptedServer.lastChunk]).failure
    )
    #expect(failure.kind == .cut)
    #expect(failure.usage.source == .provider)
  }

  @Test func `an error event in mid-stream ends the call`() async throws {
    let error = Wire.event(
      "error",
      #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#
    )
    let failure = try #require(try await run(Wire.stream(Wire.start + error)).failure)
    #expect(failure.kind == .overloaded)
    #expect(!failure.afterOutput)
  }

  @Test func `silence is a stall, and pings do not count as life`() async throws {
    let ping = Wire.event("ping", #"{"type":"ping"}"#)
    let times = ModelTimeouts(
      firstToken: .milliseconds(300),
      stall: .milliseconds(300),
      total: .seconds(30)
    )
    let pings = (0 ..< 100).flatMap { _ in
      [ScriptedServer.chunk(ping), .pause(.milliseconds(50))]
    }
    let failure = try #require(
      try await run(Wire.stream(Wire.start) + pings + [.stall], timeouts: times).failure
    )
    #expect(failure.kind == .stalled)
    #expect(failure.usage.source == .partial)
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 13\r\n\r\ndata: {oops\n\n",
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9\r\n\r\n"
      + "data: 1\n\n",
  ])
  func `what is not the vendor's format is garbage`(response: String) async throws {
    #expect(try await run([.bytes(response)]).failure?.kind == .garbage)
  }

  @Test func `bytes that are no HTTP at all fail the call`() async throws {
    let failure = try #require(try await run([.bytes("220 smtp ready\r\n\r\n")]).failure)
    #expect([.cut, .unreachable, .garbage].contains(failure.kind))
    #expect(!failure.afterOutput)
  }

  @Test func `an endless answer is ended at the limit`() async throws {
    let chunks = (0 ..< 64).map { _ in
      ScriptedServer.chunk(": " + String(repeating: "x", count: 1_000) + "\n")
    }
    let steps = [ScriptedServer.eventStream] + chunks + [.stall]
    #expect(try await run(steps, maxBytes: 16_384).failure?.kind == .garbage)
  }

  @Test func `no server is unreachable, no key is rejected`() async throws {
    let client = ModelHTTPClient.make()
    let provider = HTTPModelProvider(
      AnthropicDialect(ModelEndpoint("http://127.0.0.1:1")),
      client: client
    )
    let unreachable = await #expect(throws: ModelFailure.self) {
      try await provider.run(Requests.make(), credentials: ModelCredentials(apiKey: "k")) { _ in }
    }
    #expect(unreachable?.kind == .unreachable)
    let rejected = await #expect(throws: ModelFailure.self) {
      try await provider.run(Requests.make(), credentials: nil) { _ in }
    }
    #expect(rejected?.kind == .rejected)
    try await client.shutdown()
  }

  @Test func `a caller that wants no more ends the call`() async throws {
    struct Enough: Error {}
    let client = ModelHTTPClient.make()
    let steps = Wire.stream(Wire.start + Wire.text(0, "one", "two")) + [.stall]
    let failure = try await ScriptedServer.with({ _, _ in steps }) { server in
      let provider = HTTPModelProvider(
        AnthropicDialect(ModelEndpoint(server.url)),
        client: client
      )
      return await #expect(throws: ModelFailure.self) {
        try await provider.run(Requests.make(), credentials: ModelCredentials(apiKey: "k")) { _ in
          throw Enough()
        }
      }
    }
    #expect(failure?.kind == .cancelled)
    #expect(failure?.afterOutput == true)
    try await client.shutdown()
  }
}
