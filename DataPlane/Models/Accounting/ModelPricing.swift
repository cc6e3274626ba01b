package import Domain

/// What a call cost.
package enum ModelPricing {
  /// The exact cost; nil when the model has no price or the sum leaves Int64.
  ///
  /// - Parameter model: as named in the **response**; vendors serve other models than those asked
  ///   for. An exact name wins, then the longest prefix ("name*").
  package static func cost(
    _ usage: ModelUsage,
    model: String,
    tables: ModelTables
  ) -> PicoUSD? {
    guard
      let price = price(of: model, tables: tables)?.rates(
        promptTokens: Int(clamping: usage.tokensIn)
      )
    else { return nil }
    let parts: [(Int, Int64)] = [
      (usage.inUncached, price.input), (usage.cacheRead, price.cacheRead),
      (usage.cacheWrite5m, price.cacheWrite5m), (usage.cacheWrite1h, price.cacheWrite1h),
      (usage.outVisible, price.output), (usage.outReasoning, price.outputReasoning ?? price.output),
    ]
    var sum: Int64 = 0
    for (tokens, each) in parts {
      let (product, tooBig) = Int64(tokens).multipliedReportingOverflow(by: each)
      let (next, overflow) = sum.addingReportingOverflow(product)
      guard !tooBig, !overflow else { return nil }
      sum = next
    }
    return PicoUSD(sum)
  }

  package static func price(of model: String, tables: ModelTables) -> ModelPrice? {
    if let price = tables.prices[model] { return price }
    return tables.prices
      .filter { $0.key.hasSuffix("*") && model.hasPrefix($0.key.dropLast()) }
      .max { $0.key.count < $1.key.count }?.value
  }
}
