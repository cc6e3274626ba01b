import Compiler
import Domain
import Testing

/// Each case: what is changed in a tenant that is free of errors, and all that is said then.
@Suite struct DiagnosticTests {
  private func found(_ changes: [ObjectKind: [String: JSONValue]]) -> [String] {
    var fixture = PlanFixture()
    let plan = fixture.plan(Documents.complete("shop", changes))
    #expect(plan.diagnostics.allSatisfy { !$0.hint.isEmpty && !$0.message.isEmpty })
    #expect(plan.diagnostics.allSatisfy { $0.source.hasPrefix("shop.yaml:") })
    let hasErrors = plan.diagnostics.contains { $0.level == .error }
    #expect((plan.publication == nil) == hasErrors)
    return plan.diagnostics.map { "\($0.code) \($0.path)\($0.level == .warning ? " warning" : "")" }
  }

  private static func rule(_ changes: [String: JSONValue]) -> JSONValue {
    let rule: [String: JSONValue] = [
      "rule_id": "shop.rule", "kind": "keyword", "severity": "log", "params": ["words": ["x"]],
    ]
    return .array([.object(rule.merging(changes) { _, new in new }.filter { !$0.value.isNull })])
  }

  private static func tool(_ changes: [String: JSONValue]) -> JSONValue {
    let tool: [String: JSONValue] = ["name": "look_up", "endpoint": "https://shop.example/look-up"]
    return .array([.object(tool.merging(changes) { _, new in new }.filter { !$0.value.isNull })])
  }

  @Test(
    "A tenant is told what is wrong with it",
    arguments: [
      (["display_name": 5], []), (["display_name": [1]], ["CFG_TYPE /display_name"]),
      (["stale_policy": "serves"], ["CFG_CHOICE /stale_policy"]),
      (["paused_policy": true], ["CFG_CHOICE /paused_policy"]),
      (["paused_message": ["hindi": "…"]], ["HUM_BAD_LANG /paused_message/hindi"]),
      (["stale_polcy": "serve"], ["CFG_UNKNOWN_KEY /stale_polcy warning"]),
      (["channel_accounts": [["slug": "a"]]], ["CFG_MISSING /channel_accounts/0/phone_number_id"]),
      (
        ["channel_accounts": [["slug": "A b", "phone_number_id": "1"]]],
        ["CFG_BAD_SLUG /channel_accounts/0/slug"]
      ),
      (
        ["channel_accounts": [["slug": "a", "phone_number_id": "1", "app_secret_ref": "a b"]]],
        ["TOOL_INLINE_SECRET /channel_accounts/0/app_secret_ref"]
      ),
      (["display_name": "a\u{0}b"], ["CFG_TYPE /display_name"]),
      (
        ["display_name": .string(String(repeating: "a", count: 201))],
        ["CFG_TOO_LARGE /display_name"]
      ),
    ] as [([String: JSONValue], [String])]
  )
  func tenants(change: [String: JSONValue], codes: [String]) {
    #expect(found([.tenant: change]) == codes)
  }

  @Test(
    "A human is told what is wrong with it",
    arguments: [
      (["languages": nil], ["HUM_LANG_EMPTY /languages"]),
      (["languages": "hi"], ["CFG_TYPE /languages", "HUM_LANG_EMPTY /languages"]),
      (["languages": ["hi", "Hindi"]], ["HUM_BAD_LANG /languages/1"]),
      (["languages": ["hi-Latn-IN", "kn"]], []), (["voice": "loud"], ["CFG_TYPE /voice"]),
      (["voice": ["tone": "warm", "signature": ["a", "b"]]], []),
      (["voice": ["tone": ["a": 1]]], ["CFG_TYPE /voice/tone"]),
      (["voice": ["max_sentences": 0]], ["CFG_RANGE /voice/max_sentences"]),
      (["voice": ["toen": "warm"]], ["VOICE_UNKNOWN_KEY /voice/toen warning"]),
      (["greeting": ["hi": 1]], ["HUM_BAD_LANG /greeting/hi"]),
    ] as [([String: JSONValue], [String])]
  )
  func humans(change: [String: JSONValue], codes: [String]) {
    #expect(found([.human: change]) == codes)
  }

