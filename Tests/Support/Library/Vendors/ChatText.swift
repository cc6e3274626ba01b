internal import Codecs
internal import Domain

/// Chat Completions: OpenAI's and Sarvam's, which adds its reasoning to the deltas.
struct ChatText {
  let answer: VendorAnswer
  let isSarvam: Bool

  init(_ answer: VendorAnswer, isSarvam: Bool) {
    self.answer = answer
    self.isSarvam = isSarvam
  }

  var stream: String {
    var chunks: [JSONValue] = [chunk(["role": "assistant", "content": ""])]
    if let thought = answer.thought, isSarvam {
      chunks += halves(thought.text).map { chunk(["reasoning_content": .string($0)]) }
    }
    chunks += answer.texts.map { chunk(["content": .string($0)]) }
    for (index, call) in answer.calls.enumerated() {
      let place = JSONValue.int(Int64(index))
      chunks.append(
        chunk([
          "tool_calls": [
            [
              "index": place, "id": .string(call.id), "type": "function",
              "function": ["name": .string(call.name), "arguments": ""],
            ]
          ]
        ])
      )
      chunks += halves(call.arguments).map {
        chunk(["tool_calls": [["index": place, "function": ["arguments": .string($0)]]]])
      }
    }
    chunks.append(chunk([:], reason: stop))
    if answer.usage != nil {
      var last = head
      last["choices"] = []
      last["usage"] = usage
      chunks.append(.object(last))
    }
    return chunks.map { "data: \($0.canonicalText)\n\n" }.joined() + "data: [DONE]\n\n"
  }

  var whole: String {
    var message: [String: JSONValue] = ["role": "assistant"]
    message["content"] = answer.texts.isEmpty ? .null : .string(answer.texts.joined())
    if let thought = answer.thought, isSarvam {
      message["reasoning_content"] = .string(thought.text)
    }
    if !answer.calls.isEmpty {
      message["tool_calls"] = .array(
        answer.calls.map { call in
          [
            "id": .string(call.id), "type": "function",
            "function": ["name": .string(call.name), "arguments": .string(call.arguments)],
          ]
        }
      )
    }
    var body = head
    body["object"] = "chat.completion"
    body["choices"] = [
      ["index": 0, "message": .object(message), "finish_reason": .string(stop)]
    ]
    if answer.usage != nil { body["usage"] = usage }
    return JSONValue.object(body).canonicalText
  }

  private var stop: String {
    switch answer.stop {
    case .end: answer.calls.isEmpty ? "stop" : "tool_calls"
    case .length: "length"
    case .refused: "content_filter"
    }
  }

  private var head: [String: JSONValue] {
    [
      "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000,
      "model": .string(answer.model),
    ]
  }

  private func chunk(_ delta: JSONValue, reason: String? = nil) -> JSONValue {
    var chunk = head
    let reason: JSONValue = reason.map { .string($0) } ?? .null
    chunk["choices"] = [["index": 0, "delta": delta, "finish_reason": reason]]
    chunk["usage"] = .null
    return .object(chunk)
  }

  /// Both sums include their parts.
  private var usage: JSONValue {
    guard let usage = answer.usage else { return .null }
    return [
      "prompt_tokens": .int(Int64(usage.uncached + usage.cached)),
      "completion_tokens": .int(Int64(usage.visible + usage.reasoning)),
      "total_tokens": .int(
        Int64(usage.uncached + usage.cached + usage.visible + usage.reasoning)
      ),
      "prompt_tokens_details": ["cached_tokens": .int(Int64(usage.cached))],
      "completion_tokens_details": ["reasoning_tokens": .int(Int64(usage.reasoning))],
    ]
  }
}
