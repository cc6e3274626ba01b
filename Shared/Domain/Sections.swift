/// Text by language code ("en", "hi", "kn"); the empty code is the one for all other languages.
package typealias LocalizedText = [String: String]

/// What every binding gets: the built-in prompt, guardrails, model aliases and prices.
package struct PlatformSection: Hashable, Sendable, Codable {
  package var prompt: String
  package var guardrails: [GuardrailRule]
  package var models: ModelTables

  package init(prompt: String, guardrails: [GuardrailRule], models: ModelTables) {
    self.prompt = prompt
    self.guardrails = guardrails
    self.models = models
  }
}

/// A compiled persona.
package struct HumanSection: Hashable, Sendable, Codable {
  package var slug: String
  package var displayName: String
  /// Persona prompt, byte-stable so that providers' prompt caches hit.
  package var prompt: String
  /// BCP 47 codes; the first is the default.
  package var languages: [String]
  package var greeting: LocalizedText
  /// Said when a turn fails; complete for all `languages`.
  package var apology: LocalizedText
  package var guardrails: [GuardrailRule]

  package init(
    slug: String,
    displayName: String,
    prompt: String,
    languages: [String],
    greeting: LocalizedText,
    apology: LocalizedText,
    guardrails: [GuardrailRule]
  ) {
    self.slug = slug
    self.displayName = displayName
    self.prompt = prompt
    self.languages = languages
    self.greeting = greeting
    self.apology = apology
    self.guardrails = guardrails
  }

  private enum CodingKeys: String, CodingKey {
    case slug
    case displayName = "display_name"
    case prompt
    case languages
    case greeting
    case apology
    case guardrails
  }
}

/// A compiled team: SOPs in the prompt, escalation, handoffs.
package struct TeamSection: Hashable, Sendable, Codable {
  package var slug: String
  package var displayName: String
  package var prompt: String
  /// SOP blocks with steps, as written; run by the SOP machine (later).
  package var sops: [JSONValue]
  package var escalation: JSONValue
  package var allowedHandoffs: [TeamID]
  package var guardrails: [GuardrailRule]

  package init(
    slug: String,
    displayName: String,
    prompt: String,
    sops: [JSONValue],
    escalation: JSONValue,
    allowedHandoffs: [TeamID],
    guardrails: [GuardrailRule]
  ) {
    self.slug = slug
    self.displayName = displayName
    self.prompt = prompt
    self.sops = sops
    self.escalation = escalation
    self.allowedHandoffs = allowedHandoffs
    self.guardrails = guardrails
  }

  private enum CodingKeys: String, CodingKey {
    case slug
    case displayName = "display_name"
    case prompt
    case sops
    case escalation
    case allowedHandoffs = "allowed_handoffs"
    case guardrails
  }
}

/// A compiled runtime: model routes, tools, limits.
package struct AgentSection: Hashable, Sendable, Codable {
  package var slug: String
  package var displayName: String
  package var prompt: String
  package var modelRoutes: ModelRoutes
  package var tools: [ToolSpec]
  /// 0 through 20: how often tools may run in one turn before the last call with tools off.
  package var maxToolIterations: Int
  package var memoryPolicy: JSONValue
  package var retrieval: JSONValue
  package var guardrails: [GuardrailRule]

  package init(
    slug: String,
    displayName: String,
    prompt: String,
    modelRoutes: ModelRoutes,
    tools: [ToolSpec],
    maxToolIterations: Int,
    memoryPolicy: JSONValue,
    retrieval: JSONValue,
    guardrails: [GuardrailRule]
  ) {
    self.slug = slug
    self.displayName = displayName
    self.prompt = prompt
    self.modelRoutes = modelRoutes
    self.tools = tools
    self.maxToolIterations = maxToolIterations
    self.memoryPolicy = memoryPolicy
    self.retrieval = retrieval
    self.guardrails = guardrails
  }

  private enum CodingKeys: String, CodingKey {
    case slug
    case displayName = "display_name"
    case prompt
    case modelRoutes = "model_routes"
    case tools
    case maxToolIterations = "max_tool_iterations"
    case memoryPolicy = "memory_policy"
    case retrieval
    case guardrails
  }
}
