package import Domain
package import Foundation

/// One try at one model, as it is accounted for: failed and cut ones too.
package struct ModelAttempt: Hashable, Sendable {
  /// Minted before the call.
  package var callID: UUID
  package var provider: String
  /// As the response names it; as requested when none came.
  package var model: String
  package var requestedModel: String
  package var usage: ModelUsage
  /// nil when the model has no price.
  package var cost: PicoUSD?
  /// Whole call, in ms.
  package var latencyMS: Int
  package var ttftMS: Int?
  /// Input tokens by segment; sums exactly to `usage.tokensIn`.
  package var tierTokens: [String: Int]
  /// Unix time in ms.
  package var startedAtMS: Int64
  /// nil after a clean end.
  package var failure: ModelFailure.Kind?
  package var requestID: String
  /// Version of the price table used.
  package var priceTable: String
}

/// What came of a call with all its tries.
package struct RoutedAnswer: Sendable {
  package enum Result: Hashable, Sendable {
    case answered(ModelAnswer)
    /// The last failure; one of kind `cancelled` when the caller wants no answer any more.
    case failed(ModelFailure)
  }

  package var result: Result
  package var attempts: [ModelAttempt]

  package init(result: Result, attempts: [ModelAttempt]) {
    self.result = result
    self.attempts = attempts
  }
}
