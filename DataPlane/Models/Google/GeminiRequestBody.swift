internal import Codecs
internal import Domain

/// The body of `generateContent` and `streamGenerateContent`; a pure function of the request.
enum GeminiRequestBody {
  /// What Gemini 3 takes in place of the signature of a call that it did not make itself
  /// (ai.google.dev, "Thought signatures", FAQ); without one it answers 400.
  private static let noSignature: JSONValue = "skip_thought_signature_validator"

  static func text(_ request: ModelRequest) -> String {
    var names: [String: String] = [:]
    var contents: [JSONValue] = []
    for message in request.messages {
      if case .assistant(_, let calls, _) = message {
        for call in calls { names[call.id] = call.name }
      }
      if let content = content(message, request, names) { contents.append(content) }
    }
    var body: [String: JSONValue] = [
      "contents": .array(contents),
      "generationConfig": ["maxOutputTokens": .int(Int64(request.maxTokens))],
    ]
    let system = request.system.filter { !$0.text.isEmpty }
    if !system.isEmpty {
      body["systemInstruction"] = [
        "parts": .array(system.map { ["text": .string($0.text)] })
      ]
    }
    if !request.tools.isEmpty {
      body["tools"] = [["functionDeclarations": .array(request.tools.map(tool))]]
      body["toolConfig"] = [
        "functionCallingConfig": ["mode": request.toolsAllowed ? "AUTO" : "NONE"]
      ]
    }
    return JSONValue.object(body).canonicalText
  }

  private static func tool(_ tool: ToolSpec) -> JSONValue {
    [
      "name": .string(tool.name), "description": .string(tool.description),
      "parametersJsonSchema": tool.schema,
    ]
  }

  /// nil for a message without content, which the API refuses.
  private static func content(
    _ message: ModelMessage,
    _ request: ModelRequest,
    _ names: [String: String]
  ) -> JSONValue? {
    switch message {
    case .user(let text):
      return text.isEmpty ? nil : ["role": "user", "parts": [["text": .string(text)]]]
    case .assistant(let text, let calls, let replay):
      let parts = replay?.content(for: "google", request) ?? self.parts(text, calls, request)
      return parts.isEmpty ? nil : ["role": "model", "parts": .array(parts)]
    case .toolResults(let results):
      guard !results.isEmpty else { return nil }
      let parts: [JSONValue] = results.map { result in
        var response: [String: JSONValue] = [
          "name": .string(names[result.id] ?? "unknown"),
          // The API takes objects only.
          "response": [result.isError ? "error" : "result": .string(result.content)],
        ]
        // Ids that the API did not give are not sent to it.
        if !ToolCallIDs.isOwn(result.id) { response["id"] = .string(result.id) }
        return ["functionResponse": .object(response)]
      }
      return ["role": "user", "parts": .array(parts)]
    }
  }

  private static func parts(
    _ text: String,
    _ calls: [ModelToolCall],
    _ request: ModelRequest
  ) -> [JSONValue] {
    var parts: [JSONValue] = text.isEmpty ? [] : [["text": .string(text)]]
    for (index, call) in calls.enumerated() {
      var function: [String: JSONValue] = [
        "name": .string(call.name), "args": ToolArguments.object(call.argumentsJSON),
      ]
      if !ToolCallIDs.isOwn(call.id) { function["id"] = .string(call.id) }
      var part: [String: JSONValue] = ["functionCall": .object(function)]
      // Of calls made at once the first carries it.
      if index == 0, wantsSignatures(request.model) { part["thoughtSignature"] = noSignature }
      parts.append(.object(part))
    }
    return parts
  }

  /// Gemini 3 and later.
  private static func wantsSignatures(_ model: String) -> Bool {
    guard let name = model.split(separator: "gemini-").last,
      let digit = name.first?.wholeNumberValue
    else { return false }
    return digit >= 3
  }
}
