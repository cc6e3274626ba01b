internal import Domain

/// The events of a Messages stream, all in one shape: absent members are nil, unknown ones ignored.
struct AnthropicEvent: Decodable {
  var type: String
  var message: Message?
  var index: Int?
  var contentBlock: Block?
  var delta: Delta?
  var usage: Usage?
  var error: AnthropicErrorBody.Detail?

  /// Names that this client acts on; all others are passed over, as the API asks of its clients.
  static let known: Set<String> = [
    "message_start", "content_block_start", "content_block_delta", "content_block_stop",
    "message_delta", "message_stop", "ping", "error",
  ]

  /// With content and stop reason where the whole answer comes in one body.
  struct Message: Decodable {
    var id: String?
    var model: String?
    var content: [Block]?
    var stopReason: String?
    var usage: Usage?

    private enum CodingKeys: String, CodingKey {
      case id
      case model
      case content
      case stopReason = "stop_reason"
      case usage
    }
  }

  struct Block: Decodable {
    var type: String
    var id: String?
    var name: String?
    var text: String?
    var input: JSONValue?
    var thinking: String?
    var signature: String?
    /// Of a `redacted_thinking`.
    var data: String?
  }

  struct Delta: Decodable {
    var type: String?
    var text: String?
    var partialJSON: String?
    var thinking: String?
    var signature: String?
    var stopReason: String?

    private enum CodingKeys: String, CodingKey {
      case type
      case text
      case partialJSON = "partial_json"
      case thinking
      case signature
      case stopReason = "stop_reason"
    }
  }

  /// Counts of `message_start` (placeholders for output) and `message_delta` (cumulative).
  struct Usage: Decodable {
    var inputTokens: Int?
    var outputTokens: Int?
    var cacheReadInputTokens: Int?
    var cacheCreationInputTokens: Int?
    var cacheCreation: CacheCreation?

    private enum CodingKeys: String, CodingKey {
      case inputTokens = "input_tokens"
      case outputTokens = "output_tokens"
      case cacheReadInputTokens = "cache_read_input_tokens"
      case cacheCreationInputTokens = "cache_creation_input_tokens"
      case cacheCreation = "cache_creation"
    }
  }

  struct CacheCreation: Decodable {
    var fiveMinutes: Int?
    var oneHour: Int?

    private enum CodingKeys: String, CodingKey {
      case fiveMinutes = "ephemeral_5m_input_tokens"
      case oneHour = "ephemeral_1h_input_tokens"
    }
  }

  private enum CodingKeys: String, CodingKey {
    case type
    case message
    case index
    case contentBlock = "content_block"
    case delta
    case usage
    case error
  }
}

extension ModelUsage {
  /// Takes over what the vendor has counted; `input_tokens` excludes both kinds of cache tokens.
  mutating func replace(by usage: AnthropicEvent.Usage) {
    if let count = usage.inputTokens { inUncached = Self.count(Int64(count)) }
    if let count = usage.cacheReadInputTokens { cacheRead = Self.count(Int64(count)) }
    if let count = usage.outputTokens { outVisible = Self.count(Int64(count)) }
    if let split = usage.cacheCreation {
      cacheWrite5m = Self.count(Int64(split.fiveMinutes ?? 0))
      cacheWrite1h = Self.count(Int64(split.oneHour ?? 0))
    } else if let count = usage.cacheCreationInputTokens {
      cacheWrite5m = Self.count(Int64(count))
      cacheWrite1h = 0
    }
  }
}
