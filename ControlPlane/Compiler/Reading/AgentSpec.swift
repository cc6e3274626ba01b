internal import Domain

/// An agent's spec, read.
struct AgentSpec {
  var displayName: String
  var routes: ModelRoutes
  var tools: [ToolSpec]
  /// Also of tools with faults.
  var toolNames: Set<String>
  var memoryPolicy: JSONValue
  var retrieval: JSONValue
  var guardrails: TierRules
  var maxToolIterations: Int

  init(
    _ document: AuthoredDocument,
    toolAllow: Set<String>?,
    models: ModelTables = PlatformTables.models,
    problems: Problems
  ) {
    let spec = SpecReader(document.spec, problems: problems)
    spec.warnUnknown([
      "display_name", "model_routing", "tools", "memory_policy", "retrieval", "guardrails",
      "max_tool_iterations",
    ])
    displayName = spec.string("display_name", maxLength: 200) ?? document.key.slug
    let hasTools = spec.value("tools")?.arrayValue?.isEmpty == false
    routes = ModelRouteReader(models: models, hasTools: hasTools)
      .routes(spec.object("model_routing"))
    (tools, toolNames) = ToolReader(allowed: toolAllow).tools(in: spec)
    let memory = spec.object("memory_policy")
    AgentPolicies.checkMemory(memory)
    memoryPolicy = .object(memory.members)
    let retrieval = spec.object("retrieval")
    AgentPolicies.checkRetrieval(retrieval)
    self.retrieval = .object(retrieval.members)
    guardrails = GuardrailReader(channels: knownChannels).rules(in: spec)
    maxToolIterations = Int(
      spec.int("max_tool_iterations", in: 0 ... 20, default: 4, code: "AGT_ITER_RANGE")
    )
  }
}
