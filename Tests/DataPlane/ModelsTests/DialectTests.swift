import Codecs
import Domain
import Support
import Testing

@testable import Models

/// What only one vendor does, or only some servers of a kind.
@Suite struct `Vendors' peculiarities` {
  typealias Steps = [ScriptedServer.Step]

  private func chat(
    _ events: String...,
    request: ModelRequest = Requests.make(model: "m"),
    key: String? = nil
  ) async throws -> VendorCall {
    let body = events.map { "data: \($0)\n\n" }.joined()
    return try await VendorCall.run(
      [ScriptedServer.eventStream, ScriptedServer.chunk(body), ScriptedServer.lastChunk],
      request: request,
      key: key
    ) { ChatDialect("vllm", .compatible, ModelEndpoint($0 + "/v1")) }
  }

  private func gemini(
    _ events: String...,
    request: ModelRequest = Requests.make(model: "gemini-3.5-flash-lite")
  ) async throws -> VendorCall {
    let body = events.map { "data: \($0)\r\n\r\n" }.joined()
    return try await VendorCall.run(
      [ScriptedServer.eventStream, ScriptedServer.chunk(body), ScriptedServer.lastChunk],
      request: request
    ) { GeminiDialect(ModelEndpoint($0)) }
  }

  // MARK: - Chat Completions

  @Test func `a whole call in one delta, without an id, with the reason stop`() async throws {
    let got = try await chat(
      #"{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":"now","arguments":"{}"}}]}}]}"#,
      #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
      "[DONE]"
    ).result.get()
    #expect(got.stop == .toolUse)
    #expect(got.calls == [ModelToolCall(id: "bindery-call-0", name: "now", argumentsJSON: "{}")])
  }

  @Test func `arguments as an object, counts on the last chunk, and no DONE`() async throws {
    let got = try await chat(
      #"{"model":"llama","choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"t","arguments":{"b":1}}}]}}]}"#,
      #"{"choices":[{"delta":{"content":null},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":null}}"#
    ).result.get()
    #expect(got.calls == [ModelToolCall(id: "a", name: "t", argumentsJSON: #"{"b":1}"#)])
    #expect(got.model == "llama")
    #expect(got.usage.inUncached == 7)
    #expect(got.usage.outVisible == 3)
    #expect(got.usage.source == .provider)
  }

