package import Domain

/// One call to a model, in no vendor's terms.
package struct ModelRequest: Hashable, Sendable {
  /// Logical names are resolved already: the id that the vendor knows.
  package var model: String
  /// Static first, so that prompt caches hit; each segment keeps its tier's name.
  package var system: [PromptSegment]
  package var messages: [ModelMessage]
  package var tools: [ToolSpec]
  /// False on the last call after max_tool_iterations: tools are described but may not be called.
  package var toolsAllowed: Bool
  package var maxTokens: Int
  /// False for models that answer in one piece only.
  package var streams: Bool

  package init(
    model: String,
    system: [PromptSegment],
    messages: [ModelMessage],
    tools: [ToolSpec],
    toolsAllowed: Bool,
    maxTokens: Int,
    streams: Bool = true
  ) {
    self.model = model
    self.system = system
    self.messages = messages
    self.tools = tools
    self.toolsAllowed = toolsAllowed
    self.maxTokens = maxTokens
    self.streams = streams
  }
}

package struct PromptSegment: Hashable, Sendable {
  /// "platform", "human", "team", "agent", "facts", "summary".
  package var tier: String
  package var text: String

  package init(tier: String, text: String) {
    self.tier = tier
    self.text = text
  }
}

package enum ModelMessage: Hashable, Sendable {
  case user(String)
  /// - Parameter replay: what the model that wrote it wants to see again, unchanged.
  case assistant(text: String, calls: [ModelToolCall], replay: ModelReplay? = nil)
  /// All results of the calls before it.
  case toolResults([ModelToolResult])
}

/// A model's message in its vendor's own form: thinking and its signatures must come back as they were,
/// or the vendor refuses the call that brings a tool's result.
package struct ModelReplay: Hashable, Sendable {
  package var provider: String
  /// Signatures are of one model.
  package var model: String
  /// The vendor's content blocks or parts, in their order.
  package var content: [JSONValue]

  package init(provider: String, model: String, content: [JSONValue]) {
    self.provider = provider
    self.model = model
    self.content = content
  }

  /// The content for a call of this model; nil where another model wrote it.
  func content(for provider: String, _ request: ModelRequest) -> [JSONValue]? {
    self.provider == provider && model == request.model ? content : nil
  }
}

package struct ModelToolCall: Hashable, Sendable {
  /// The vendor's id, echoed in the result.
  package var id: String
  package var name: String
  /// JSON object as the model wrote it; not validated.
  package var argumentsJSON: String

  package init(id: String, name: String, argumentsJSON: String) {
    self.id = id
    self.name = name
    self.argumentsJSON = argumentsJSON
  }
}

package struct ModelToolResult: Hashable, Sendable {
  package var id: String
  package var content: String
  package var isError: Bool

  package init(id: String, content: String, isError: Bool) {
    self.id = id
    self.content = content
    self.isError = isError
  }
}
