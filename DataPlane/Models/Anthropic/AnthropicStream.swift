internal import Codecs
internal import Domain
internal import Foundation

/// Puts a Messages stream together.
///
/// `started -> streaming -> finished`; only `message_stop` makes an answer, so a stream that ends
/// anywhere before is cut. Events that are out of order are the vendor's fault (`garbage`); unknown
/// ones are ignored.
package struct AnthropicStream: AnswerStream {
  private enum Block {
    case text(String)
    case tool(id: String, name: String, json: String)
    case thinking(String, signature: String)
    case redacted(String)
    case other
  }

  private let request: ModelRequest
  private var begun = false
  private var finished = false
  private var blocks: [Int: Block] = [:]
  /// In the order in which they began.
  private var order: [Int] = []
  private var open: [Int] = []
  private var stop: String?
  private var counts = ModelUsage(source: .provider)
  private var hasInputCount = false
  private var hasFinalCount = false
  package private(set) var model: String
  package private(set) var answerID = ""

  package init(_ request: ModelRequest) {
    self.request = request
    model = request.model
  }

  package mutating func receive(_ event: ServerSentEvent) -> AnswerStep {
    guard !finished else { return .nothing }
    guard event.name.isEmpty || AnthropicEvent.known.contains(event.name) else { return .nothing }
    let parsed: AnthropicEvent
    do {
      parsed = try JSONDecoder().decode(AnthropicEvent.self, from: Data(event.data.utf8))
    } catch {
      return garbage("an event that is not the vendor's format")
    }
    switch parsed.type {
    case "message_start":
      guard let message = parsed.message else { return garbage("a message_start without message") }
      return begin(message)
    case "error":
      return .failed(AnthropicFault.of(event: parsed.error))
    case "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
      "message_stop":
      guard begun else { return garbage("content before message_start") }
      return content(parsed)
    default:
      return .nothing
    }
  }

  package mutating func receive(body: String) -> AnswerStep {
    let message: AnthropicEvent.Message
    do {
      message = try JSONDecoder().decode(AnthropicEvent.Message.self, from: Data(body.utf8))
    } catch {
      return garbage("an answer that is not the vendor's format")
    }
    guard let content = message.content, let reason = message.stopReason else {
      return garbage("an answer without content or stop_reason")
    }
    if case .failed(let fault) = begin(message) { return .failed(fault) }
    hasFinalCount = message.usage?.outputTokens != nil
    stop = reason
    for (index, block) in content.enumerated() {
      if case .failed(let fault) = start(index, block) { return .failed(fault) }
      if case .tool(let id, let name, _) = blocks[index], let input = block.input {
        blocks[index] = .tool(id: id, name: name, json: input.canonicalText)
      }
      open.removeAll()
    }
    if let fault = refusal ?? cutCall { return .failed(fault) }
    finished = true
    return text.isEmpty ? .finished : .text(text)
  }

  private mutating func begin(_ message: AnthropicEvent.Message) -> AnswerStep {
    guard !begun else { return garbage("a second message_start") }
    begun = true
    if let model = message.model, !model.isEmpty { self.model = String(model.prefix(200)) }
    answerID = String((message.id ?? "").prefix(200))
    if let usage = message.usage {
      counts.replace(by: usage)
      hasInputCount = usage.inputTokens != nil
    }
    return .nothing
  }

  private mutating func content(_ event: AnthropicEvent) -> AnswerStep {
    switch event.type {
    case "content_block_start":
      guard let index = event.index, let block = event.contentBlock else {
        return garbage("a content_block_start without index or block")
      }
      return start(index, block)
    case "content_block_delta":
      guard let index = event.index, let delta = event.delta else {
        return garbage("a content_block_delta without index or delta")
      }
      return extend(index, delta)
    case "content_block_stop":
      open.removeAll { $0 == event.index }
      return .progress
    case "message_delta":
      if let usage = event.usage {
        counts.replace(by: usage)
        if usage.inputTokens != nil { hasInputCount = true }
        hasFinalCount = usage.outputTokens != nil
      }
      if let reason = event.delta?.stopReason { stop = reason }
      return .progress
    default:
      guard open.isEmpty else { return garbage("a message_stop before its content_block_stop") }
      if let fault = refusal ?? cutCall { return .failed(fault) }
      finished = true
      return .finished
    }
  }

  private mutating func start(_ index: Int, _ block: AnthropicEvent.Block) -> AnswerStep {
    guard blocks[index] == nil else { return garbage("a content block that began twice") }
    open.append(index)
    order.append(index)
    switch block.type {
    case "text":
      let first = block.text ?? ""
      blocks[index] = .text(first)
      return first.isEmpty ? .progress : .text(first)
    case "tool_use":
      guard let id = block.id, let name = block.name else {
        return garbage("a tool_use without id or name")
      }
      blocks[index] = .tool(id: id, name: name, json: "")
    case "thinking":
      blocks[index] = .thinking(block.thinking ?? "", signature: block.signature ?? "")
    case "redacted_thinking":
      blocks[index] = .redacted(block.data ?? "")
    default:
      blocks[index] = .other
    }
    return .progress
  }

  private mutating func extend(_ index: Int, _ delta: AnthropicEvent.Delta) -> AnswerStep {
    guard let block = blocks[index] else { return garbage("a delta for no content block") }
    switch (block, delta.type) {
    case (.text(let text), "text_delta"):
      guard let piece = delta.text, !piece.isEmpty else { return .progress }
      blocks[index] = .text(text + piece)
      return .text(piece)
    case (.tool(let id, let name, let json), "input_json_delta"):
      blocks[index] = .tool(id: id, name: name, json: json + (delta.partialJSON ?? ""))
    case (.thinking(let text, let signature), "thinking_delta"):
      blocks[index] = .thinking(text + (delta.thinking ?? ""), signature: signature)
    case (.thinking(let text, let signature), "signature_delta"):
      blocks[index] = .thinking(text, signature: signature + (delta.signature ?? ""))
    default: break
    }
    return .progress
  }

  private func garbage(_ what: String) -> AnswerStep { .failed(.garbage(what)) }
}

