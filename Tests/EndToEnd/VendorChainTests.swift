import Codecs
import Domain
import Foundation
import Scenario
import Support
import Testing

/// A real node that speaks to several vendors, each in its own wire format.
@Suite(.serialized, .vendors(base: 9230))
struct `A chain of vendors` {
  let stack: Stack

  init() throws { stack = try Stack.ofSuite() }

  private typealias Steps = [ScriptedServer.Step]

  /// Runs `body` with a node whose Google and Sarvam are these.
  private func withNode(
    google: @escaping @Sendable (ScriptedRequest, Int) -> [ScriptedServer.Step],
    sarvam: @escaping @Sendable (ScriptedRequest, Int) -> [ScriptedServer.Step],
    _ body: (_ google: ScriptedServer, _ sarvam: ScriptedServer) async throws -> Void
  ) async throws {
    try await ScriptedServer.with(google) { first in
      try await ScriptedServer.with(sarvam) { second in
        try await stack.startNode(
          0,
          [
            "--google-base-url", first.url + "/v1beta", "--sarvam-base-url", second.url + "/v1",
          ]
        )
        do {
          try await waitUntil("the node serves", within: .seconds(15)) {
            let page = try await httpCall("GET", "\(stack.edges[0])/readyz")
            return page.status == 200
          }
          try await body(first, second)
        } catch {
          Issue.record("\(error)")
        }
        await stack.stop("node-1")
      }
    }
  }

  private static func stream(_ vendor: Vendor, _ answer: VendorAnswer) -> Steps {
    [
      ScriptedServer.eventStream, ScriptedServer.chunk(answer.stream(of: vendor)),
      ScriptedServer.lastChunk,
    ]
  }

  @Test func `the next vendor answers when one is out of breath and the other breaks off`()
    async throws
  {
    let question = "what is it, \(UUID().uuidString.prefix(8))?"
    try await withNode { _, count in
      // A limit that passes by itself, then a stream that ends after its head.
      count == 0
        ? ScriptedServer.response(
          429,
          #"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"#
            + #""type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0.05s"}]}}]"#
        ) : [ScriptedServer.eventStream]
    } sarvam: { _, _ in
      Self.stream(.sarvam, VendorAnswer(["From ", "Sarvam."], model: "sarvam-105b-v2"))
    } _: { google, sarvam in
      let reply = try await WebVisitor(host: "medicly.example").say(question, to: stack.edges[0])
      #expect(reply.ended == "done" && reply.text.contains("From Sarvam."), "\(reply)")
      #expect(google.requests.count == 2)
      #expect(google.requests.first?.headers["x-goog-api-key"] == "medicly-google")
      #expect(sarvam.requests.first?.headers["api-subscription-key"] == "medicly-sarvam")
      try await stack.waitForRow(
        "the limit is a row that cost nothing",
        """
        select 1 from llm_calls where provider = 'google' and error = 'rate_limited'
          and tokens_in = 0 and cost_usd = 0
        """
      )
      try await stack.waitForRow(
        "the cut try is a row whose prompt is billed by estimate",
        """
        select 1 from llm_calls where provider = 'google' and error = 'cut'
          and usage_source = 'estimated' and tokens_in > 0 and cost_usd > 0
        """
      )
      try await stack.waitForRow(
        "the answer is a row with the vendor's counts and the model that it names",
        """
        select 1 from llm_calls where provider = 'sarvam' and model = 'sarvam-105b-v2'
          and usage_source = 'provider' and tokens_in = 325 and tokens_out = 17
          and cache_hit_tokens = 300 and error is null
        """
      )
    }
  }

  @Test func `a tool's result goes back with the thinking that asked for it`() async throws {
    let call = VendorAnswer.Call(
      id: "call-7",
      name: "train_status",
      arguments: #"{"train":"12952"}"#
    )
    try await withNode { _, count in
      count == 0
        ? Self.stream(.google, VendorAnswer([], calls: [call], thought: ("a train", "c2lnbmVk")))
        : Self.stream(.google, VendorAnswer(["It is on time."], model: "gemini-3.5-flash-lite"))
    } sarvam: { _, _ in
      ScriptedServer.response(500, "{}")
    } _: { google, _ in
      let reply = try await WebVisitor(host: "sahayak.example").say(
        "where is 12952?",
        to: stack.edges[0]
      )
      #expect(reply.ended == "done" && reply.text.contains("It is on time."), "\(reply)")
      let last = try #require(google.requests.last)
      let contents = try JSONText.parse(last.body)["contents"]?.arrayValue ?? []
      #expect(contents.count == 3)
      let part = contents[1]["parts"]?.arrayValue?.first
      #expect(part?["thoughtSignature"] == "c2lnbmVk")
      #expect(part?["functionCall"]?["args"] == ["train": "12952"])
      let result = contents[2]["parts"]?.arrayValue?.first?["functionResponse"]
      #expect(result?["id"] == "call-7" && result?["name"] == "train_status")
      #expect(result?["response"]?["result"]?.stringValue?.contains("on time") == true)
      try await stack.waitForRow(
        "thinking is counted, and billed as output by the model that answered",
        """
        select 1 from llm_calls where model = 'gemini-3.5-flash-lite' and tokens_out = 17
          and cost_usd = round((25 * 0.3 + 300 * 0.03 + 17 * 2.5) / 1000000, 6)
        """
      )
    }
  }
}

extension Trait where Self == StackTrait {
  /// Fakes and a control plane whose agents ask Google first, then Sarvam; no node yet.
  fileprivate static func vendors(base: Int) -> StackTrait {
    .stack(base: base) { stack in
      try await stack.startFakes()
      try await stack.startControl()
      for tenant in ["medicly", "sahayak"] {
        for vendor in ["google", "sarvam"] {
          let file = stack.secret("\(vendor)_api_key", of: tenant)
          try Data("\(tenant)-\(vendor)".utf8).write(to: file)
          try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
        }
      }
      let sample = try stack.copySample {
        $0.replacing(
          "default: claude-sonnet-5-5, fallback: [simulated]",
          with: "default: gemini-flash, fallback: [sarvam]"
        )
        .replacing(
          "default: simulated, fallback: []",
          with: "default: gemini-flash, fallback: [sarvam]"
        )
      }
      let applied = try await stack.tool().json(["apply", "-y", "-f", sample.path])
      try require(applied["applied"] == true, "not applied: \(applied)")
    }
  }
}
