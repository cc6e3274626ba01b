/// Prices in pico-USD for one token (1 USD per million tokens = 1,000,000 pico-USD a token).
package struct ModelPrice: Hashable, Sendable, Codable {
  package var input: Int64
  package var output: Int64
  package var cacheRead: Int64
  package var cacheWrite5m: Int64
  package var cacheWrite1h: Int64
  /// nil: as `output`.
  package var outputReasoning: Int64?
  /// Rates of calls with large prompts; nil or empty: none.
  package var above: [LargePrompt]?

  /// Rates that hold for a whole call once its prompt, cache included, is larger than a threshold.
  /// A rate that is nil stays as it is below.
  package struct LargePrompt: Hashable, Sendable, Codable {
    package var promptTokens: Int64
    package var input: Int64?
    package var output: Int64?
    package var cacheRead: Int64?
    package var cacheWrite5m: Int64?
    package var cacheWrite1h: Int64?
    package var outputReasoning: Int64?

    package init(
      promptTokens: Int64,
      input: Int64? = nil,
      output: Int64? = nil,
      cacheRead: Int64? = nil,
      cacheWrite5m: Int64? = nil,
      cacheWrite1h: Int64? = nil,
      outputReasoning: Int64? = nil
    ) {
      self.promptTokens = promptTokens
      self.input = input
      self.output = output
      self.cacheRead = cacheRead
      self.cacheWrite5m = cacheWrite5m
      self.cacheWrite1h = cacheWrite1h
      self.outputReasoning = outputReasoning
    }

    private enum CodingKeys: String, CodingKey {
      case promptTokens = "prompt_tokens"
      case input
      case output
      case cacheRead = "cache_read"
      case cacheWrite5m = "cache_write_5m"
      case cacheWrite1h = "cache_write_1h"
      case outputReasoning = "output_reasoning"
    }
  }

  package init(
    input: Int64,
    output: Int64,
    cacheRead: Int64,
    cacheWrite5m: Int64,
    cacheWrite1h: Int64,
    outputReasoning: Int64? = nil,
    above: [LargePrompt]? = nil
  ) {
    self.input = input
    self.output = output
    self.cacheRead = cacheRead
    self.cacheWrite5m = cacheWrite5m
    self.cacheWrite1h = cacheWrite1h
    self.outputReasoning = outputReasoning
    self.above = above
  }

  /// The rates of a call with this many tokens in its prompt, cache included.
  package func rates(promptTokens: Int) -> ModelPrice {
    var rates = self
    rates.above = nil
    let passed = (above ?? []).filter { $0.promptTokens < Int64(promptTokens) }
    for large in passed.sorted(by: { $0.promptTokens < $1.promptTokens }) {
      rates.input = large.input ?? rates.input
      // Who names a new price for answers means all of them, thoughts too.
      if let output = large.output {
        rates.output = output
        rates.outputReasoning = nil
      }
      rates.outputReasoning = large.outputReasoning ?? rates.outputReasoning
      rates.cacheRead = large.cacheRead ?? rates.cacheRead
      rates.cacheWrite5m = large.cacheWrite5m ?? rates.cacheWrite5m
      rates.cacheWrite1h = large.cacheWrite1h ?? rates.cacheWrite1h
    }
    return rates
  }

  private enum CodingKeys: String, CodingKey {
    case input
    case output
    case cacheRead = "cache_read"
    case cacheWrite5m = "cache_write_5m"
    case cacheWrite1h = "cache_write_1h"
    case outputReasoning = "output_reasoning"
    case above
  }
}
