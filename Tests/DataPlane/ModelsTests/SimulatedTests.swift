import Codecs
import Domain
import Models
import Synchronization
import Testing

@Suite struct SimulatedTests {
  func run(_ request: ModelRequest) async throws -> (ModelAnswer, [String]) {
    let pieces = Mutex<[String]>([])
    let answer = try await SimulatedProvider().run(request, credentials: nil) { piece in
      pieces.withLock { $0.append(piece) }
    }
    return (answer, pieces.withLock { $0 })
  }

  @Test func `a first answer greets, says what it is, and streams`() async throws {
    let (answer, pieces) = try await run(Requests.make([.user("hello, how are you?")]))
    #expect(answer.text.hasPrefix("Hello, I am Asha. "))
    #expect(answer.text.contains("simulated"))
    #expect(pieces.count > 5)
    #expect(pieces.joined() == answer.text)
    #expect(answer.usage.source == .estimated)
    #expect(
      answer.usage.tokensIn == TokenEstimator.input(Requests.make([.user("hello, how are you?")]))
    )
    #expect(answer.usage.tokensOut == TokenEstimator.tokens(answer.text))
  }

  @Test func `it answers in the user's language, else in the persona's`() async throws {
    #expect(try await run(Requests.make([.user("आप कैसे हैं")])).0.text.hasPrefix("नमस्ते"))
    #expect(try await run(Requests.make([.user("kaise ho")])).0.text.hasPrefix("नमस्ते"))
    #expect(try await run(Requests.make([.user("ನಮಸ್ಕಾರ")])).0.text.hasPrefix("नमस्ते"))
    #expect(try await run(Requests.make([.user("how are you")])).0.text.hasPrefix("Hello"))
  }

  @Test func `it greets once`() async throws {
    let later = Requests.make([
      .user("hello there, what is up"), .assistant(text: "Hello, I am Asha.", calls: []),
      .user("what is new?"),
    ])
    #expect(try await !run(later).0.text.contains("Hello, I am Asha."))
  }

  @Test(arguments: [
    ("say: take 500 mg now", "take 500 mg now"), ("REPEAT:  it ", "it"),
    ("earlier\nsay: two\nlines", "two\nlines"),
  ])
  func `it says what it is told to say`(message: String, text: String) async throws {
    let (answer, pieces) = try await run(Requests.make([.user(message)]))
    #expect(answer.text == text)
    #expect(pieces.joined() == text)
  }

  @Test(arguments: [
    "Where is my order ORD-123456?", "use lookup_order for (ORD-123456)", "ORD-123456 orders?",
  ])
  func `it calls the tool that the message asks for`(message: String) async throws {
    let (answer, pieces) = try await run(Requests.make([.user(message)]))
    #expect(answer.stop == .toolUse)
    #expect(answer.calls.map(\.name) == ["lookup_order"])
    #expect(answer.calls.map(\.argumentsJSON) == [#"{"id":"ORD-123456"}"#])
    #expect(pieces.isEmpty)
  }

  @Test func `it asks for what a tool needs`() async throws {
    let (answer, _) = try await run(Requests.make([.user("where is my order")]))
    #expect(answer.calls.isEmpty)
    #expect(answer.text.contains("For lookup_order I need: id."))
  }

  @Test func `it uses results, and calls no tool twice`() async throws {
    let called: [ModelMessage] = [
      .user("where is my order ORD-123456"),
      .assistant(
        text: "",
        calls: [ModelToolCall(id: "call_1", name: "lookup_order", argumentsJSON: "{}")]
      ),
    ]
    let good = ModelToolResult(id: "call_1", content: "on its way", isError: false)
    let (answer, _) = try await run(Requests.make(called + [.toolResults([good])]))
    #expect(answer.calls.isEmpty)
    #expect(answer.text.hasSuffix("lookup_order says: on its way"))
    let bad = ModelToolResult(id: "call_1", content: "stack trace", isError: true)
    let (failed, _) = try await run(Requests.make(called + [.toolResults([bad])]))
    #expect(failed.text.contains("lookup_order did not work"))
    #expect(!failed.text.contains("stack trace"))
  }

  @Test func `it calls nothing while tools are off`() async throws {
    let request = Requests.make([.user("order ORD-123456")], toolsAllowed: false)
    #expect(try await run(request).0.calls.isEmpty)
  }

  @Test func `a JSON object in the message is taken as arguments`() async throws {
    let request = Requests.make([.user(#"lookup_order {"id": 7}"#)])
    #expect(try await run(request).0.calls.map(\.argumentsJSON) == [#"{"id": 7}"#])
  }

  @Test func `it stops at the limit of tokens`() async throws {
    let text = String(repeating: "word ", count: 100)
    let (answer, _) = try await run(Requests.make([.user("say: \(text)")], maxTokens: 10))
    #expect(answer.stop == .maxTokens)
    #expect((1 ... 10).contains(TokenEstimator.tokens(answer.text)))
  }

  @Test func `a caller that wants no more ends the call`() async throws {
    struct Enough: Error {}
    let failure = await #expect(throws: ModelFailure.self) {
      try await SimulatedProvider().run(Requests.make(), credentials: nil) { _ in throw Enough() }
    }
    #expect(failure?.kind == .cancelled)
  }
}
