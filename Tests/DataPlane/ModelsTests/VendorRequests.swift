import Domain
import Support

/// What each vendor's API expects for one and the same conversation.
enum VendorRequests {
  static func path(_ vendor: Vendor) -> String {
    switch vendor {
    case .anthropic: "/v1/messages"
    case .google: "/v1beta/models/model-1:streamGenerateContent?alt=sse"
    case .sarvam, .openAI: "/v1/chat/completions"
    }
  }

  static func head(_ vendor: Vendor) -> [String: String] {
    switch vendor {
    case .anthropic: ["x-api-key": "key-1", "anthropic-version": "2023-06-01"]
    case .google: ["x-goog-api-key": "key-1"]
    case .sarvam: ["api-subscription-key": "key-1"]
    case .openAI: ["authorization": "Bearer key-1"]
    }
  }

  /// A question, a call after some thinking, and the tool's result.
  static func toolLoop(_ vendor: Vendor) -> JSONValue {
    switch vendor {
    case .anthropic: anthropic
    case .google: google
    case .sarvam: chat(limit: "max_tokens", options: nil)
    case .openAI: chat(limit: "max_completion_tokens", options: ["include_usage": true])
    }
  }

  private static let anthropic: JSONValue = [
    "model": "model-1", "max_tokens": 1024, "stream": true,
    "system": [
      ["type": "text", "text": "Answer people."],
      [
        "type": "text", "text": .string(Requests.persona),
        "cache_control": ["type": "ephemeral"],
      ],
    ],
    "tools": [
      [
        "name": "lookup_order", "description": "Looks an order up.",
        "input_schema": Requests.tool.schema,
      ]
    ],
    "tool_choice": ["type": "auto"],
    "messages": [
      ["role": "user", "content": "Where is it?"],
      [
        "role": "assistant",
        "content": [
          ["type": "thinking", "thinking": "hm, hm", "signature": "c2ln=="],
          ["type": "text", "text": "So."],
          [
            "type": "tool_use", "id": "call-7", "name": "lookup_order",
            "input": ["id": "ORD-123456"],
          ],
        ],
      ],
      [
        "role": "user",
        "content": [
          [
            "type": "tool_result", "tool_use_id": "call-7", "content": "on its way",
            "is_error": false,
          ]
        ],
      ],
    ],
  ]

  private static let google: JSONValue = [
    "systemInstruction": [
      "parts": [["text": "Answer people."], ["text": .string(Requests.persona)]]
    ],
    "generationConfig": ["maxOutputTokens": 1024],
    "tools": [
      [
        "functionDeclarations": [
          [
            "name": "lookup_order", "description": "Looks an order up.",
            "parametersJsonSchema": Requests.tool.schema,
          ]
        ]
      ]
    ],
    "toolConfig": ["functionCallingConfig": ["mode": "AUTO"]],
    "contents": [
      ["role": "user", "parts": [["text": "Where is it?"]]],
      [
        "role": "model",
        "parts": [
          ["text": "So."],
          [
            "functionCall": [
              "id": "call-7", "name": "lookup_order", "args": ["id": "ORD-123456"],
            ],
            "thoughtSignature": "c2ln==",
          ],
        ],
      ],
      [
        "role": "user",
        "parts": [
          [
            "functionResponse": [
              "id": "call-7", "name": "lookup_order", "response": ["result": "on its way"],
            ]
          ]
        ],
      ],
    ],
  ]

  private static func chat(limit: String, options: JSONValue?) -> JSONValue {
    var body: [String: JSONValue] = [
      "model": "model-1", limit: 1024, "stream": true,
      "tools": [
        [
          "type": "function",
          "function": [
            "name": "lookup_order", "description": "Looks an order up.",
            "parameters": Requests.tool.schema,
          ],
        ]
      ],
      "tool_choice": "auto",
      "messages": [
        ["role": "system", "content": .string("Answer people.\n\n" + Requests.persona)],
        ["role": "user", "content": "Where is it?"],
        [
          "role": "assistant", "content": "So.",
          "tool_calls": [
            [
              "id": "call-7", "type": "function",
              "function": [
                "name": "lookup_order", "arguments": #"{"id":"ORD-123456"}"#,
              ],
            ]
          ],
        ],
        ["role": "tool", "tool_call_id": "call-7", "content": "on its way"],
      ],
    ]
    body["stream_options"] = options
    return .object(body)
  }
}
