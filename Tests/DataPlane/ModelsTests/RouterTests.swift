import Domain
import Foundation
import Models
import Secrets
import Synchronization
import Testing

/// A provider that ends each call by a script; the last entry repeats.
private final class ScriptedProvider: ModelProvider {
  enum Step: Sendable {
    case answer(String)
    case fail(ModelFailure.Kind, afterText: String = "", retryAfterMS: Int? = nil)
  }

  let name: String
  private let state: Mutex<(steps: [Step], models: [String], keys: [String?])>

  init(_ name: String, _ steps: Step...) {
    self.name = name
    state = Mutex((steps, [], []))
  }

  var models: [String] { state.withLock { $0.models } }
  var keys: [String?] { state.withLock { $0.keys } }

  func run(
    _ request: ModelRequest,
    credentials: ModelCredentials?,
    onText: (String) async throws -> Void
  ) async throws(ModelFailure) -> ModelAnswer {
    let step = state.withLock { state -> Step in
      state.models.append(request.model)
      state.keys.append(credentials?.apiKey)
      return state.steps.count > 1 ? state.steps.removeFirst() : state.steps[0]
    }
    var usage = ModelUsage(source: .provider)
    usage.inUncached = 100
    var kind = ModelFailure.Kind.cancelled
    var (text, retryAfterMS) = ("", Int?.none)
    switch step {
    case .answer(let it): text = it
    case .fail(let it, let after, let wait): (kind, text, retryAfterMS) = (it, after, wait)
    }
    do {
      if !text.isEmpty { try await onText(text) }
    } catch {
      kind = .cancelled
      throw failure(kind, afterOutput: true, retryAfterMS, usage, request)
    }
    guard case .answer = step else {
      throw failure(kind, afterOutput: !text.isEmpty, retryAfterMS, usage, request)
    }
    return ModelAnswer(
      text: text,
      calls: [],
      stop: .endTurn,
      model: "claude-sonnet-served",
      usage: usage,
      requestID: "req",
      ttftMS: 3
    )
  }

  private func failure(
    _ kind: ModelFailure.Kind,
    afterOutput: Bool,
    _ retryAfterMS: Int?,
    _ usage: ModelUsage,
    _ request: ModelRequest
  ) -> ModelFailure {
    ModelFailure(
      kind: kind,
      message: "scripted",
      retryAfterMS: retryAfterMS,
      afterOutput: afterOutput,
      usage: usage,
      model: request.model
    )
  }
}

private struct OneSecret: SecretResolver {
  var known: [String: String] = [:]

  func secret(_ reference: SecretReference) async throws(SecretError) -> Secret {
    let text = "\(reference.tenantSlug)/\(reference.name)"
    guard let value = known[text] else { throw SecretError(code: .notFound, reference: text) }
    return Secret(value)
  }
}

@Suite struct RouterTests {
  private static let tables = ModelTables(
    version: "t1",
    aliases: [
      "a": [ModelAlias(provider: "first", wireID: "a-1")],
      "also-a": [ModelAlias(provider: "first", wireID: "a-1")],
      "b": [ModelAlias(provider: "second", wireID: "b-1")],
      "nowhere": [ModelAlias(provider: "unknown", wireID: "x")],
    ],
    prices: ["claude-sonnet*": AccountingTests.price]
  )

  private func router(
    _ providers: [ScriptedProvider],
    keys: ModelKeys = ModelKeys(secrets: OneSecret()),
    breaker: ModelBreaker.Options = ModelBreaker.Options()
  ) -> ModelRouter {
    ModelRouter(
      providers: providers,
      keys: keys,
      options: ModelRouter.Options(retryDelay: .zero, breaker: breaker),
      nowMS: { 1_796_083_200_000 },
      mint: { UUID() }
    )
  }

  private func call(
    _ router: ModelRouter,
    _ model: String = "a",
    fallback: [String] = [],
    onText: @Sendable (String) async throws -> Void = { _ in }
  ) async -> RoutedAnswer {
    await router.call(
      Requests.make(model: model),
      fallback: fallback,
      tables: Self.tables,
      tenantSlug: "shop",
      onText: onText
    )
  }

  private func failure(_ answer: RoutedAnswer) -> ModelFailure? {
    guard case .failed(let failure) = answer.result else { return nil }
    return failure
  }

