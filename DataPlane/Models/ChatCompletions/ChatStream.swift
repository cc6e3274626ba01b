internal import Codecs
internal import Domain

/// Puts a stream of chat completion chunks together.
///
/// The answer is whole with its `finish_reason`; counts may follow in a chunk without choices, then
/// `[DONE]`. Calls come in fragments that carry their index, and some servers send whole ones, or
/// leave the id out.
package struct ChatStream: AnswerStream {
  private struct Call {
    var id = ""
    var name = ""
    var arguments = ""
  }

  private let request: ModelRequest
  private var text = ""
  private var reasoning = ""
  private var calls: [Int64: Call] = [:]
  private var reason: String?
  private var isDone = false
  private var counts: ModelUsage?
  package private(set) var model: String
  package private(set) var answerID = ""

  package init(_ request: ModelRequest) {
    self.request = request
    model = request.model
  }

  package mutating func receive(_ event: ServerSentEvent) -> AnswerStep {
    guard !isDone else { return .nothing }
    if event.data.drop(while: \.isWhitespace).hasPrefix("[DONE]") {
      guard reason != nil else { return .failed(.garbage("[DONE] before a finish_reason")) }
      isDone = true
      return .finished
    }
    guard let chunk = parse(event.data) else {
      return .failed(.garbage("an event that is no JSON object"))
    }
    return take(chunk, member: "delta")
  }

  package mutating func receive(body: String) -> AnswerStep {
    guard let answer = parse(body) else {
      return .failed(.garbage("an answer that is no JSON object"))
    }
    let step = take(answer, member: "message")
    if case .failed = step { return step }
    guard reason != nil else { return .failed(.garbage("an answer without finish_reason")) }
    isDone = true
    return text.isEmpty ? .finished : .text(text)
  }

  private func parse(_ text: String) -> JSONValue? {
    do {
      let value = try JSONText.parse(text)
      guard value.objectValue != nil else { return nil }
      return value
    } catch {
      return nil
    }
  }

  private mutating func take(_ chunk: JSONValue, member: String) -> AnswerStep {
    if let error = chunk["error"], !error.isNull { return .failed(ChatFault.of(event: error)) }
    if let name = chunk["model"]?.stringValue, !name.isEmpty {
      model = String(name.prefix(200))
    }
    if let id = chunk["id"]?.stringValue, answerID.isEmpty { answerID = String(id.prefix(200)) }
    if let usage = chunk["usage"], usage.objectValue != nil { counts = ModelUsage(chat: usage) }
    guard let choice = chunk["choices"]?.arrayValue?.first else { return .nothing }
    var step = AnswerStep.nothing
    if let delta = choice[member] {
      if let more = delta["reasoning_content"]?.stringValue ?? delta["reasoning"]?.stringValue,
        !more.isEmpty
      {
        reasoning += more
        step = .progress
      }
      if let fault = add(delta["tool_calls"]?.arrayValue ?? []) { return .failed(fault) }
      if delta["tool_calls"] != nil { step = .progress }
      if let piece = Self.text(of: delta["content"]), !piece.isEmpty {
        // What follows the end would not be in an answer that was cut there.
        guard reason == nil else { return .failed(.garbage("text after its finish_reason")) }
        text += piece
        step = .text(piece)
      }
    }
    if let name = choice["finish_reason"]?.stringValue {
      reason = name
      if name == "length", !calls.isEmpty { return .failed(.cutCall) }
      if calls.values.contains(where: \.name.isEmpty) {
        return .failed(.garbage("a call without a name"))
      }
      if name == "content_filter" {
        return .failed(
          ModelFault(kind: .refused, message: "the vendor's safety system ended the answer")
        )
      }
      // The text goes out first; the next event or the end of the body tells the end.
      if case .text = step { return step }
      return .ending
    }
    return step
  }

  /// A text, or parts of which some are texts.
  private static func text(of content: JSONValue?) -> String? {
    if let parts = content?.arrayValue {
      return parts.compactMap { $0["text"]?.stringValue }.joined()
    }
    return content?.stringValue
  }

  private mutating func add(_ fragments: [JSONValue]) -> ModelFault? {
    for (place, fragment) in fragments.enumerated() {
      let id = fragment["id"]?.stringValue ?? ""
      var index = fragment["index"]?.intValue ?? Int64(place)
      // Whole calls one by one: another id is another call, whatever its index.
      if !id.isEmpty, let known = calls[index]?.id, !known.isEmpty, known != id {
        index = (calls.keys.max() ?? -1) + 1
      }
      guard (0 ..< 128).contains(index) else { return .garbage("a tool call of index \(index)") }
      guard reason == nil else { return .garbage("a tool call after its finish_reason") }
      var call = calls[index] ?? Call()
      if !id.isEmpty { call.id = id }
      let function = fragment["function"]
      if let name = function?["name"]?.stringValue, !name.isEmpty { call.name = name }
      switch function?["arguments"] {
      case .string(let more)?: call.arguments += more
      // Ollama's own form.
      case .object(let whole)?: call.arguments = JSONValue.object(whole).canonicalText
      default: break
      }
      calls[index] = call
    }
    return nil
  }

  private var toolCalls: [ModelToolCall] {
    calls.sorted { $0.key < $1.key }.map { _, call in
      ModelToolCall(
        id: call.id,
        name: call.name,
        argumentsJSON: call.arguments.isEmpty ? "{}" : call.arguments
      )
    }
  }

  package var isWhole: Bool { reason != nil }

  package func answer(requestID: String, ttftMS: Int?) -> ModelAnswer? {
    guard let reason else { return nil }
    let stop: ModelAnswer.Stop =
      if !calls.isEmpty {
        // Some servers say `stop` though there are calls.
        .toolUse
      } else {
        switch reason {
        case "stop": .endTurn
        case "length": .maxTokens
        default: .other
        }
      }
    return ModelAnswer(
      text: text,
      calls: toolCalls,
      stop: stop,
      model: model,
      usage: usage,
      requestID: requestID,
      ttftMS: ttftMS
    )
  }

  package var usage: ModelUsage {
    // Counts before the end are of what was written until then.
    if let counts, reason != nil, counts.source == .provider { return counts }
    var usage = counts ?? ModelUsage(source: .estimated)
    usage.source = counts == nil ? .estimated : .partial
    if usage.tokensIn == 0 { usage.inUncached = TokenEstimator.input(request) }
    usage.outVisible = max(usage.outVisible, TokenEstimator.output(text: text, calls: toolCalls))
    usage.outReasoning = max(usage.outReasoning, TokenEstimator.tokens(reasoning))
    return usage
  }
}

extension ModelUsage {
  /// `prompt_tokens` includes the cached ones, `completion_tokens` the reasoning.
  init(chat usage: JSONValue) {
    func count(_ value: JSONValue?) -> Int { Self.count(value?.intValue) }
    self.init(source: .provider)
    let prompt = count(usage["prompt_tokens"])
    let output = count(usage["completion_tokens"])
    cacheRead = min(prompt, count(usage["prompt_tokens_details"]?["cached_tokens"]))
    inUncached = prompt - cacheRead
    outReasoning = min(output, count(usage["completion_tokens_details"]?["reasoning_tokens"]))
    outVisible = output - outReasoning
    if usage["prompt_tokens"]?.intValue == nil || usage["completion_tokens"]?.intValue == nil {
      source = .partial
    }
  }
}
