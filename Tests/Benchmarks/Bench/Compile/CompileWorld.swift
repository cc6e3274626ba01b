internal import Domain
internal import Foundation

/// A tenant as large as wanted: humans, teams, agents, and bindings that join them evenly.
struct CompileWorld {
  let tenant = "bench"
  let tiers: Int
  let bindings: Int

  /// Ids are counted, so that two runs compile the same bytes.
  private static func id(_ kind: UInt8, _ number: Int) -> UUID {
    UUID(
      uuid: (
        0, 0, 0, 0, kind, 0, 0x70, 0, 0x80, 0, 0, 0, UInt8(truncatingIfNeeded: number >> 24),
        UInt8(truncatingIfNeeded: number >> 16), UInt8(truncatingIfNeeded: number >> 8),
        UInt8(truncatingIfNeeded: number)
      )
    )
  }

  private func stored(
    _ kind: ObjectKind,
    _ slug: String,
    _ number: Int,
    version: Int32 = 1,
    _ spec: JSONValue
  ) -> StoredObject {
    let codes: [ObjectKind: UInt8] = [.tenant: 0, .human: 1, .team: 2, .agent: 3, .binding: 4]
    return StoredObject(
      key: ObjectKey(kind: kind, tenant: tenant, slug: slug),
      id: Self.id(codes[kind] ?? 0, number),
      version: version,
      spec: spec,
      status: kind == .tenant ? .active : nil,
      updatedAt: Date(timeIntervalSince1970: 1_790_000_000)
    )
  }

  func objects() -> [ObjectKey: StoredObject] {
    var objects: [ObjectKey: StoredObject] = [:]
    objects.reserveCapacity(bindings + 3 * tiers + 1)
    func add(_ object: StoredObject) { objects[object.key] = object }
    add(stored(.tenant, tenant, 0, ["display_name": "Bench"]))
    for number in 0 ..< tiers {
      add(human(number))
      add(team(number))
      add(agent(number))
    }
    for number in 0 ..< bindings { add(binding(number)) }
    return objects
  }

  /// Coprime strides, so that hardly two bindings have the same three tiers.
  private func binding(_ number: Int) -> StoredObject {
    let human = number % tiers
    let round = number / tiers
    return stored(
      .binding,
      "binding-\(number)",
      number,
      [
        "human": .string("human-\(human)"), "team": .string("team-\((human + round * 7) % tiers)"),
        "agent": .string("agent-\((human + round * 13) % tiers)"),
        "routes": ["web": [.string("b\(number).example")]],
      ]
    )
  }

  private func human(_ number: Int) -> StoredObject {
    stored(
      .human,
      "human-\(number)",
      number,
      [
        "display_name": .string("Human \(number)"), "languages": ["hi", "en"],
        "cultural_register": "hindustani-warm",
        "voice": [
          "tone": ["warm", "patient"], "register": "informal", "address": ["hi": "aap"],
          "signature": ["Chinta mat kijiye"], "max_sentences": 4,
        ],
        "greeting": ["hi": "नमस्ते! बताइए मैं क्या मदद करूँ?", "en": "Hello, how can I help?"],
        "guardrails": [
          [
            "rule_id": .string("human-\(number).promise"), "kind": "keyword", "severity": "block",
            "params": ["words": ["guaranteed", "पक्की गारंटी"]],
            "message": ["en": "I can't promise that."],
          ]
        ],
      ]
    )
  }

  /// - Parameter edit: Goes into an SOP; another one makes another section.
  func team(_ number: Int, edit: Int = 0) -> StoredObject {
    let members = (0 ..< 100).map {
      JSONValue.string("human-\((number + tiers * 7 - $0 * 7) % tiers)")
    }
    return stored(
      .team,
      "team-\(number)",
      number,
      version: Int32(edit + 1),
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
    )
  }

  private func agent(_ number: Int) -> StoredObject {
    stored(
      .agent,
      "agent-\(number)",
      number,
      [
        "display_name": .string("Agent \(number)"),
        "model_routing": ["default": "claude-sonnet", "fallback": ["simulated"]],
        "tools": [
          [
            "name": "lookup_order", "description": "Looks an order up by its number.",
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
    )
  }
}
