internal import Codecs
internal import Domain

/// The body of `POST /chat/completions`; a pure function of the request.
enum ChatRequestBody {
  static func text(_ request: ModelRequest, _ flavour: ChatDialect.Flavour) -> String {
    var messages: [JSONValue] = []
    // One text: not every server takes parts, and what is static stays the prefix.
    let system = request.system.map(\.text).filter { !$0.isEmpty }.joined(separator: "\n\n")
    if !system.isEmpty { messages.append(["role": "system", "content": .string(system)]) }
    for message in request.messages { messages += Self.messages(message) }
    var body: [String: JSONValue] = [
      "model": .string(request.model), "messages": .array(messages),
      "stream": .bool(request.streams),
    ]
    // OpenAI's newer models refuse the older name, other servers don't know the newer.
    let limit = flavour == .openAI ? "max_completion_tokens" : "max_tokens"
    body[limit] = .int(Int64(request.maxTokens))
    if request.streams, flavour != .sarvam { body["stream_options"] = ["include_usage": true] }
    if !request.tools.isEmpty {
      body["tools"] = .array(request.tools.map(tool))
      body["tool_choice"] = request.toolsAllowed ? "auto" : "none"
    }
    return JSONValue.object(body).canonicalText
  }

  private static func tool(_ tool: ToolSpec) -> JSONValue {
    [
      "type": "function",
      "function": [
        "name": .string(tool.name), "description": .string(tool.description),
        "parameters": tool.schema,
      ],
    ]
  }

  private static func messages(_ message: ModelMessage) -> [JSONValue] {
    switch message {
    case .user(let text):
      return text.isEmpty ? [] : [["role": "user", "content": .string(text)]]
    case .assistant(let text, let calls, _):
      var message: [String: JSONValue] = ["role": "assistant"]
      if !text.isEmpty { message["content"] = .string(text) }
      if !calls.isEmpty {
        if text.isEmpty { message["content"] = .null }
        message["tool_calls"] = .array(calls.map(call))
      }
      return message.count > 1 ? [.object(message)] : []
    case .toolResults(let results):
      return results.map { result in
        // There is no flag for an error: it is told in words.
        let content = result.isError ? "Error: " + result.content : result.content
        return [
          "role": "tool", "tool_call_id": .string(result.id), "content": .string(content),
        ]
      }
    }
  }

  private static func call(_ call: ModelToolCall) -> JSONValue {
    [
      "id": .string(call.id), "type": "function",
      "function": [
        "name": .string(call.name),
        "arguments": .string(ToolArguments.object(call.argumentsJSON).canonicalText),
      ],
    ]
  }
}