  @Test(
    "A team is told what is wrong with it",
    arguments: [
      (["members": ["asha", "ravi"]], ["BND_FOREIGN_TIER /members/1"]),
      (["members": []], ["BND_HUMAN_NOT_IN_TEAM /human"]),
      (["allowed_handoffs": ["desk"]], ["ESC_SELF /allowed_handoffs"]),
      (["allowed_handoffs": ["night"]], ["TEAM_HANDOFF_FOREIGN /allowed_handoffs/0"]),
      (["sops": "be kind"], ["CFG_TYPE /sops"]),
      (["sops": ["be kind", ["title": "T", "text": "t"]]], []),
      (["sops": [["title": "nothing"]]], ["SOP_NO_EXIT /sops/0"]),
      (["sops": [5]], ["CFG_TYPE /sops/0"]),
      (["escalation": []], ["CFG_TYPE /escalation"]),
    ] as [([String: JSONValue], [String])]
  )
  func teams(change: [String: JSONValue], codes: [String]) {
    #expect(found([.team: change]) == codes)
  }

  @Test(
    "An agent is told what is wrong with it",
    arguments: [
      (["model_routing": nil], ["AGT_NO_DEFAULT_MODEL /model_routing/default"]),
      (
        ["model_routing": ["default": "claude-sonet"]], ["AGT_UNKNOWN_MODEL /model_routing/default"]
      ),
      (
        ["model_routing": ["default": "simulated", "fallback": ["gpt"]]],
        ["AGT_UNKNOWN_MODEL /model_routing/fallback/0"]
      ),
      // The target schema's own examples.
      (
        ["model_routing": ["default": "claude-sonnet-4", "cheap": "gemini-2.5-flash"]],
        [
          "AGT_MODEL_RETIRED /model_routing/default warning",
          "AGT_MODEL_RETIRED /model_routing/cheap warning",
        ]
      ),
      (["memory_policy": ["episodic_topk": 5, "facts": true, "decay": "recency"]], []),
      (["memory_policy": ["episodic_topk": 101]], ["MEM_RANGE /memory_policy/episodic_topk"]),
      (["retrieval": ["ef_search": 0]], ["RET_EF_RANGE /retrieval/ef_search"]),
      (["retrieval": ["metric": "l2"]], ["RET_INDEX_MISMATCH /retrieval/metric"]),
      (["max_tool_iterations": 21], ["AGT_ITER_RANGE /max_tool_iterations"]),
      (["max_tool_iterations": 1.5], ["CFG_TYPE /max_tool_iterations"]),
      (["tools": ["look_up"]], ["CFG_TYPE /tools/0"]),
    ] as [([String: JSONValue], [String])]
  )
  func agents(change: [String: JSONValue], codes: [String]) {
    let found = found([.agent: change])
    #expect(found.filter { !$0.hasSuffix("/tools/0/endpoint/url") } == codes)
  }

  @Test(
    "A tool is told what is wrong with it",
    arguments: [
      ([:], []), (["name": "look up"], ["TOOL_BAD_NAME /name"]),
      (["name": nil], ["CFG_MISSING /name"]),
      (["endpoint": "http://shop.example/"], ["TOOL_INSECURE_URL /endpoint"]),
      (["endpoint": "shop.example"], ["TOOL_INSECURE_URL /endpoint"]),
      (["endpoint": "http://127.0.0.1:7480/tools/x"], []),
      (["endpoint": ["url": "https://10.0.0.8/"]], ["TOOL_PRIVATE_HOST /endpoint/url"]),
      (["endpoint": "https://user:pass@shop.example/"], ["TOOL_INLINE_SECRET /endpoint"]),
      (
        ["endpoint": ["url": "https://shop.example/", "method": "FETCH"]],
        ["CFG_CHOICE /endpoint/method"]
      ),
      (["schema": ["type": "array"]], ["TOOL_BAD_SCHEMA /schema"]),
      (
        ["schema": ["type": "object", "properties": ["a": ["type": "date"]]]],
        ["TOOL_BAD_SCHEMA /schema/properties/a/type"]
      ),
      (["auth": ["type": "bearer"]], ["TOOL_INLINE_SECRET /auth/secret_ref"]),
      (["auth": ["secret_ref": "Bearer abc"]], ["TOOL_INLINE_SECRET /auth/secret_ref"]),
      (["auth": ["type": "header", "secret_ref": "crm"]], ["CFG_MISSING /auth/header"]),
      (["timeout_ms": 1], ["CFG_RANGE /timeout_ms"]),
      (["approval": "ask"], ["CFG_CHOICE /approval"]),
      (["redact": ["aadhaar"]], ["CFG_CHOICE /redact/0"]),
    ] as [([String: JSONValue], [String])]
  )
  func tools(change: [String: JSONValue], codes: [String]) {
    let found = found([.agent: ["tools": Self.tool(change)]])
    #expect(found.map { $0.replacing("/tools/0", with: "") } == codes)
  }