  @Test func `fragments of several calls are told apart by their index`() async throws {
    func delta(_ index: Int, _ rest: String) -> String {
      #"{"choices":[{"delta":{"tool_calls":[{"index":\#(index),\#(rest)}]}}]}"#
    }
    let got = try await chat(
      delta(1, #""id":"b","function":{"name":"two","arguments":"{\"x\""}"#),
      delta(0, #""id":"a","function":{"name":"one","arguments":"{"}"#),
      delta(1, #""function":{"arguments":":2}"}"#),
      delta(0, #""function":{"arguments":"}"}"#),
      #"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#
    ).result.get()
    #expect(got.calls.map(\.name) == ["one", "two"])
    #expect(got.calls.map(\.argumentsJSON) == ["{}", #"{"x":2}"#])
  }

  @Test func `whole calls without an index, one after the other, are not one`() async throws {
    func delta(_ id: String, _ name: String, _ arguments: String) -> String {
      #"{"choices":[{"delta":{"tool_calls":[{"id":"\#(id)","function":{"name":"\#(name)","#
        + #""arguments":\#(arguments)}}]}}]}"#
    }
    let got = try await chat(
      delta("a", "one", #"{"x":1}"#),
      delta("b", "two", #""{\"y\":2}""#),
      #"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#
    ).result.get()
    #expect(got.calls.map(\.name) == ["one", "two"])
    #expect(got.calls.map(\.argumentsJSON) == [#"{"x":1}"#, #"{"y":2}"#])
    let nameless = try await chat(
      #"{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"arguments":"{}"}}]}}]}"#,
      #"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#
    )
    #expect(nameless.failure?.kind == .garbage)
  }

  /// What there is of its arguments is not what was meant, even if it can be read.
  @Test func `a call that the limit of tokens broke off is not made`() async throws {
    let chat = try await chat(
      #"{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"t","arguments":""}}]}}]}"#,
      #"{"choices":[{"delta":{},"finish_reason":"length"}]}"#
    )
    #expect(chat.failure?.kind == .garbage)
    #expect(chat.failure?.concernsVendor == false)
    let body =
      Wire.start + Wire.open(0, #"{"type":"tool_use","id":"a","name":"cancel","input":{}}"#)
      + Wire.close(0) + Wire.end("max_tokens", tokens: 9) + Wire.stop
    let messages = try await VendorCall.run(
      Wire.stream(body) + [ScriptedServer.lastChunk],
      request: Requests.make()
    ) { AnthropicDialect(ModelEndpoint($0)) }
    #expect(messages.failure?.kind == .garbage)
    let unclosed =
      Wire.start + Wire.open(0, #"{"type":"text","text":"so"}"#) + Wire.end("end_turn", tokens: 9)
      + Wire.stop
    let open = try await VendorCall.run(
      Wire.stream(unclosed) + [ScriptedServer.lastChunk],
      request: Requests.make()
    ) { AnthropicDialect(ModelEndpoint($0)) }
    #expect(open.failure?.kind == .garbage)
  }

  @Test func `counts of a stream that broke off are no more than a part`() async throws {
    let chunk =
      #"{"choices":[{"delta":{"content":"a long beginning of an answer"}}],"usage":"#
      + #"{"prompt_tokens":7,"completion_tokens":1}}"#
    let failure = try #require(try await chat(chunk).failure)
    #expect(failure.kind == .cut)
    #expect(failure.usage.source == .partial)
    #expect(failure.usage.inUncached == 7)
    #expect(failure.usage.outVisible == TokenEstimator.tokens("a long beginning of an answer"))
  }

  @Test func `counts that no call can have are cut to what every sum can hold`() async throws {
    let huge = try await chat(
      #"{"choices":[{"delta":{"content":"so"},"finish_reason":"stop"}],"usage":"#
        + #"{"prompt_tokens":9223372036854775807,"completion_tokens":-5}}"#
    ).result.get()
    #expect(huge.usage.tokensIn == 100_000_000)
    #expect(huge.usage.tokensOut == 0)
  }

  @Test func `a key that can't be sent is told as such, and blames nobody else`() async throws {
    let steps = ScriptedServer.response(200, "{}")
    let call = try await VendorCall.run(steps, request: Requests.make(), key: "k\ney") {
      GeminiDialect(ModelEndpoint($0))
    }
    #expect(call.failure?.kind == .rejected)
    #expect(call.failure?.usage.tokensIn == 0)
    #expect(call.requests.isEmpty)
  }

  @Test(arguments: [
    #"{"choices":[{"delta":{"content":"more"}}]}"#,
    #"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"t"}}]}}]}"#,
  ])
  func `what follows the end is no part of an answer`(late: String) async throws {
    let end = #"{"choices":[{"delta":{"content":"all"},"finish_reason":"stop"}]}"#
    #expect(try await chat(end, late).failure?.kind == .garbage)
  }

  @Test func `DONE without a reason is no end`() async throws {
    let begun = #"{"choices":[{"delta":{"content":"half"}}]}"#
    #expect(try await chat(begun, "[DONE]").failure?.kind == .garbage)
  }

  @Test(arguments: [
    (#"{"error":{"code":429,"message":"m"}}"#, ModelFailure.Kind.rateLimited),
    (#"{"error":{"code":"rate_limit_exceeded_error"}}"#, .rateLimited),
    (#"{"error":{"type":"invalid_request_error"}}"#, .rejected),
    (#"{"error":{"code":"insufficient_quota"}}"#, .rejected),
    (#"{"error":"it broke"}"#, .overloaded),
  ])
  func `errors in the stream have their kind`(
    event: String,
    kind: ModelFailure.Kind
  ) async throws {
    #expect(try await chat(event).failure?.kind == kind)
  }

  @Test func `a spent quota is a 429 that is not tried again`() async throws {
    for code in ["insufficient_quota_error", "insufficient_quota"] {
      let steps = ScriptedServer.response(
        429,
        #"{"error":{"message":"m","code":"\#(code)"}}"#,
        headers: ["x-should-retry": "true"]
      )
      let call = try await VendorCall.run(steps, request: Requests.make()) {
        ChatDialect.sarvam(ModelEndpoint($0))
      }
      #expect(call.failure?.kind == .rejected)
      #expect(call.failure?.retryable == false)
    }
  }

  @Test func `a server of the operator's is called without a key, and with one if there is`()
    async throws
  {
    let end = #"{"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}"#
    let open = try #require(try await chat(end).requests.first)
    #expect(open.headers["authorization"] == nil)
    let body = try JSONText.parse(open.body)
    #expect(body["max_tokens"] == 1024)
    #expect(body["stream_options"] == ["include_usage": true])
    let keyed = try #require(try await chat(end, key: "k").requests.first)
    #expect(keyed.headers["authorization"] == "Bearer k")
  }

  @Test func `an error of a tool is told in words`() async throws {
    let request = Requests.make([
      .user("?"),
      .assistant(text: "", calls: [ModelToolCall(id: "a", name: "t", argumentsJSON: "no JSON")]),
      .toolResults([ModelToolResult(id: "a", content: "timed out", isError: true)]),
    ])
    let end = #"{"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}"#
    let sent = try #require(try await chat(end, request: request).requests.first)
    let messages = try #require(try JSONText.parse(sent.body)["messages"]?.arrayValue)
    #expect(messages.last?["content"] == "Error: timed out")
    let call = messages[2]["tool_calls"]?.arrayValue?.first
    #expect(messages[2]["content"] == .null)
    #expect(call?["function"]?["arguments"] == "{}")
  }

  // MARK: - Gemini

  @Test func `a refused prompt has no candidates`() async throws {
    let call = try await gemini(
      #"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":9}}"#
    )
    #expect(call.failure?.kind == .refused)
    #expect(call.failure?.retryable == false)
    #expect(call.failure?.usage.inUncached == 9)
  }

  @Test(arguments: [
    ("MAX_TOKENS", ModelFailure.Kind?.none), ("NEW_REASON", nil), ("SPII", .refused),
    ("MALFORMED_FUNCTION_CALL", .garbage), ("OTHER", .garbage),
  ])
  func `ends have their kind`(reason: String, kind: ModelFailure.Kind?) async throws {
    let call = try await gemini(
      #"{"candidates":[{"content":{"parts":[{"text":"so"}]},"finishReason":"\#(reason)"}]}"#
    )
    #expect(call.failure?.kind == kind)
  }

  @Test func `an error says when to come back, also when it stands in an array`() async throws {
    let error =
      #"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"},"#
      + #"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}"#
    for body in [error, "[\(error)]"] {
      let call = try await VendorCall.run(
        ScriptedServer.response(429, body),
        request: Requests.make()
      ) { GeminiDialect(ModelEndpoint($0)) }
      #expect(call.failure?.kind == .rateLimited)
      #expect(call.failure?.retryAfterMS == 34_500)
      #expect(call.failure?.message.contains("RESOURCE_EXHAUSTED") == true)
    }
  }

  /// Since Gemini 3 a call without a signature is refused; what another model called has none.
  @Test(arguments: [("gemini-3.5-flash-lite", true), ("gemini-2.5-flash", false)])
  func `calls of another model are marked as unsigned where that is wanted`(
    model: String,
    isMarked: Bool
  ) async throws {
    let request = Requests.make(
      [
        .user("?"),
        .assistant(
          text: "",
          calls: [
            ModelToolCall(id: "toolu_1", name: "t", argumentsJSON: "{}"),
            ModelToolCall(id: "toolu_2", name: "u", argumentsJSON: "{}"),
          ],
          replay: ModelReplay(provider: "anthropic", model: model, content: ["foreign"])
        ),
        .toolResults([
          ModelToolResult(id: "toolu_1", content: "1", isError: false),
          ModelToolResult(id: "toolu_2", content: "2", isError: true),
        ]),
      ],
      model: model
    )
    let end = #"{"candidates":[{"content":{"parts":[{"text":"ok"}]},"finishReason":"STOP"}]}"#
    let sent = try #require(try await gemini(end, request: request).requests.first)
    let contents = try #require(try JSONText.parse(sent.body)["contents"]?.arrayValue)
    let parts = try #require(contents[1]["parts"]?.arrayValue)
    #expect((parts[0]["thoughtSignature"] != nil) == isMarked)
    #expect(parts[1]["thoughtSignature"] == nil)
    let results = try #require(contents[2]["parts"]?.arrayValue)
    #expect(results.map { $0["functionResponse"]?["name"] } == ["t", "u"])
    #expect(results[1]["functionResponse"]?["response"] == ["error": "2"])
  }

  @Test func `a call without an id gets one here, which the API never sees`() async throws {
    let got = try await gemini(
      #"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"now"}}]}}]}"#,
      #"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"now","args":{"a":1}}}]},"finishReason":"STOP"}]}"#
    ).result.get()
    #expect(got.calls.map(\.argumentsJSON) == ["{}", #"{"a":1}"#])
    #expect(Set(got.calls.map(\.id)).count == 2)
    // The next round counts on: ids are once in a turn.
    let next = Requests.make([.user("?"), .assistant(text: "", calls: got.calls)])
    let more = try await gemini(
      #"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"now"}}]},"finishReason":"STOP"}]}"#,
      request: next
    ).result.get()
    #expect(!got.calls.map(\.id).contains(more.calls[0].id))
    let request = Requests.make([
      .user("?"), .assistant(text: "", calls: got.calls),
      .toolResults(got.calls.map { ModelToolResult(id: $0.id, content: "1", isError: false) }),
    ])
    let end = #"{"candidates":[{"content":{"parts":[{"text":"ok"}]},"finishReason":"STOP"}]}"#
    let sent = try #require(try await gemini(end, request: request).requests.first)
    #expect(!sent.body.contains(ToolCallIDs.prefix))
  }
}
