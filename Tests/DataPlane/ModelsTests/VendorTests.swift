import Codecs
import Domain
import Foundation
import NIOHTTP1
import Support
import Testing

@testable import Models

/// What holds for every vendor alike, over real sockets, in the vendor's own wire format.
@Suite struct `Every vendor` {
  static let call = VendorAnswer.Call(
    id: "call-7",
    name: "lookup_order",
    arguments: #"{"id":"ORD-123456"}"#
  )
  static let second = VendorAnswer.Call(id: "call-8", name: "now", arguments: "{}")

  static func run(
    _ vendor: Vendor,
    _ steps: [ScriptedServer.Step],
    request: ModelRequest = Requests.make(model: "model-1"),
    timeouts: ModelTimeouts = VendorCall.timeouts
  ) async throws -> VendorCall {
    switch vendor {
    case .anthropic:
      try await VendorCall.run(steps, request: request) {
        AnthropicDialect(ModelEndpoint($0, timeouts: timeouts))
      }
    case .google:
      try await VendorCall.run(steps, request: request) {
        GeminiDialect(ModelEndpoint($0 + "/v1beta", timeouts: timeouts))
      }
    case .sarvam:
      try await VendorCall.run(steps, request: request) {
        ChatDialect.sarvam(ModelEndpoint($0 + "/v1", timeouts: timeouts))
      }
    case .openAI:
      try await VendorCall.run(steps, request: request) {
        ChatDialect.openAI(ModelEndpoint($0 + "/v1", timeouts: timeouts))
      }
    }
  }

  static func stream(_ vendor: Vendor, _ answer: VendorAnswer) -> [ScriptedServer.Step] {
    [
      ScriptedServer.eventStream, ScriptedServer.chunk(answer.stream(of: vendor)),
      ScriptedServer.lastChunk,
    ]
  }

  // MARK: - Answers

  @Test(arguments: Vendor.allCases)
  func `text comes in pieces, usage in disjoint buckets`(vendor: Vendor) async throws {
    let answer = VendorAnswer()
    let call = try await Self.run(vendor, Self.stream(vendor, answer))
    let got = try call.result.get()
    #expect(call.pieces == answer.texts)
    #expect(got.text == "Hello, नमस्ते")
    #expect(got.stop == .endTurn)
    #expect(got.model == "model-2026")
    #expect(!got.requestID.isEmpty)
    #expect(got.ttftMS != nil)
    #expect(got.usage.source == .provider)
    #expect(got.usage.inUncached == 25)
    #expect(got.usage.cacheRead == 300)
    #expect(got.usage.tokensOut == 17)
    // Anthropic does not say how much of its output was thinking.
    #expect(got.usage.outReasoning == (vendor == .anthropic ? 0 : 5))
  }