  @Test func `a clean answer is one attempt, priced and split`() async throws {
    let answer = await call(router([ScriptedProvider("first", .answer("hi"))]))
    guard case .answered(let text) = answer.result else { return #expect(Bool(false)) }
    #expect(text.text == "hi")
    let attempt = try #require(answer.attempts.first)
    #expect(answer.attempts.count == 1)
    #expect(attempt.model == "claude-sonnet-served")
    #expect(attempt.requestedModel == "a-1")
    #expect(attempt.cost == PicoUSD(200_000_000))
    #expect(attempt.tierTokens.values.reduce(0, +) == 100)
    #expect(attempt.priceTable == "t1")
    #expect(attempt.failure == nil)
  }

  @Test func `no try is made once it may call no more, of this model or the next`() async {
    let first = ScriptedProvider("first", .fail(.overloaded))
    let second = ScriptedProvider("second", .answer("hi"))
    for tries in 0 ... 2 {
      let before = first.models.count
      let left = Mutex(tries)
      let answer = await router([first, second]).call(
        Requests.make(model: "a"),
        fallback: ["b"],
        tables: Self.tables,
        tenantSlug: "shop",
        mayCall: {
          left.withLock { left in
            left -= 1
            return left >= 0
          }
        },
        onText: { _ in }
      )
      #expect(failure(answer)?.kind == .cancelled)
      #expect(answer.attempts.count == tries && first.models.count == before + tries)
    }
    #expect(second.models.isEmpty)
  }

  @Test func `a transient failure is tried once more, then the next model comes`() async {
    let first = ScriptedProvider("first", .fail(.overloaded))
    let second = ScriptedProvider("second", .answer("hi"))
    let answer = await call(router([first, second]), fallback: ["also-a", "b"])
    #expect(first.models == ["a-1", "a-1"])
    #expect(second.models == ["b-1"])
    #expect(answer.attempts.map(\.failure) == [.overloaded, .overloaded, nil])
    #expect(answer.attempts.map(\.usage.tokensIn) == [100, 100, 100])
    #expect(Set(answer.attempts.map(\.callID)).count == 3)
  }

  @Test func `a wrong request is not tried again on the same model`() async {
    let first = ScriptedProvider("first", .fail(.rejected))
    let second = ScriptedProvider("second", .answer("hi"))
    let answer = await call(router([first, second]), fallback: ["b"])
    #expect(answer.attempts.map(\.failure) == [.rejected, nil])
  }

  @Test func `a vendor that asks for long patience is passed over`() async {
    let first = ScriptedProvider("first", .fail(.rateLimited, retryAfterMS: 60_000))
    let second = ScriptedProvider("second", .answer("hi"))
    let answer = await call(router([first, second]), fallback: ["b"])
    #expect(answer.attempts.map(\.failure) == [.rateLimited, nil])
  }

  @Test func `after output there is no second try`() async {
    let first = ScriptedProvider("first", .fail(.cut, afterText: "half"))
    let second = ScriptedProvider("second", .answer("hi"))
    let answer = await call(router([first, second]), fallback: ["b"])
    #expect(failure(answer)?.afterOutput == true)
    #expect(second.models.isEmpty)
    #expect(answer.attempts.count == 1)
  }

  @Test func `a caller that wants no more is not answered by another model`() async {
    let second = ScriptedProvider("second", .answer("hi"))
    let answer = await call(
      router([ScriptedProvider("first", .answer("hi")), second]),
      fallback: ["b"]
    ) { _ in throw CancellationError() }
    #expect(failure(answer)?.kind == .cancelled)
    #expect(second.models.isEmpty)
  }

  @Test func `names without a model or provider are passed over`() async {
    let second = ScriptedProvider("second", .answer("hi"))
    let answer = await call(router([second]), "gone", fallback: ["nowhere", "b"])
    #expect(answer.attempts.map(\.failure) == [nil])
    let none = await call(router([second]), "gone")
    #expect(failure(none)?.kind == .unknownModel)
    #expect(none.attempts.isEmpty)
  }

  @Test func `an answer without a word or a call is none`() async {
    let first = ScriptedProvider("first", .answer(" \n"))
    let second = ScriptedProvider("second", .answer("hi"))
    let answer = await call(router([first, second]), fallback: ["b"])
    // The blank was handed on, so nobody tries again here: who runs the turn knows whether it was seen.
    #expect(answer.attempts.map(\.failure) == [.garbage])
    let empty = ScriptedProvider("first", .answer(""))
    let routed = await call(router([empty, second]), fallback: ["b"])
    #expect(routed.attempts.map(\.failure) == [.garbage, .garbage, nil])
    #expect(routed.attempts.map(\.usage.tokensIn) == [100, 100, 100])
  }

  @Test func `what one request brings on itself closes no model to others`() async {
    let first = ScriptedProvider("first", .answer(""))
    let router = router([first], breaker: ModelBreaker.Options(threshold: 1, pauseMS: 60_000))
    _ = await call(router)
    _ = await call(router)
    #expect(first.models.count == 4)
  }

  @Test func `a model that keeps failing is left alone`() async {
    let first = ScriptedProvider("first", .fail(.stalled))
    let router = router([first], breaker: ModelBreaker.Options(threshold: 2, pauseMS: 1_000))
    _ = await call(router)
    let answer = await call(router)
    #expect(first.models.count == 2)
    #expect(answer.attempts.isEmpty)
    #expect(failure(answer)?.kind == .overloaded)
  }

  @Test func `the tenant's key comes before the node's`() async {
    let first = ScriptedProvider("first", .answer("hi"))
    let node = ["first": Secret("node-key")]
    let own = OneSecret(known: ["shop/first_api_key": "own-key"])
    _ = await call(router([first], keys: ModelKeys(secrets: own, node: node)))
    _ = await call(router([first], keys: ModelKeys(secrets: OneSecret(), node: node)))
    _ = await call(router([first]))
    #expect(first.keys == ["own-key", "node-key", nil])
  }

  @Test func `a breaker opens, probes once, and closes`() {
    var breaker = ModelBreaker(ModelBreaker.Options(threshold: 2, pauseMS: 100))
    var admitted: [Bool] = []
    func ask(_ ms: Int64) { admitted.append(breaker.admit(atMS: ms)) }
    ask(0)
    breaker.note(.transientFailure, atMS: 0)
    ask(1)
    breaker.note(.transientFailure, atMS: 1)
    ask(100)
    ask(101)
    ask(102)
    #expect(admitted == [true, true, false, true, false])
    admitted = []
    breaker.note(.neither, atMS: 103)
    ask(103)
    breaker.note(.transientFailure, atMS: 104)
    ask(203)
    ask(204)
    #expect(admitted == [true, false, true])
    admitted = []
    breaker.note(.success, atMS: 205)
    ask(206)
    ask(206)
    #expect(admitted == [true, true])
  }
}
