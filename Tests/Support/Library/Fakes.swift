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
  /// guardrails have something to do. Told "use the tool NAME", it calls that tool first.
  package static func anthropic(port: Int) -> FakeServer {
    FakeServer(name: "Anthropic Messages API", port: port) { _, body in
      let tool = wantedTool(body)
      var events: [(String, JSONValue)] = [
        (
          "message_start",
          [
            "type": "message_start",
            "message": [
              "id": .string("msg_\(UUID().uuidString)"), "type": "message", "role": "assistant",
              "model": body["model"] ?? "unknown", "content": [], "stop_reason": nil,
              "stop_sequence": nil,
              "usage": [
                "input_tokens": 120, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "output_tokens": 1,
              ],
            ],
          ]
        )
      ]
      events += tool.map(toolUse) ?? spoken()
      events += [
        ("content_block_stop", ["type": "content_block_stop", "index": 0]),
        (
          "message_delta",
          [
            "type": "message_delta",
            "delta": [
              "stop_reason": tool == nil ? "end_turn" : "tool_use", "stop_sequence": nil,
            ],
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

  private static func spoken() -> [(String, JSONValue)] {
    let pieces = ["You may take ", "500", " mg", " of it, said the fake model."]
    return [start(["type": "text", "text": ""])]
      + pieces.map { delta(["type": "text_delta", "text": .string($0)]) }
  }

  private static func toolUse(_ name: String) -> [(String, JSONValue)] {
    [
      start([
        "type": "tool_use", "id": .string("toolu_\(UUID().uuidString)"), "name": .string(name),
        "input": [:],
      ]),
      delta(["type": "input_json_delta", "partial_json": "{}"]),
    ]
  }

  private static func start(_ block: JSONValue) -> (String, JSONValue) {
    (
      "content_block_start",
      ["type": "content_block_start", "index": 0, "content_block": block]
    )
  }

  private static func delta(_ delta: JSONValue) -> (String, JSONValue) {
    ("content_block_delta", ["type": "content_block_delta", "index": 0, "delta": delta])
  }

  /// The tool that the newest message, a person's, asks for by name.
  private static func wantedTool(_ body: JSONValue) -> String? {
    guard let last = body["messages"]?.arrayValue?.last else { return nil }
    let texts =
      [last["content"]?.stringValue]
      + (last["content"]?.arrayValue ?? []).map { $0["text"]?.stringValue }
    let text = texts.compactMap(\.self).joined(separator: " ")
    return body["tools"]?.arrayValue?.compactMap { $0["name"]?.stringValue }
      .first { text.contains("use the tool \($0)") }
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
