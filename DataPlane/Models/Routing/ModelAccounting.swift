internal import Domain
internal import Foundation

/// Fills in what one call's tries used and cost.
struct ModelAccounting {
  private let request: ModelRequest
  private let tables: ModelTables
  private let nowMS: @Sendable () -> Int64
  private let mint: @Sendable () -> UUID

  init(
    _ request: ModelRequest,
    tables: ModelTables,
    nowMS: @escaping @Sendable () -> Int64,
    mint: @escaping @Sendable () -> UUID
  ) {
    self.request = request
    self.tables = tables
    self.nowMS = nowMS
    self.mint = mint
  }

  /// A row before its call; what is unknown yet is empty.
  func begin(_ model: ResolvedModel) -> ModelAttempt {
    ModelAttempt(
      callID: mint(),
      provider: model.provider,
      model: model.wireID,
      requestedModel: model.wireID,
      usage: ModelUsage(source: .estimated),
      cost: nil,
      latencyMS: 0,
      ttftMS: nil,
      tierTokens: [:],
      startedAtMS: nowMS(),
      failure: nil,
      requestID: "",
      priceTable: tables.priceVersion ?? tables.version
    )
  }

  func end(_ attempt: inout ModelAttempt, _ answer: ModelAnswer) {
    attempt.ttftMS = answer.ttftMS
    attempt.requestID = answer.requestID
    end(&attempt, answer.usage, model: answer.model)
  }

  func end(_ attempt: inout ModelAttempt, _ failure: ModelFailure) {
    attempt.failure = failure.kind
    attempt.ttftMS = failure.ttftMS
    attempt.requestID = failure.requestID
    end(&attempt, failure.usage, model: failure.model)
  }

  private func end(_ attempt: inout ModelAttempt, _ usage: ModelUsage, model: String) {
    attempt.latencyMS = Int(max(0, nowMS() - attempt.startedAtMS))
    if !model.isEmpty { attempt.model = model }
    attempt.usage = usage
    attempt.cost = ModelPricing.cost(usage, model: attempt.model, tables: tables)
    attempt.tierTokens = TierTokens.split(request, tokensIn: usage.tokensIn)
  }
}
