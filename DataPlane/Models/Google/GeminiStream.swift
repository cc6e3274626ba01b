internal import Codecs
internal import Domain

/// Puts a stream of `GenerateContentResponse`s together.
///
/// There is no last event: the answer is whole with its `finishReason`, and the body ends some time
/// after it. A call may come with the reason STOP; parts of thinking are not handed out.
package struct GeminiStream: AnswerStream {
  private let request: ModelRequest
  private var text = ""
  private var thoughts = ""
  private var calls: [ModelToolCall] = []
  /// The model's parts with their signatures, for `ModelReplay`.
  private var parts: [JSONValue] = []
  private var isSigned = false
  private var reason: String?
  private var counts: ModelUsage?
  package private(set) var model: String
  package private(set) var answerID = ""

  package init(_ request: ModelRequest) {
    self.request = request
    model = request.model
  }

  package mutating func receive(_ event: ServerSentEvent) -> AnswerStep { take(event.data) }

  package mutating func receive(body: String) -> AnswerStep {
    let step = take(body)
    if case .failed = step { return step }
    guard reason != nil else { return .failed(.garbage("an answer without finishReason")) }
    return text.isEmpty ? .finished : .text(text)
  }

  private mutating func take(_ data: String) -> AnswerStep {
    let chunk: JSONValue
    do {
      chunk = try JSONText.parse(data)
    } catch {
      return .failed(.garbage("an event that is no JSON"))
    }
    // Errors come in an array at times, also here.
    let whole = chunk.arrayValue?.first ?? chunk
    guard whole.objectValue != nil else { return .failed(.garbage("an event that is no object")) }
    if let error = whole["error"], !error.isNull { return .failed(GeminiFault.of(event: error)) }
    if let name = whole["modelVersion"]?.stringValue, !name.isEmpty {
      model = String(name.prefix(200))
    }
    if let id = whole["responseId"]?.stringValue { answerID = String(id.prefix(200)) }
    // Each is a total: the last one counts.
    if let usage = whole["usageMetadata"], usage.objectValue != nil {
      counts = ModelUsage(gemini: usage)
    }
    if let blocked = whole["promptFeedback"]?["blockReason"]?.stringValue {
      return .failed(refused(blocked))
    }
    guard let candidate = whole["candidates"]?.arrayValue?.first else { return .nothing }
    return take(candidate: candidate)
  }

  private mutating func take(candidate: JSONValue) -> AnswerStep {
    var piece = ""
    var hasProgress = false
    for part in candidate["content"]?["parts"]?.arrayValue ?? [] {
      hasProgress = true
      switch add(part) {
      case .text(let more): piece += more
      case .failed(let fault): return .failed(fault)
      default: break
      }
    }
    if let name = candidate["finishReason"]?.stringValue, name != "FINISH_REASON_UNSPECIFIED" {
      if let fault = Self.fault(name, self) { return .failed(fault) }
      reason = name
    }
    if !piece.isEmpty { return .text(piece) }
    if reason != nil { return .ending }
    return hasProgress ? .progress : .nothing
  }

  private mutating func add(_ part: JSONValue) -> AnswerStep {
    let signature = part["thoughtSignature"]?.stringValue
    if let function = part["functionCall"] {
      guard reason == nil else { return .failed(.garbage("a call after its finishReason")) }
      guard let name = function["name"]?.stringValue else {
        return .failed(.garbage("a functionCall without name"))
      }
      let id = function["id"]?.stringValue ?? ""
      let arguments = function["args"] ?? .object([:])
      calls.append(
        ModelToolCall(id: id, name: name, argumentsJSON: arguments.canonicalText)
      )
      keep(part, signature)
      return .progress
    }
    guard let piece = part["text"]?.stringValue else { return .progress }
    if part["thought"]?.boolValue == true {
      thoughts += piece
      return .progress
    }
    guard piece.isEmpty || reason == nil else {
      return .failed(.garbage("text after its finishReason"))
    }
    text += piece
    // An empty part is refused, if it does not carry a signature.
    if !piece.isEmpty || signature != nil { keep(part, signature) }
    return piece.isEmpty ? .progress : .text(piece)
  }

  /// Texts without a signature are joined, as nothing depends on where they were cut.
  private mutating func keep(_ part: JSONValue, _ signature: String?) {
    if signature != nil { isSigned = true }
    if signature == nil, part["functionCall"] == nil, let last = parts.last,
      last["thoughtSignature"] == nil, let before = last["text"]?.stringValue
    {
      parts[parts.count - 1] = ["text": .string(before + (part["text"]?.stringValue ?? ""))]
      return
    }
    var kept: [String: JSONValue] = [:]
    for key in ["text", "functionCall", "thoughtSignature"] { kept[key] = part[key] }
    parts.append(.object(kept))
  }

  private func refused(_ reason: String) -> ModelFault {
    ModelFault(
      kind: .refused,
      message: "the vendor's safety system ended the answer (\(ModelFault.name(reason)))"
    )
  }

  /// nil for ends of answers.
  private static func fault(_ reason: String, _ stream: GeminiStream) -> ModelFault? {
    switch reason {
    case "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
      "IMAGE_SAFETY":
      stream.refused(reason)
    case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
      "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "OTHER":
      ModelFault(
        kind: .garbage,
        message: "the model ended without a usable answer (\(ModelFault.name(reason)))",
        concernsVendor: false
      )
    default: nil
    }
  }

  package var isWhole: Bool { reason != nil }

  package func answer(requestID: String, ttftMS: Int?) -> ModelAnswer? {
    guard let reason else { return nil }
    let stop: ModelAnswer.Stop =
      if !calls.isEmpty {
        .toolUse
      } else {
        switch reason {
        case "STOP": .endTurn
        case "MAX_TOKENS": .maxTokens
        default: .other
        }
      }
    return ModelAnswer(
      text: text,
      calls: calls,
      stop: stop,
      model: model,
      usage: usage,
      requestID: requestID,
      ttftMS: ttftMS,
      replay: isSigned
        ? ModelReplay(provider: "google", model: request.model, content: parts) : nil
    )
  }

  package var usage: ModelUsage {
    // Counts before the end are of what was written until then.
    if let counts, reason != nil, counts.source == .provider { return counts }
    var usage = counts ?? ModelUsage(source: .estimated)
    usage.source = counts == nil ? .estimated : .partial
    if usage.tokensIn == 0 { usage.inUncached = TokenEstimator.input(request) }
    usage.outVisible = max(usage.outVisible, TokenEstimator.output(text: text, calls: calls))
    usage.outReasoning = max(usage.outReasoning, TokenEstimator.tokens(thoughts))
    return usage
  }
}

extension ModelUsage {
  /// `promptTokenCount` includes the cached ones, `candidatesTokenCount` excludes the thoughts.
  init(gemini usage: JSONValue) {
    func count(_ name: String) -> Int { Self.count(usage[name]?.intValue) }
    self.init(source: .provider)
    let prompt = count("promptTokenCount")
    cacheRead = min(prompt, count("cachedContentTokenCount"))
    inUncached = prompt - cacheRead + count("toolUsePromptTokenCount")
    outVisible = count("candidatesTokenCount")
    outReasoning = count("thoughtsTokenCount")
    // Without candidates nothing was written: zero is what the vendor counted.
    if usage["promptTokenCount"]?.intValue == nil { source = .partial }
  }
}
