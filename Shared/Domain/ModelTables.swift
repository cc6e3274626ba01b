/// Which models an agent uses, by logical name.
package struct ModelRoutes: Hashable, Sendable, Codable {
  package var `default`: String
  package var cheap: String?
  /// Tried in order after `default` has failed.
  package var fallback: [String]
  /// Most tokens of one answer.
  package var maxTokens: Int

  package init(default: String, cheap: String?, fallback: [String], maxTokens: Int) {
    self.default = `default`
    self.cheap = cheap
    self.fallback = fallback
    self.maxTokens = maxTokens
  }

  private enum CodingKeys: String, CodingKey {
    case `default`
    case cheap
    case fallback
    case maxTokens = "max_tokens"
  }
}

/// The alias table (logical name -> provider and wire id) and the price table.
package struct ModelTables: Hashable, Sendable, Codable {
  package var version: String
  package var aliases: [String: [ModelAlias]]
  /// By the model named in the response; prefixes end in "*".
  package var prices: [String: ModelPrice]

  package init(version: String, aliases: [String: [ModelAlias]], prices: [String: ModelPrice]) {
    self.version = version
    self.aliases = aliases
    self.prices = prices
  }
}

/// What a logical name means during a span of days.
package struct ModelAlias: Hashable, Sendable, Codable {
  /// "anthropic", "simulated" …
  package var provider: String
  /// The id that the provider knows.
  package var wireID: String
  /// ISO date, inclusive; nil: from the beginning.
  package var effectiveFrom: String?
  /// ISO date, exclusive; nil: without end.
  package var effectiveTo: String?
  /// True: compiling with this name gives the warning AGT_MODEL_RETIRED.
  package var retired: Bool

  package init(
    provider: String,
    wireID: String,
    effectiveFrom: String? = nil,
    effectiveTo: String? = nil,
    retired: Bool = false
  ) {
    self.provider = provider
    self.wireID = wireID
    self.effectiveFrom = effectiveFrom
    self.effectiveTo = effectiveTo
    self.retired = retired
  }

  private enum CodingKeys: String, CodingKey {
    case provider
    case wireID = "wire_id"
    case effectiveFrom = "effective_from"
    case effectiveTo = "effective_to"
    case retired
  }
}

/// Prices in pico-USD for one token (1 USD per million tokens = 1,000,000 pico-USD a token).
package struct ModelPrice: Hashable, Sendable, Codable {
  package var input: Int64
  package var output: Int64
  package var cacheRead: Int64
  package var cacheWrite5m: Int64
  package var cacheWrite1h: Int64

  package init(
    input: Int64,
    output: Int64,
    cacheRead: Int64,
    cacheWrite5m: Int64,
    cacheWrite1h: Int64
  ) {
    self.input = input
    self.output = output
    self.cacheRead = cacheRead
    self.cacheWrite5m = cacheWrite5m
    self.cacheWrite1h = cacheWrite1h
  }

  private enum CodingKeys: String, CodingKey {
    case input
    case output
    case cacheRead = "cache_read"
    case cacheWrite5m = "cache_write_5m"
    case cacheWrite1h = "cache_write_1h"
  }
}
