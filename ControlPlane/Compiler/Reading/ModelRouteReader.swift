internal import Domain

/// Reads which models an agent uses, by the names of the alias table.
struct ModelRouteReader {
  let models: ModelTables
  /// The agent has tools: its models must be able to call them.
  let hasTools: Bool

  func routes(_ routing: SpecReader) -> ModelRoutes {
    routing.warnUnknown(["default", "cheap", "fallback", "max_tokens"])
    let name = routing.string("default") ?? ""
    if name.isEmpty, !routing.problems.hasErrors(at: routing.pointer("default")) {
      routing.problems.add(
        "AGT_NO_DEFAULT_MODEL",
        at: routing.pointer("default"),
        "no model is named",
        hint: "write model_routing: {default: …}; known are \(known)"
      )
    }
    let cheap = routing.string("cheap")
    let fallback = routing.strings("fallback", maxCount: 8, bare: true)
    let isList = routing.value("fallback")?.arrayValue != nil
    let most = Int(routing.int("max_tokens", in: 1 ... 64_000, default: 1_024))
    let named =
      [("default", name)] + (cheap.map { [("cheap", $0)] } ?? [])
      + fallback.enumerated().map { (isList ? "fallback/\($0)" : "fallback", $1) }
    for (key, model) in named where !model.isEmpty {
      check(model, at: "\(routing.path)/\(key)", maxTokens: most, routing)
    }
    return ModelRoutes(default: name, cheap: cheap, fallback: fallback, maxTokens: most)
  }

  private func check(_ name: String, at path: String, maxTokens: Int, _ routing: SpecReader) {
    guard let aliases = models.aliases[name], !aliases.isEmpty else {
      routing.problems.add(
        "AGT_UNKNOWN_MODEL",
        at: path,
        got: .string(name),
        "the model is unknown",
        hint: nearest(to: name, among: models.aliases.keys.sorted())
          .map { "did you mean '\($0)'?" } ?? "known are \(known)"
      )
      return
    }
    if aliases.contains(where: \.retired) {
      let answering = aliases.map(\.wireID).joined(separator: ", ")
      routing.problems.add(
        "AGT_MODEL_RETIRED",
        at: path,
        got: .string(name),
        level: .warning,
        "the provider has retired it; \(answering) answers instead",
        hint: "name a current model"
      )
    }
    let abilities = aliases.compactMap(\.capabilities)
    if hasTools, abilities.contains(where: { $0.tools == false }) {
      routing.problems.add(
        "AGT_MODEL_UNFIT",
        at: path,
        got: .string(name),
        "the model calls no tools, and the agent has some",
        hint: "name a model that does, or take the tools out"
      )
    }
    if let limit = abilities.compactMap(\.maxOutputTokens).min(), maxTokens > limit {
      routing.problems.add(
        "AGT_MODEL_UNFIT",
        at: path,
        got: .string(name),
        "the model answers with at most \(limit) tokens; max_tokens is \(maxTokens)",
        hint: "lower max_tokens, or name another model"
      )
    }
  }

  private var known: String {
    models.aliases.filter { !$0.value.contains(where: \.retired) }.keys.sorted()
      .joined(separator: ", ")
  }
}
