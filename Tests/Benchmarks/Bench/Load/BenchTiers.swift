internal import Domain

/// Specs of the size that authors write: what a tier of the benchmarks says.
enum BenchTiers {
  /// - Parameter edit: Goes into a text; another one makes another section. So with the others.
  static func human(_ number: Int, edit: Int = 0) -> JSONValue {
    [
      "display_name": .string("Human \(number)"), "languages": ["hi", "en"],
      "cultural_register": "hindustani-warm",
      "voice": [
        "tone": ["warm", "patient"], "register": "informal", "address": ["hi": "aap"],
        "signature": ["Chinta mat kijiye"], "max_sentences": 4,
      ],
      "greeting": [
        "hi": "नमस्ते! बताइए मैं क्या मदद करूँ?", "en": .string("Hello, how can I help? (\(edit))"),
      ],
      "guardrails": [
        [
          "rule_id": .string("human-\(number).promise"), "kind": "keyword", "severity": "block",
          "params": ["words": ["guaranteed", "पक्की गारंटी"]],
          "message": ["en": "I can't promise that."],
        ]
      ],
    ]
  }

  static func team(_ number: Int, members: [JSONValue], edit: Int = 0) -> JSONValue {
    [
      "display_name": .string("Team \(number)"), "department": "support",
      "members": .array(members),
      "sops": [
        .string("Ask one question at a time (\(edit))."),
        [
          "id": "refund", "title": "Refund",
          "steps": [
            ["id": "ask", "ask": ["slot": "order", "prompt": ["en": "Which order?"]]],
            [
              "id": "look", "call": ["tool": "lookup_order", "args": ["id": "{{slots.order}}"]],
              "on_error": "out",
            ], ["id": "ok", "say": ["en": "It is on its way."], "end": true],
            ["id": "out", "escalate": "default"],
          ],
        ],
      ],
      "escalation": ["default": ["to": ["kind": "human", "queue": "desk"]]],
      "guardrails": [
        [
          "rule_id": .string("team-\(number).dose"), "kind": "regex", "severity": "rewrite",
          "params": ["pattern": #"\b\d{1,5}\s?mg\b"#],
          "rewrite": ["mode": "replace", "with": "[ask your doctor]"],
        ]
      ],
    ]
  }

  static func agent(_ number: Int, edit: Int = 0) -> JSONValue {
    [
      "display_name": .string("Agent \(number)"),
      "model_routing": ["default": "claude-sonnet", "fallback": ["simulated"]],
      "tools": [
        [
          "name": "lookup_order",
          "description": .string("Looks an order up by its number (\(edit))."),
          "endpoint": .string("https://crm.example/orders/\(number)"),
          "schema": [
            "type": "object", "properties": ["id": ["type": "string"]], "required": ["id"],
          ],
        ]
      ],
      "memory_policy": ["episodic_topk": 5, "facts": true, "decay": "recency"],
      "guardrails": [
        [
          "rule_id": .string("agent-\(number).pii"), "kind": "pii", "severity": "rewrite",
          "params": ["detect": ["aadhaar", "pan", "card"]], "rewrite": ["mode": "mask"],
        ],
        [
          "rule_id": .string("agent-\(number).links"), "kind": "url_allowlist",
          "severity": "block",
          "params": ["hosts": ["*.example"]],
        ],
      ],
    ]
  }
}
