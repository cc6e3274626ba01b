internal import Foundation

/// Puts a Messages stream together. No I/O, no clock.
///
/// `started -> streaming -> finished`; only `message_stop` makes an answer, so a stream that ends
/// anywhere before is cut. Events that are out of order are the vendor's fault (`garbage`); unknown
/// ones are ignored.
struct AnthropicStream {
  enum Step: Hashable {
    case nothing
    /// A sign of life without text to hand out (a tool call, thinking).
    case progress
    case text(String)
    case finished
    case failed(AnthropicFault)
  }

  private enum Block {
    case text
    case tool(id: String, name: String, json: String)
    case other
  }

  private let request: ModelRequest
  private var begun = false
  private var finished = false
  private var blocks: [Int: Block] = [:]
  private var open: [Int] = []
  private var text = ""
  private var calls: [ModelToolCall] = []
  private var stop = ModelAnswer.Stop.other
  private var counts = ModelUsage(source: .provider)
  private var hasInputCount = false
  private var hasFinalCount = false
  private(set) var model: String
  private(set) var messageID = ""

  init(_ request: ModelRequest) {
    self.request = request
    model = request.model
  }

  mutating func receive(_ event: ServerSentEvent) -> Step {
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
      return .failed(AnthropicFault(event: parsed.error))
    case "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
      "message_stop":
      guard begun else { return garbage("content before message_start") }
      return content(parsed)
    default:
      return .nothing
    }
  }

  private mutating func begin(_ message: AnthropicEvent.Message) -> Step {
    guard !begun else { return garbage("a second message_start") }
    begun = true
    if let model = message.model, !model.isEmpty { self.model = model }
    messageID = message.id ?? ""
    if let usage = message.usage {
      counts.replace(by: usage)
      hasInputCount = usage.inputTokens != nil
    }
    return .nothing
  }

  private mutating func content(_ event: AnthropicEvent) -> Step {
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
      if let index = event.index { close(index) }
      return .progress
    case "message_delta":
      if let usage = event.usage {
        counts.replace(by: usage)
        if usage.inputTokens != nil { hasInputCount = true }
        hasFinalCount = usage.outputTokens != nil
      }
      if let reason = event.delta?.stopReason { stop = .init(rawValue: reason) ?? .other }
      return .progress
    default:
      for index in open { close(index) }
      finished = true
      return .finished
    }
  }

  private mutating func start(_ index: Int, _ block: AnthropicEvent.Block) -> Step {
    guard blocks[index] == nil else { return garbage("a content block that began twice") }
    open.append(index)
    switch block.type {
    case "text":
      blocks[index] = .text
      guard let first = block.text, !first.isEmpty else { return .progress }
      text += first
      return .text(first)
    case "tool_use":
      guard let id = block.id, let name = block.name else {
        return garbage("a tool_use without id or name")
      }
      blocks[index] = .tool(id: id, name: name, json: "")
    default:
      blocks[index] = .other
    }
    return .progress
  }

  private mutating func extend(_ index: Int, _ delta: AnthropicEvent.Delta) -> Step {
    guard let block = blocks[index] else { return garbage("a delta for no content block") }
    switch (block, delta.type) {
    case (.text, "text_delta"):
      guard let piece = delta.text, !piece.isEmpty else { return .progress }
      text += piece
      return .text(piece)
    case (.tool(let id, let name, let json), "input_json_delta"):
      blocks[index] = .tool(id: id, name: name, json: json + (delta.partialJSON ?? ""))
      return .progress
    default:
      return .progress
    }
  }

  private mutating func close(_ index: Int) {
    guard let position = open.firstIndex(of: index) else { return }
    open.remove(at: position)
    guard case .tool(let id, let name, let json) = blocks[index] else { return }
    calls.append(ModelToolCall(id: id, name: name, argumentsJSON: json.isEmpty ? "{}" : json))
  }

  private func garbage(_ what: String) -> Step {
    .failed(AnthropicFault(kind: .garbage, message: "the model's API sent \(what)"))
  }
}

extension AnthropicStream {
  /// The whole answer; nil before `message_stop`.
  func answer(requestID: String, ttftMS: Int?) -> ModelAnswer? {
    guard finished else { return nil }
    return ModelAnswer(
      text: text,
      calls: calls,
      stop: stop,
      model: model,
      usage: usage,
      requestID: requestID,
      ttftMS: ttftMS
    )
  }

  /// The vendor's counts where they came, the estimator's where they did not.
  ///
  /// `output_tokens` includes thinking and is not divided: all of it is `outVisible`.
  var usage: ModelUsage {
    if hasInputCount && hasFinalCount { return counts }
    var usage = counts
    usage.source = hasInputCount ? .partial : .estimated
    if !hasInputCount { usage.inUncached = TokenEstimator.input(request) }
    if !hasFinalCount {
      var unfinished: [ModelToolCall] = []
      for index in open {
        guard case .tool(let id, let name, let json) = blocks[index] else { continue }
        unfinished.append(ModelToolCall(id: id, name: name, argumentsJSON: json))
      }
      let seen = TokenEstimator.output(text: text, calls: calls + unfinished)
      usage.outVisible = max(usage.outVisible, seen)
    }
    return usage
  }
}

extension AnthropicFault {
  init(kind: ModelFailure.Kind, message: String) {
    self.kind = kind
    retryable = kind.isTransient
    self.message = message
    retryAfterMS = nil
  }
}
