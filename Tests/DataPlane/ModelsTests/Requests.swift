import Domain
import Models

/// Prompts and tools that several tests use.
enum Requests {
  static let tool = ToolSpec(
    name: "lookup_order",
    description: "Looks an order up.",
    schema: [
      "type": "object", "properties": ["id": ["type": "string", "pattern": #"^ORD-\d{6}$"#]],
      "required": ["id"], "additionalProperties": false,
    ],
    url: "https://tools.example/orders",
    method: "POST",
    auth: nil,
    timeoutMS: 1_000,
    idempotent: true,
    approval: "never",
    maxResultBytes: 1_000,
    redact: []
  )

  static let persona = """
    You are Asha, and you stay this persona throughout.
    Languages: hi (default), en
    Greeting (en): Hello, I am Asha.
    Greeting (hi): नमस्ते, मैं आशा हूँ।
    """

  static func make(
    _ messages: [ModelMessage] = [.user("Where is my order?")],
    model: String = "claude-sonnet-5-5",
    tools: [ToolSpec] = [tool],
    toolsAllowed: Bool = true,
    maxTokens: Int = 1_024
  ) -> ModelRequest {
    ModelRequest(
      model: model,
      system: [
        PromptSegment(tier: "platform", text: "Answer people."),
        PromptSegment(tier: "human", text: persona),
      ],
      messages: messages,
      tools: tools,
      toolsAllowed: toolsAllowed,
      maxTokens: maxTokens
    )
  }
}

/// SplitMix64: the same numbers from the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
