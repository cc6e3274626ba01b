internal import Domain
internal import Foundation
package import Logging
package import Models
package import Subscription
internal import Wire

/// The model router as a turn calls it: a binding's routing in, ledger rows out.
package struct RoutedModels: ModelCalling {
  private let router: ModelRouter
  private let logger: Logger

  package init(_ router: ModelRouter, logger: Logger) {
    self.router = router
    self.logger = logger
  }

  package func call(
    _ request: ModelRequest,
    for binding: ResolvedBinding,
    mayCall: @Sendable () -> Bool,
    onText: @Sendable (String) async throws -> Void
  ) async -> ModelCallReport {
    let answer = await router.call(
      request,
      fallback: binding.agent.modelRoutes.fallback,
      tables: binding.platform.models,
      tenantSlug: binding.binding.tenantSlug,
      mayCall: mayCall,
      onText: onText
    )
    let result: ModelCallReport.Result =
      switch answer.result {
      case .answered(let answer): .answered(answer)
      case .failed(let failure) where failure.kind == .cancelled: .cancelled
      case .failed(let failure):
        .failed(afterOutput: failure.afterOutput, mayRetry: failure.retryable)
      }
    if case .failed(let failure) = answer.result, failure.kind != .cancelled {
      logger.error(
        "no model answered",
        metadata: [
          "tenant": "\(binding.binding.tenantSlug)", "model": "\(failure.model)",
          "why": "\(failure.message)",
        ]
      )
    }
    return ModelCallReport(result: result, attempts: answer.attempts.map(Self.row))
  }

  private static func row(_ attempt: ModelAttempt) -> Bindery_V1_ModelCallRecord {
    let usage = attempt.usage
    var row = Bindery_V1_ModelCallRecord()
    row.callID = CallID(attempt.callID).data
    row.provider = attempt.provider
    row.model = attempt.model
    row.requestedModel = attempt.requestedModel
    row.inUncached = Int32(clamping: usage.inUncached)
    row.cacheRead = Int32(clamping: usage.cacheRead)
    row.cacheWrite5M = Int32(clamping: usage.cacheWrite5m)
    row.cacheWrite1H = Int32(clamping: usage.cacheWrite1h)
    row.outVisible = Int32(clamping: usage.outVisible)
    row.outReasoning = Int32(clamping: usage.outReasoning)
    if let cost = attempt.cost { row.costPicoUsd = cost.value }
    row.latencyMs = Int32(clamping: attempt.latencyMS)
    if let ttft = attempt.ttftMS { row.ttftMs = Int32(clamping: ttft) }
    row.tierTokens = attempt.tierTokens.mapValues { Int32(clamping: $0) }
    row.usageSource =
      switch usage.source {
      case .provider: .provider
      case .partial: .partial
      case .estimated: .estimated
      }
    row.createdAtMs = attempt.startedAtMS
    row.error = attempt.failure?.rawValue ?? ""
    row.requestID = attempt.requestID
    row.priceTable = attempt.priceTable
    return row
  }
}
