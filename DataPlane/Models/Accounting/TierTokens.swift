/// Shares a call's input tokens among the parts of its prompt.
package enum TierTokens {
  /// Tokens by tier name, plus "history" and "tools"; the values sum exactly to `tokensIn`.
  ///
  /// Shares follow the estimator; what division leaves over goes to the largest remainders, ties to
  /// the name that sorts first. A prompt without weight is all "history".
  package static func split(_ request: ModelRequest, tokensIn: Int) -> [String: Int] {
    var weights: [String: Int] = [:]
    for segment in request.system {
      weights[segment.tier, default: 0] += TokenEstimator.tokens(segment.text)
    }
    if !request.messages.isEmpty {
      weights["history", default: 0] += request.messages.reduce(0) {
        $0 + TokenEstimator.tokens($1)
      }
    }
    if !request.tools.isEmpty {
      weights["tools", default: 0] += request.tools.reduce(0) { $0 + TokenEstimator.tokens($1) }
    }
    return split(weights: weights, total: tokensIn)
  }

  package static func split(weights: [String: Int], total: Int) -> [String: Int] {
    guard total > 0 else { return [:] }
    let sum = weights.values.reduce(0, +)
    guard sum > 0 else { return ["history": total] }
    var shares: [String: Int] = [:]
    var remainders: [(name: String, value: Int)] = []
    var left = total
    for (name, weight) in weights {
      // Full width: a product of two large counts must not trap.
      let product = total.multipliedFullWidth(by: weight)
      let (share, remainder) = sum.dividingFullWidth(product)
      shares[name] = share
      left -= share
      remainders.append((name, remainder))
    }
    remainders.sort { ($1.value, $0.name) < ($0.value, $1.name) }
    for (name, _) in remainders.prefix(left) { shares[name, default: 0] += 1 }
    return shares
  }
}