extension AnthropicStream {
  private var text: String {
    order.reduce(into: "") { result, index in
      if case .text(let text) = blocks[index] { result += text }
    }
  }

  private var calls: [ModelToolCall] {
    order.compactMap { index in
      guard case .tool(let id, let name, let json) = blocks[index] else { return nil }
      return ModelToolCall(id: id, name: name, argumentsJSON: json.isEmpty ? "{}" : json)
    }
  }

  /// The vendor asks its clients to drop what a refused answer had said so far.
  private var refusal: ModelFault? {
    guard stop == "refusal" else { return nil }
    return ModelFault(kind: .refused, message: "the vendor's safety system ended the answer")
  }

  /// A call that the limit of tokens broke off: what there is of its arguments is not what was meant.
  private var cutCall: ModelFault? {
    guard meaning == .maxTokens, let last = order.last, case .tool = blocks[last] else {
      return nil
    }
    return .cutCall
  }

  private var meaning: ModelAnswer.Stop {
    stop == "model_context_window_exceeded" ? .maxTokens : .init(rawValue: stop ?? "") ?? .other
  }

  package var isWhole: Bool { finished }

  package func answer(requestID: String, ttftMS: Int?) -> ModelAnswer? {
    guard finished else { return nil }
    return ModelAnswer(
      text: text,
      calls: calls,
      stop: meaning,
      model: model,
      usage: usage,
      requestID: requestID,
      ttftMS: ttftMS,
      replay: replay
    )
  }

  /// Only where there is thinking: it must come back with its signature, before what it led to.
  private var replay: ModelReplay? {
    var hasThought = false
    let content: [JSONValue] = order.compactMap { index in
      switch blocks[index] {
      case .text(let text):
        return text.isEmpty ? nil : ["type": "text", "text": .string(text)]
      case .tool(let id, let name, let json):
        return [
          "type": "tool_use", "id": .string(id), "name": .string(name),
          "input": ToolArguments.object(json.isEmpty ? "{}" : json),
        ]
      case .thinking(let text, let signature):
        hasThought = true
        return [
          "type": "thinking", "thinking": .string(text), "signature": .string(signature),
        ]
      case .redacted(let data):
        hasThought = true
        return ["type": "redacted_thinking", "data": .string(data)]
      case .other, nil:
        return nil
      }
    }
    guard hasThought else { return nil }
    return ModelReplay(provider: "anthropic", model: request.model, content: content)
  }

  /// `output_tokens` includes thinking and is not divided: all of it is `outVisible`.
  package var usage: ModelUsage {
    if hasInputCount && hasFinalCount { return counts }
    var usage = counts
    usage.source = hasInputCount ? .partial : .estimated
    if !hasInputCount { usage.inUncached = TokenEstimator.input(request) }
    if !hasFinalCount {
      usage.outVisible = max(
        usage.outVisible,
        TokenEstimator.output(text: text + thoughts, calls: calls)
      )
    }
    return usage
  }

  private var thoughts: String {
    order.reduce(into: "") { result, index in
      if case .thinking(let text, _) = blocks[index] { result += text }
    }
  }
}
