internal import Codecs
internal import Domain

/// The Messages API's answers.
struct AnthropicText {
  let answer: VendorAnswer

  init(_ answer: VendorAnswer) { self.answer = answer }

  var stream: String {
    var text = event(
      "message_start",
      [
        "message": [
          "id": "msg_1", "type": "message", "role": "assistant", "model": .string(answer.model),
          "content": [], "stop_reason": .null, "stop_sequence": .null, "usage": usage(output: 1),
        ]
      ]
    )
    text += event("ping", [:])
    for (index, block) in blocks.enumerated() {
      let place = JSONValue.int(Int64(index))
      text += event("content_block_start", ["index": place, "content_block": block.start])
      for delta in block.deltas {
        text += event("content_block_delta", ["index": place, "delta": delta])
      }
      text += event("content_block_stop", ["index": place])
    }
    var delta: [String: JSONValue] = [
      "delta": ["stop_reason": .string(stop), "stop_sequence": .null]
    ]
    if let usage = answer.usage {
      delta["usage"] = ["output_tokens": .int(Int64(usage.visible + usage.reasoning))]
    }
    return text + event("message_delta", delta) + event("message_stop", [:])
  }

  var whole: String {
    var message: [String: JSONValue] = [
      "id": "msg_1", "type": "message", "role": "assistant", "model": .string(answer.model),
      "content": .array(blocks.map(\.whole)), "stop_reason": .string(stop), "stop_sequence": .null,
    ]
    if let usage = answer.usage {
      message["usage"] = self.usage(output: usage.visible + usage.reasoning)
    }
    return JSONValue.object(message).canonicalText
  }

  private var stop: String {
    switch answer.stop {
    case .end: answer.calls.isEmpty ? "end_turn" : "tool_use"
    case .length: "max_tokens"
    case .refused: "refusal"
    }
  }

  /// `input_tokens` excludes what came from the cache.
  private func usage(output: Int) -> JSONValue {
    guard let usage = answer.usage else { return [:] }
    return [
      "input_tokens": .int(Int64(usage.uncached)), "cache_creation_input_tokens": 0,
      "cache_read_input_tokens": .int(Int64(usage.cached)), "output_tokens": .int(Int64(output)),
    ]
  }

  private struct Block {
    var start: JSONValue
    var deltas: [JSONValue]
    var whole: JSONValue
  }

  private var blocks: [Block] {
    var blocks: [Block] = []
    if let thought = answer.thought {
      blocks.append(
        Block(
          start: ["type": "thinking", "thinking": "", "signature": ""],
          deltas: halves(thought.text).map { ["type": "thinking_delta", "thinking": .string($0)] }
            + [["type": "signature_delta", "signature": .string(thought.signature)]],
          whole: [
            "type": "thinking", "thinking": .string(thought.text),
            "signature": .string(thought.signature),
          ]
        )
      )
    }
    if !answer.texts.isEmpty {
      blocks.append(
        Block(
          start: ["type": "text", "text": ""],
          deltas: answer.texts.map { ["type": "text_delta", "text": .string($0)] },
          whole: ["type": "text", "text": .string(answer.texts.joined())]
        )
      )
    }
    for call in answer.calls {
      blocks.append(
        Block(
          start: [
            "type": "tool_use", "id": .string(call.id), "name": .string(call.name), "input": [:],
          ],
          deltas: ([""] + halves(call.arguments)).map {
            ["type": "input_json_delta", "partial_json": .string($0)]
          },
          whole: [
            "type": "tool_use", "id": .string(call.id), "name": .string(call.name),
            "input": parsed(call.arguments),
          ]
        )
      )
    }
    return blocks
  }

  private func event(_ name: String, _ members: [String: JSONValue]) -> String {
    var data = members
    data["type"] = .string(name)
    return "event: \(name)\ndata: \(JSONValue.object(data).canonicalText)\n\n"
  }
}
