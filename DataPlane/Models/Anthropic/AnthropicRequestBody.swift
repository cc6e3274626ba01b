internal import Codecs
internal import Domain

/// The body of `POST /v1/messages`.
///
/// Prompt caches compare prefixes byte by byte in the order tools, system, messages: the body is a
/// pure function of the request, and the one breakpoint stands after the last static segment.
enum AnthropicRequestBody {
  /// Tiers whose text is the same in every turn of a binding.
  static let staticTiers: Set<String> = ["platform", "human", "team", "agent"]

  static func text(_ request: ModelRequest) -> String {
    var body: [String: JSONValue] = [
      "model": .string(request.model), "max_tokens": .int(Int64(request.maxTokens)),
      "stream": .bool(request.streams),
      "messages": .array(request.messages.compactMap { message($0, request) }),
    ]
    let system = systemBlocks(request.system)
    if !system.isEmpty { body["system"] = .array(system) }
    if !request.tools.isEmpty {
      body["tools"] = .array(request.tools.map(tool))
      body["tool_choice"] = ["type": .string(request.toolsAllowed ? "auto" : "none")]
    }
    return JSONValue.object(body).canonicalText
  }

  private static func systemBlocks(_ segments: [PromptSegment]) -> [JSONValue] {
    // The API refuses empty text blocks.
    let segments = segments.filter { !$0.text.isEmpty }
    let breakpoint = segments.lastIndex { staticTiers.contains($0.tier) }
    return segments.enumerated().map { index, segment in
      var block: [String: JSONValue] = ["type": "text", "text": .string(segment.text)]
      if index == breakpoint { block["cache_control"] = ["type": "ephemeral"] }
      return .object(block)
    }
  }

  private static func tool(_ tool: ToolSpec) -> JSONValue {
    [
      "name": .string(tool.name), "description": .string(tool.description),
      "input_schema": tool.schema,
    ]
  }

  /// nil for a message without content, which the API refuses.
  private static func message(_ message: ModelMessage, _ request: ModelRequest) -> JSONValue? {
    switch message {
    case .user(let text):
      guard !text.isEmpty else { return nil }
      return ["role": "user", "content": .string(text)]
    case .assistant(let text, let calls, let replay):
      if let content = replay?.content(for: "anthropic", request) {
        return ["role": "assistant", "content": .array(content)]
      }
      var content: [JSONValue] = []
      if !text.isEmpty { content.append(["type": "text", "text": .string(text)]) }
      for call in calls {
        content.append([
          "type": "tool_use", "id": id(call.id), "name": .string(call.name),
          "input": ToolArguments.object(call.argumentsJSON),
        ])
      }
      return content.isEmpty ? nil : ["role": "assistant", "content": .array(content)]
    case .toolResults(let results):
      guard !results.isEmpty else { return nil }
      let content: [JSONValue] = results.map { result in
        [
          "type": "tool_result", "tool_use_id": id(result.id),
          "content": .string(result.content), "is_error": .bool(result.isError),
        ]
      }
      return ["role": "user", "content": .array(content)]
    }
  }

  /// The API takes letters, digits, _ and - in ids; other vendors' may have more.
  private static func id(_ id: String) -> JSONValue {
    let scalars = id.unicodeScalars.map { scalar -> Character in
      let isAllowed =
        scalar.isASCII
        && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil
          || scalar == "_" || scalar == "-")
      return isAllowed ? Character(scalar) : "_"
    }
    return .string(String(scalars))
  }
}
