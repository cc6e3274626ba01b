package import Domain
package import Foundation
internal import Secrets
internal import Synchronization

/// Calls the models of an agent's routing one after the other until one answers.
///
/// Each model is tried once more after a transient failure; then comes the routing's next. Once text
/// was handed out there is no second try, because the user would read it twice. A model whose
/// breaker is open is passed over. Every try is accounted for.
package final class ModelRouter: Sendable {
  package struct Options: Sendable {
    /// Most models tried for one call.
    package var maxModels: Int
    /// Wait before the second try when the vendor named no time.
    package var retryDelay: Duration
    /// A vendor that asks for more is not waited for: the next model comes.
    package var maxRetryDelay: Duration
    package var breaker: ModelBreaker.Options

    package init(
      maxModels: Int = 4,
      retryDelay: Duration = .milliseconds(500),
      maxRetryDelay: Duration = .seconds(4),
      breaker: ModelBreaker.Options = ModelBreaker.Options()
    ) {
      self.maxModels = maxModels
      self.retryDelay = retryDelay
      self.maxRetryDelay = maxRetryDelay
      self.breaker = breaker
    }
  }

  private let providers: [String: any ModelProvider]
  private let keys: ModelKeys
  private let options: Options
  private let nowMS: @Sendable () -> Int64
  private let mint: @Sendable () -> UUID
  /// By provider and wire id; the alias table bounds their number.
  private let breakers = Mutex<[ResolvedModel: ModelBreaker]>([:])

  /// - Parameters:
  ///   - nowMS: Unix time in ms.
  ///   - mint: makes UUIDv7s.
  package init(
    providers: [any ModelProvider],
    keys: ModelKeys,
    options: Options = Options(),
    nowMS: @escaping @Sendable () -> Int64,
    mint: @escaping @Sendable () -> UUID
  ) {
    self.providers = Dictionary(
      providers.map { ($0.name, $0) },
      uniquingKeysWith: { first, _ in first }
    )
    self.keys = keys
    self.options = options
    self.nowMS = nowMS
    self.mint = mint
  }

  /// Runs a request whose `model` is a logical name.
  ///
  /// - Parameters:
  ///   - fallback: logical names, tried in order after the request's own.
  ///   - mayCall: asked before every try; when it says no, the call ends as `cancelled`.
  ///   - onText: gets each piece of text; when it throws, the call ends as `cancelled`.
  package func call(
    _ request: ModelRequest,
    fallback: [String],
    tables: ModelTables,
    tenantSlug: String,
    mayCall: @Sendable () -> Bool = { true },
    onText: @Sendable (String) async throws -> Void
  ) async -> RoutedAnswer {
    let accounting = ModelAccounting(request, tables: tables, nowMS: nowMS, mint: mint)
    var attempts: [ModelAttempt] = []
    var failure = Self.failure(.unknownModel, "the routing names no model", request.model)
    for candidate in candidates([request.model] + fallback, tables) {
      guard let model = candidate.model, let provider = providers[model.provider] else {
        failure = Self.failure(
          .unknownModel,
          "this node speaks to no model by the name '\(candidate.name)'",
          candidate.name
        )
        continue
      }
      for turn in 1 ... 2 {
        guard mayCall() else {
          let cancelled = Self.failure(.cancelled, "no call may be made any more", model.wireID)
          return RoutedAnswer(result: .failed(cancelled), attempts: attempts)
        }
        guard admit(model) else {
          failure = Self.failure(
            .overloaded,
            "the model has failed too often; it is left alone for a while",
            model.wireID
          )
          break
        }
        var attempt = accounting.begin(model)
        switch await attemptOnce(request, model, provider, tenantSlug, onText) {
        case .success(let answer):
          note(.success, model)
          accounting.end(&attempt, answer)
          attempts.append(attempt)
          return RoutedAnswer(result: .answered(answer), attempts: attempts)
        case .failure(let error):
          failure = error
          note(Self.ending(error), model)
          accounting.end(&attempt, error)
          attempts.append(attempt)
        }
        if failure.afterOutput || failure.kind == .cancelled {
          return RoutedAnswer(result: .failed(failure), attempts: attempts)
        }
        guard turn == 1, failure.retryable, let delay = delay(failure) else { break }
        do {
          try await Task.sleep(for: delay)
        } catch {
          let cancelled = Self.failure(.cancelled, "the caller ended the call", model.wireID)
          return RoutedAnswer(result: .failed(cancelled), attempts: attempts)
        }
      }
    }
    return RoutedAnswer(result: .failed(failure), attempts: attempts)
  }

  /// Each model once, though several names may mean it.
  private func candidates(
    _ names: [String],
    _ tables: ModelTables
  ) -> [(name: String, model: ResolvedModel?)] {
    let day = ModelResolver.day(unixMS: nowMS())
    var seen: Set<String> = []
    var result: [(name: String, model: ResolvedModel?)] = []
    for name in names where result.count < options.maxModels {
      let model = ModelResolver.resolve(name, on: day, tables: tables)
      let key = model.map { "\($0.provider)/\($0.wireID)" } ?? name
      if seen.insert(key).inserted { result.append((name, model)) }
    }
    return result
  }

  private func attemptOnce(
    _ request: ModelRequest,
    _ model: ResolvedModel,
    _ provider: any ModelProvider,
    _ tenantSlug: String,
    _ onText: @Sendable (String) async throws -> Void
  ) async -> Result<ModelAnswer, ModelFailure> {
    var wire = request
    wire.model = model.wireID
    wire.streams = model.capabilities?.streaming ?? true
    if let most = model.capabilities?.maxOutputTokens { wire.maxTokens = min(wire.maxTokens, most) }
    let key: ModelCredentials?
    do {
      key = try await keys.key(for: model.provider, tenantSlug: tenantSlug)
    } catch {
      return .failure(
        Self.failure(.rejected, "the key for \(model.provider): \(error)", model.wireID)
      )
    }
    do {
      let answer = try await provider.run(wire, credentials: key, onText: onText)
      if answer.calls.isEmpty, answer.text.allSatisfy(\.isWhitespace) {
        return .failure(Self.nothing(answer))
      }
      return .success(answer)
    } catch {
      return .failure(error)
    }
  }

  /// nil: the vendor asks for more patience than a user has.
  private func delay(_ failure: ModelFailure) -> Duration? {
    guard let asked = failure.retryAfterMS else {
      return options.retryDelay * Double.random(in: 0.75 ... 1)
    }
    let delay = Duration.milliseconds(asked)
    return delay <= options.maxRetryDelay ? delay : nil
  }

  private func admit(_ model: ResolvedModel) -> Bool {
    breakers.withLock {
      $0[Self.breakerKey(model), default: ModelBreaker(options.breaker)].admit(atMS: nowMS())
    }
  }

  private func note(_ ending: ModelBreaker.Ending, _ model: ResolvedModel) {
    breakers.withLock {
      $0[Self.breakerKey(model), default: ModelBreaker(options.breaker)].note(
        ending,
        atMS: nowMS()
      )
    }
  }

  /// A rate limit is one key's; the breaker stands for all tenants.
  private static func ending(_ failure: ModelFailure) -> ModelBreaker.Ending {
    failure.kind.isTransient && failure.kind != .rateLimited && failure.concernsVendor
      ? .transientFailure : .neither
  }

  /// A clean end without a word or a call is no answer.
  private static func nothing(_ answer: ModelAnswer) -> ModelFailure {
    ModelFailure(
      kind: .garbage,
      message: "the model answered nothing",
      afterOutput: !answer.text.isEmpty,
      usage: answer.usage,
      model: answer.model,
      requestID: answer.requestID,
      ttftMS: answer.ttftMS,
      concernsVendor: false
    )
  }

  private static func breakerKey(_ model: ResolvedModel) -> ResolvedModel {
    ResolvedModel(logicalName: "", provider: model.provider, wireID: model.wireID)
  }

  private static func failure(
    _ kind: ModelFailure.Kind,
    _ message: String,
    _ model: String
  ) -> ModelFailure {
    ModelFailure(
      kind: kind,
      message: message,
      afterOutput: false,
      usage: ModelUsage(source: .estimated),
      model: model
    )
  }
}