  @Test(
    "A guardrail is told what is wrong with it",
    arguments: [
      ([:], []), (["rule_id": "No Cure"], ["GRD_BAD_ID /rule_id"]),
      (["rule_id": "platform.secrets"], ["GRD_BAD_ID /rule_id"]),
      (["kind": "keywords"], ["GRD_UNKNOWN_KIND /kind"]),
      (["kind": "classifier"], ["GRD_UNKNOWN_KIND /kind"]),
      (["severity": "stop"], ["GRD_BAD_SEVERITY /severity"]),
      (["severity": nil], ["GRD_BAD_SEVERITY /severity"]),
      (["stages": ["outputs"]], ["GRD_BAD_STAGE /stages/0"]),
      (["params": ["words": []]], ["GRD_BAD_REGEX /params/words"]),
      (["kind": "regex", "params": ["pattern": "["]], ["GRD_BAD_REGEX /params/pattern"]),
      (["kind": "regex", "params": ["pattern": #"(a)\1"#]], ["GRD_UNSAFE_REGEX /params/pattern"]),
      (["kind": "regex", "params": ["pattern": "a(?=b)"]], ["GRD_UNSAFE_REGEX /params/pattern"]),
      (["kind": "max_length", "params": [:]], ["CFG_MISSING /params/max"]),
      (["kind": "pii", "params": ["detect": ["adhaar"]]], ["CFG_CHOICE /params/detect/0"]),
      (["severity": "rewrite"], ["GRD_REWRITE_MISSING /rewrite"]),
      (
        ["severity": "rewrite", "rewrite": ["mode": "replace"]],
        ["GRD_REWRITE_MISSING /rewrite/with"]
      ),
      (["when": ["channels": ["fax"]]], ["BND_CHANNEL_UNKNOWN /when/channels/0"]),
      (["overridable_by": ["platform"]], ["CFG_CHOICE /overridable_by/0"]),
      (["on_error": "ignore"], ["CFG_CHOICE /on_error"]),
      (["severity": "block", "message": "no x here"], ["GRD_CONTRADICTION /message"]),
      (
        ["kind": "pii", "severity": "block", "params": [:], "message": "write to a@shop.example"],
        ["GRD_CONTRADICTION /message"]
      ),
      (
        [
          "kind": "url_allowlist", "severity": "block", "params": ["hosts": "shop.example"],
          "message": "see https://shop.example/help",
        ], []
      ),
      (
        [
          "severity": "block", "message": ["en": "no x", "hi": "no"], "when": ["languages": ["hi"]],
        ],
        []
      ),
    ] as [([String: JSONValue], [String])]
  )
  func guardrails(change: [String: JSONValue], codes: [String]) {
    let found = found([.agent: ["guardrails": Self.rule(change)]])
    #expect(found.map { $0.replacing("/guardrails/0", with: "") } == codes)
  }

  @Test(
    "Rules of several tiers are told how they clash",
    arguments: [
      (["kind": "regex", "params": ["pattern": "x"]], ["GRD_KIND_CLASH /guardrails/0/kind"]),
      (["severity": "block"], []),
      (
        ["override": "shop.rule", "action": "disable", "reason": "r"],
        ["GRD_OVERRIDE_DENIED /guardrails/0/override"]
      ),
      (
        ["override": "shop.other", "action": "disable", "reason": "r"],
        ["GRD_OVERRIDE_DENIED /guardrails/0/override"]
      ),
      (
        ["override": "shop.rule", "action": "remove", "reason": "r"],
        ["CFG_CHOICE /guardrails/0/action"]
      ),
      (["override": "shop.rule", "action": "disable"], ["CFG_MISSING /guardrails/0/reason"]),
    ] as [([String: JSONValue], [String])]
  )
  func clashes(change: [String: JSONValue], codes: [String]) {
    let team: JSONValue =
      change["override"] == nil ? Self.rule(change) : .array([.object(change)])
    let found = found([.agent: ["guardrails": Self.rule([:])], .team: ["guardrails": team]])
    #expect(found == codes)
  }

  @Test("An override that the rule permits compiles")
  func permitted() {
    let agent = Self.rule(["overridable_by": ["team"]])
    let team: JSONValue = [["override": "shop.rule", "action": "disable", "reason": "r"]]
    #expect(found([.agent: ["guardrails": agent], .team: ["guardrails": team]]) == [])
  }

  @Test("A greeting that a block rule would stop is told at the greeting")
  func blockedGreeting() {
    let rule = Self.rule(["severity": "block", "params": ["words": ["नमस्ते"]]])
    let greeting: JSONValue = ["hi": "नमस्ते जी", "en": "Hello"]
    #expect(
      found([.human: ["greeting": greeting], .agent: ["guardrails": rule]])
        == ["GRD_CONTRADICTION /greeting/hi"]
    )
  }

  @Test(
    "A binding is told what is wrong with it",
    arguments: [
      (["human": "ash"], ["BND_FOREIGN_TIER /human"]), (["agent": nil], ["CFG_MISSING /agent"]),
      (["channels": ["web", "fax"]], ["BND_CHANNEL_UNKNOWN /channels/1"]),
      (["channels": "web"], ["CFG_TYPE /channels", "BND_ROUTE_KIND /routes/web"]),
      (["channels": ["whatsapp"]], ["BND_ROUTE_KIND /routes/web"]),
      (["routes": ["web": "shop.example"]], []),
      (["routes": ["web": ["shop.example", "SHOP.example"]]], []),
      (["routes": ["web": ["https://shop.example"]]], ["BND_ROUTE_KIND /routes/web/0"]),
      (["routes": ["whatsapp": "call me"]], ["BND_ROUTE_KIND /routes/whatsapp"]),
      (["routes": ["whatsapp": "+91 98000-00001"]], []),
      (["is_active": "yes"], ["CFG_TYPE /is_active"]),
      (["degraded": "maybe"], ["CFG_CHOICE /degraded"]),
    ] as [([String: JSONValue], [String])]
  )
  func bindings(change: [String: JSONValue], codes: [String]) {
    #expect(found([.binding: change]) == codes)
  }

  @Test("Documents by themselves are told: unknown tenant, bad slug, twice, too large")
  func documents() {
    var fixture = PlanFixture()
    func codes(_ documents: AuthoredDocument...) -> [String] {
      fixture.plan(documents).diagnostics.map(\.code)
    }
    let human = Documents.document(.human, "nobody", "asha", Documents.human)
    #expect(codes(human) == ["CFG_UNKNOWN_TENANT"])
    #expect(codes(Documents.document(.tenant, "A b", "A b", [:])) == ["CFG_BAD_SLUG"])
    let tenant = Documents.document(.tenant, "shop", "shop", [:])
    #expect(codes(tenant, Documents.document(.tenant, "shop", "other", [:])) == ["CFG_BAD_SLUG"])
    #expect(codes(Documents.document(.tenant, "shop", "shop", nil)) == ["CFG_TYPE"])
    #expect(codes(Documents.document(.tenant, "shop", "shop", 5)) == ["CFG_TYPE"])
    #expect(codes(tenant, tenant) == ["CFG_DUPLICATE"])
    let long = JSONValue.array(
      Array(repeating: .string(String(repeating: "a", count: 1_000)), count: 600)
    )
    let team = Documents.document(.team, "shop", "desk", ["sops": long])
    #expect(codes(tenant, team) == ["CFG_TOO_LARGE"])
  }

  @Test("The nearest name is offered")
  func hints() {
    var fixture = PlanFixture()
    let plan = fixture.plan(
      Documents.complete(
        "shop",
        [
          .tenant: ["stale_polcy": "serve"], .binding: ["human": "ash"],
          .agent: ["model_routing": ["default": "claude-sonet"]],
        ]
      )
    )
    #expect(
      plan.diagnostics.map(\.hint) == [
        "did you mean 'stale_policy'?", "did you mean 'claude-sonnet'?", "did you mean 'asha'?",
      ]
    )
  }

  @Test("What may be a secret is shown nowhere")
  func secrets() {
    var fixture = PlanFixture()
    let plan = fixture.plan(
      Documents.complete(
        "shop",
        [
          .agent: [
            "tools": Self.tool([
              "auth": ["secret_ref": "Bearer s3cr3t"],
              "endpoint": "https://user:s3cr3t@shop.example/",
            ])
          ]
        ]
      )
    )
    #expect(plan.diagnostics.count == 2)
    #expect(plan.diagnostics.allSatisfy { !"\($0)".contains("s3cr3t") })
  }
}
