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
  /// Of the aliases.
  package var version: String
  /// Of the prices; nil: they came with the aliases.
  package var priceVersion: String?
  package var aliases: [String: [ModelAlias]]
  /// By the model named in the response; prefixes end in "*".
  package var prices: [String: ModelPrice]

  package init(
    version: String,
    priceVersion: String? = nil,
    aliases: [String: [ModelAlias]],
    prices: [String: ModelPrice]
  ) {
    self.version = version
    self.priceVersion = priceVersion
    self.aliases = aliases
    self.prices = prices
  }

  private enum CodingKeys: String, CodingKey {
    case version
    case priceVersion = "price_version"
    case aliases
    case prices
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
  /// nil: nothing is known.
  package var capabilities: ModelCapabilities?

  package init(
    provider: String,
    wireID: String,
    effectiveFrom: String? = nil,
    effectiveTo: String? = nil,
    retired: Bool = false,
    capabilities: ModelCapabilities? = nil
  ) {
    self.provider = provider
    self.wireID = wireID
    self.effectiveFrom = effectiveFrom
    self.effectiveTo = effectiveTo
    self.retired = retired
    self.capabilities = capabilities
  }

  private enum CodingKeys: String, CodingKey {
    case provider
    case wireID = "wire_id"
    case effectiveFrom = "effective_from"
    case effectiveTo = "effective_to"
    case retired
    case capabilities
  }
}

/// What a model can do; nil: not known, so nothing is refused on its account.
package struct ModelCapabilities: Hashable, Sendable, Codable {
  /// Calls tools.
  package var tools: Bool?
  /// Takes temperature, top_p and top_k.
  package var sampling: Bool?
  /// False: answers in one piece only.
  package var streaming: Bool?
  package var maxOutputTokens: Int?

  package init(
    tools: Bool? = nil,
    sampling: Bool? = nil,
    streaming: Bool? = nil,
    maxOutputTokens: Int? = nil
  ) {
    self.tools = tools
    self.sampling = sampling
    self.streaming = streaming
    self.maxOutputTokens = maxOutputTokens
  }

  private enum CodingKeys: String, CodingKey {
    case tools
    case sampling
    case streaming
    case maxOutputTokens = "max_output_tokens"
  }
}
