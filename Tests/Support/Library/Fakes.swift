internal import Domain
internal import Foundation

extension FakeServer {
  /// WhatsApp's Cloud API: takes messages, answers with their ids.
  package static func whatsApp(port: Int) -> FakeServer {
    FakeServer(name: "WhatsApp Cloud API", port: port) { _, body in
      let to = body["to"]?.stringValue ?? ""
      let answer: JSONValue = [
        "messaging_product": "whatsapp",
        "contacts": [["input": .string(to), "wa_id": .string(to)]],
        "messages": [["id": .string("wamid.\(UUID().uuidString)")]],
      ]
      return Answer(body: String(decoding: try JSONEncoder().encode(answer), as: UTF8.self))
    }
  }

  /// Anthropic's Messages API, streaming. It repeats what it was told, and always names a dose, so that
  /// guardrails have something to do.
  package static func anthropic(port: Int) -> FakeServer {
    FakeServer(name: "Anthropic Messages API", port: port) { _, body in
      let model = body["model"] ?? "unknown"
      let pieces = ["You may take ", "500", " mg", " of it, said the fake model."]
      var events: [(String, JSONValue)] = [
        (
          "message_start",
          [
            "type": "message_start",
            "message": [
              "id": .string("msg_\(UUID().uuidString)"), "type": "message", "role": "assistant",
              "model": model, "content": [], "stop_reason": nil, "stop_sequence": nil,
              "usage": [
                "input_tokens": 120, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "output_tokens": 1,
              ],
            ],
          ]
        ),
        (
          "content_block_start",
          [
            "type": "content_block_start", "index": 0,
            "content_block": ["type": "text", "text": ""],
          ]
        ),
      ]
      for piece in pieces {
        events.append(
          (
            "content_block_delta",
            [
              "type": "content_block_delta", "index": 0,
              "delta": ["type": "text_delta", "text": .string(piece)],
            ]
          )
        )
      }
      events += [
        ("content_block_stop", ["type": "content_block_stop", "index": 0]),
        (
          "message_delta",
          [
            "type": "message_delta", "delta": ["stop_reason": "end_turn", "stop_sequence": nil],
            "usage": ["output_tokens": 14],
          ]
        ),
        ("message_stop", ["type": "message_stop"]),
      ]
      let text = try events.map { name, data in
        "event: \(name)\ndata: \(String(decoding: try JSONEncoder().encode(data), as: UTF8.self))\n\n"
      }.joined()
      return Answer(contentType: "text/event-stream", body: text)
    }
  }

  /// Tool endpoints: any name, answering with what it was asked.
  package static func tools(port: Int) -> FakeServer {
    FakeServer(name: "tool endpoint", port: port) { path, body in
      let answer: JSONValue = [
        "tool": .string(String(path.split(separator: "/").last ?? "")), "ok": true, "asked": body,
        "status": "on time",
      ]
      return Answer(body: String(decoding: try JSONEncoder().encode(answer), as: UTF8.self))
    }
  }
}