  @Test(arguments: Vendor.allCases)
  func `calls of tools are put together, several at once too`(vendor: Vendor) async throws {
    let answer = VendorAnswer(["One moment."], calls: [Self.call, Self.second])
    let got = try await Self.run(vendor, Self.stream(vendor, answer)).result.get()
    #expect(got.stop == .toolUse)
    #expect(got.text == "One moment.")
    #expect(
      got.calls == [
        ModelToolCall(
          id: "call-7",
          name: "lookup_order",
          argumentsJSON: #"{"id":"ORD-123456"}"#
        ),
        ModelToolCall(id: "call-8", name: "now", argumentsJSON: "{}"),
      ]
    )
  }

  @Test(arguments: Vendor.allCases)
  func `an answer in one piece is the same as one that streams`(vendor: Vendor) async throws {
    for answer in [
      VendorAnswer(), VendorAnswer(["So."], calls: [Self.call], thought: ("hm, hm", "c2ln")),
      VendorAnswer(stop: .length), VendorAnswer([], calls: [Self.second]),
    ] {
      var request = Requests.make(model: "model-1")
      let streamed = try await Self.run(vendor, Self.stream(vendor, answer), request: request)
      request.streams = false
      let whole = try await Self.run(
        vendor,
        ScriptedServer.response(200, answer.whole(of: vendor), headers: ["request-id": "req_1"]),
        request: request
      )
      var (one, other) = (try streamed.result.get(), try whole.result.get())
      (one.ttftMS, other.ttftMS) = (nil, nil)
      #expect(one == other)
      #expect(whole.pieces.joined() == streamed.pieces.joined())
      let body = try JSONText.parse(try #require(whole.requests.first).body)
      #expect(body["stream"]?.boolValue != true)
      // A server that can't stream answers in one piece though it was asked to.
      let unasked = try await Self.run(
        vendor,
        ScriptedServer.response(200, answer.whole(of: vendor))
      )
      #expect(try unasked.result.get().text == one.text)
    }
  }

  @Test(arguments: Vendor.allCases)
  func `usage that never came is estimated, and said to be`(vendor: Vendor) async throws {
    let got = try await Self.run(vendor, Self.stream(vendor, VendorAnswer(usage: nil))).result.get()
    #expect(got.usage.source != .provider)
    #expect(got.usage.inUncached == TokenEstimator.input(Requests.make()))
    #expect(got.usage.outVisible == TokenEstimator.tokens(got.text))
  }

  // MARK: - The request

  @Test(arguments: Vendor.allCases)
  func `the same request makes the same bytes, and thinking comes back unchanged`(
    vendor: Vendor
  ) async throws {
    let answer = VendorAnswer(["So."], calls: [Self.call], thought: ("hm, hm", "c2ln=="))
    let first = try await Self.run(vendor, Self.stream(vendor, answer)).result.get()
    let request = Requests.make(
      [
        .user("Where is it?"),
        .assistant(text: first.text, calls: first.calls, replay: first.replay),
        .toolResults([ModelToolResult(id: "call-7", content: "on its way", isError: false)]),
      ],
      model: "model-1"
    )
    let steps = Self.stream(vendor, VendorAnswer())
    let one = try await Self.run(vendor, steps, request: request)
    let other = try await Self.run(vendor, steps, request: request)
    let sent = try #require(one.requests.first)
    #expect(sent.body == other.requests.first?.body)
    let body = try JSONText.parse(sent.body)
    #expect(body == VendorRequests.toolLoop(vendor))
    for (name, value) in VendorRequests.head(vendor) {
      #expect(sent.headers[name] == value, "\(name)")
    }
    #expect(sent.line == "POST \(VendorRequests.path(vendor)) HTTP/1.1")
    // Another model gets what it can read.
    var moved = request
    moved.model = "another"
    let foreign = try await Self.run(vendor, steps, request: moved)
    let text = try #require(foreign.requests.first?.body)
    #expect(!text.contains("c2ln=="))
    #expect(text.contains("ORD-123456"))
  }

  @Test(arguments: Vendor.allCases)
  func `tools are described but switched off for a last call`(vendor: Vendor) async throws {
    let request = Requests.make(model: "model-1", toolsAllowed: false)
    let call = try await Self.run(vendor, Self.stream(vendor, VendorAnswer()), request: request)
    let body = try JSONText.parse(try #require(call.requests.first).body)
    #expect(body["tools"]?.arrayValue?.count == 1)
    switch vendor {
    case .anthropic: #expect(body["tool_choice"] == ["type": "none"])
    case .google: #expect(body["toolConfig"] == ["functionCallingConfig": ["mode": "NONE"]])
    case .sarvam, .openAI: #expect(body["tool_choice"] == "none")
    }
  }

  // MARK: - Failures

  struct Refusal: Sendable {
    var status: Int
    var headers: [String: String] = [:]
    var kind: ModelFailure.Kind
    var retryable: Bool
    var retryAfterMS: Int?
  }

  @Test(arguments: Vendor.allCases)
  func `statuses and retry headers mean what the vendor says`(vendor: Vendor) async throws {
    let overloaded = vendor == .anthropic ? 529 : 503
    let refusals = [
      Refusal(status: 429, kind: .rateLimited, retryable: true),
      Refusal(
        status: 429,
        headers: ["retry-after": "2"],
        kind: .rateLimited,
        retryable: true,
        retryAfterMS: 2_000
      ),
      Refusal(
        status: overloaded,
        headers: ["retry-after-ms": "70", "retry-after": "9"],
        kind: .overloaded,
        retryable: true,
        retryAfterMS: 70
      ),
      Refusal(
        status: overloaded,
        headers: ["retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"],
        kind: .overloaded,
        retryable: true,
        retryAfterMS: 0
      ),
      Refusal(
        status: 500,
        headers: ["x-should-retry": "false"],
        kind: .overloaded,
        retryable: false
      ),
      Refusal(status: 500, headers: ["retry-after": "soon"], kind: .overloaded, retryable: true),
      Refusal(status: 400, kind: .rejected, retryable: false),
      Refusal(status: 401, kind: .rejected, retryable: false),
      Refusal(status: 404, kind: .rejected, retryable: false),
      // Followed, it would carry the key to another host.
      Refusal(
        status: 307,
        headers: ["location": "http://127.0.0.1:1/"],
        kind: .rejected,
        retryable: false
      ),
    ]
    let bodies = [VendorFaults.body(vendor), "[\(VendorFaults.body(vendor))]", "", "<html>", "{}"]
    for (place, refusal) in refusals.enumerated() {
      let steps = ScriptedServer.response(
        refusal.status,
        bodies[place % bodies.count],
        headers: refusal.headers
      )
      let failure = try #require(try await Self.run(vendor, steps).failure)
      #expect(failure.kind == refusal.kind, "\(refusal)")
      #expect(failure.status == refusal.status)
      #expect(failure.retryable == refusal.retryable, "\(refusal)")
      #expect(failure.retryAfterMS == refusal.retryAfterMS, "\(refusal)")
      #expect(failure.usage.tokensIn == 0 && failure.usage.tokensOut == 0)
      #expect(!failure.afterOutput)
      #expect(!failure.message.contains("quotes"))
    }
  }

  @Test(arguments: Vendor.allCases)
  func `an answer that the vendor's safety system ended is not passed off as one`(
    vendor: Vendor
  ) async throws {
    let answer = VendorAnswer(stop: .refused)
    let streamed = try #require(try await Self.run(vendor, Self.stream(vendor, answer)).failure)
    #expect(streamed.kind == .refused)
    #expect(streamed.afterOutput && !streamed.retryable)
    #expect(streamed.usage.tokensIn > 0)
    let whole = ScriptedServer.response(200, answer.whole(of: vendor))
    let failure = try #require(try await Self.run(vendor, whole).failure)
    #expect(failure.kind == .refused)
    #expect(!failure.afterOutput)
  }

  @Test(arguments: Vendor.allCases)
  func `an error in mid-stream ends the call`(vendor: Vendor) async throws {
    let half = String(VendorAnswer().stream(of: vendor).prefix(upTo: VendorFaults.middle(vendor)))
    let body = half + VendorFaults.event(vendor)
    let steps = [ScriptedServer.eventStream, ScriptedServer.chunk(body), .stall]
    let failure = try #require(try await Self.run(vendor, steps).failure)
    #expect(failure.kind == .overloaded)
    #expect(failure.retryable)
    #expect(failure.afterOutput)
    #expect(!failure.message.contains("quotes"))
  }

  @Test(arguments: Vendor.allCases)
  func `silence is a stall`(vendor: Vendor) async throws {
    let half = String(VendorAnswer().stream(of: vendor).prefix(upTo: VendorFaults.middle(vendor)))
    let times = ModelTimeouts(
      firstToken: .milliseconds(300),
      stall: .milliseconds(300),
      total: .seconds(30)
    )
    let begun = [ScriptedServer.eventStream, ScriptedServer.chunk(half), .stall]
    let stalled = try #require(try await Self.run(vendor, begun, timeouts: times).failure)
    #expect(stalled.kind == .stalled)
    #expect(stalled.usage.outVisible > 0)
    let mute = try #require(try await Self.run(vendor, [.stall], timeouts: times).failure)
    #expect(mute.kind == .stalled)
    #expect(!mute.afterOutput)
  }

  @Test(arguments: Vendor.allCases)
  func `an answer in one piece may take as long as the whole call`(vendor: Vendor) async throws {
    var request = Requests.make(model: "model-1")
    request.streams = false
    let times = ModelTimeouts(
      firstToken: .milliseconds(200),
      stall: .milliseconds(200),
      total: .seconds(30)
    )
    let late: [ScriptedServer.Step] =
      [.pause(.milliseconds(600))]
      + ScriptedServer.response(200, VendorAnswer().whole(of: vendor))
    let call = try await Self.run(vendor, late, request: request, timeouts: times)
    #expect(try call.result.get().text == "Hello, नमस्ते")
  }

  @Test(arguments: Vendor.allCases)
  func `garbage is told as such`(vendor: Vendor) async throws {
    for body in ["data: {oops\n\n", "data: 1\n\n", "data: \"text\"\n\n"] {
      let steps = [
        ScriptedServer.eventStream, ScriptedServer.chunk(body), ScriptedServer.lastChunk,
      ]
      #expect(try await Self.run(vendor, steps).failure?.kind == .garbage, "\(body)")
    }
    for body in ["", "{oops", "1", "[]", "{}", #"{"choices":[],"candidates":[]}"#] {
      let whole = ScriptedServer.response(200, body)
      #expect(try await Self.run(vendor, whole).failure?.kind == .garbage, "\(body)")
    }
    let page = ScriptedServer.response(200, "<html>", type: "text/html")
    #expect(try await Self.run(vendor, page).failure?.kind == .garbage)
  }
}
