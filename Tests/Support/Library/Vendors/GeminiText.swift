internal import Codecs
internal import Domain

/// The Gemini API's answers: chunks without names, and no last one.
struct GeminiText {
  let answer: VendorAnswer

  init(_ answer: VendorAnswer) { self.answer = answer }

  var stream: String {
    var chunks: [JSONValue] = []
    if let thought = answer.thought {
      chunks += halves(thought.text).map {
        chunk([["text": .string($0), "thought": true]], isLast: false)
      }
    }
    chunks += answer.texts.map { chunk([["text": .string($0)]], isLast: false) }
    chunks += calls.map { chunk([$0], isLast: false) }
    chunks.append(chunk([["text": ""]], isLast: true))
    return chunks.map { "data: \($0.canonicalText)\r\n\r\n" }.joined()
  }

  var whole: String {
    var parts: [JSONValue] = []
    if let thought = answer.thought {
      parts.append(["text": .string(thought.text), "thought": true])
    }
    if !answer.texts.isEmpty { parts.append(["text": .string(answer.texts.joined())]) }
    return chunk(parts + calls, isLast: true).canonicalText
  }

  private var calls: [JSONValue] {
    answer.calls.enumerated().map { index, call in
      var part: [String: JSONValue] = [
        "functionCall": [
          "id": .string(call.id), "name": .string(call.name), "args": parsed(call.arguments),
        ]
      ]
      if index == 0, let thought = answer.thought {
        part["thoughtSignature"] = .string(thought.signature)
      }
      return .object(part)
    }
  }

  private func chunk(_ parts: [JSONValue], isLast: Bool) -> JSONValue {
    var candidate: [String: JSONValue] = [
      "content": ["role": "model", "parts": .array(parts)], "index": 0,
    ]
    if isLast {
      switch answer.stop {
      case .end: candidate["finishReason"] = "STOP"
      case .length: candidate["finishReason"] = "MAX_TOKENS"
      case .refused: candidate["finishReason"] = "SAFETY"
      }
    }
    var chunk: [String: JSONValue] = [
      "candidates": [.object(candidate)], "modelVersion": .string(answer.model),
      "responseId": "resp-1",
    ]
    if let usage = answer.usage {
      // What was written so far; the prompt includes what came from the cache.
      chunk["usageMetadata"] = [
        "promptTokenCount": .int(Int64(usage.uncached + usage.cached)),
        "cachedContentTokenCount": .int(Int64(usage.cached)),
        "candidatesTokenCount": .int(Int64(isLast ? usage.visible : 1)),
        "thoughtsTokenCount": .int(Int64(usage.reasoning)),
        "totalTokenCount": .int(
          Int64(usage.uncached + usage.cached + usage.visible + usage.reasoning)
        ),
      ]
    }
    return .object(chunk)
  }
}
