/// A vendor, or the built-in offline model.
package protocol ModelProvider: Sendable {
  /// "anthropic", "simulated" …
  var name: String { get }

  /// Runs one call; `onText` gets each piece of text as it arrives.
  ///
  /// Returns only after a clean end. Throws `ModelFailure` otherwise, with the usage known so far:
  /// kind `cancelled` when the task was cancelled or `onText` threw. Never retries: that is
  /// `ModelRouter`'s business.
  func run(
    _ request: ModelRequest,
    credentials: ModelCredentials?,
    onText: (String) async throws -> Void
  ) async throws(ModelFailure) -> ModelAnswer
}

/// A vendor's key. Its descriptions hide it on purpose.
package struct ModelCredentials: Sendable, CustomStringConvertible, CustomReflectable {
  package var apiKey: String

  package init(apiKey: String) { self.apiKey = apiKey }

  package var description: String { "<key>" }
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A whole answer.
package struct ModelAnswer: Hashable, Sendable {
  package enum Stop: String, Hashable, Sendable {
    case endTurn = "end_turn"
    case toolUse = "tool_use"
    case maxTokens = "max_tokens"
    case stopSequence = "stop_sequence"
    case other
  }

  package var text: String
  package var calls: [ModelToolCall]
  package var stop: Stop
  /// The model that the vendor says it was.
  package var model: String
  package var usage: ModelUsage
  package var requestID: String
  /// From sending to the first token, in ms; nil when there was none.
  package var ttftMS: Int?
  /// nil where text and calls are all that the model needs to see again.
  package var replay: ModelReplay?

  package init(
    text: String,
    calls: [ModelToolCall],
    stop: Stop,
    model: String,
    usage: ModelUsage,
    requestID: String,
    ttftMS: Int?,
    replay: ModelReplay? = nil
  ) {
    self.text = text
    self.calls = calls
    self.stop = stop
    self.model = model
    self.usage = usage
    self.requestID = requestID
    self.ttftMS = ttftMS
    self.replay = replay
  }
}

/// Tokens in disjoint buckets.
package struct ModelUsage: Hashable, Sendable {
  /// What a vendor counted, within bounds: sums of it fit everywhere.
  static func count(_ value: Int64?) -> Int { Int(min(max(0, value ?? 0), 100_000_000)) }

  package enum Source: String, Hashable, Sendable {
    case provider
    case partial
    case estimated
  }

  package var inUncached = 0
  package var cacheRead = 0
  package var cacheWrite5m = 0
  package var cacheWrite1h = 0
  package var outVisible = 0
  package var outReasoning = 0
  package var source: Source

  package init(source: Source) { self.source = source }

  package var tokensIn: Int { inUncached + cacheRead + cacheWrite5m + cacheWrite1h }
  package var tokensOut: Int { outVisible + outReasoning }
}

/// Why a call did not end cleanly.
package struct ModelFailure: Error, Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable {
    /// 429: wait and retry.
    case rateLimited = "rate_limited"
    /// 5xx, 529: retry, then fall back.
    case overloaded
    /// The stream broke before its end.
    case cut
    /// Nothing came for too long.
    case stalled
    /// The answer was not the vendor's format.
    case garbage
    /// The request or the key is wrong: do not retry, fall back.
    case rejected
    /// The vendor's safety system withheld the answer or broke it off: do not retry, fall back.
    case refused
    /// No route to the vendor.
    case unreachable
    /// The name resolves to no model.
    case unknownModel = "unknown_model"
    /// The caller wants no answer any more.
    case cancelled

    /// True for faults that may pass by themselves.
    package var isTransient: Bool {
      switch self {
      case .rateLimited, .overloaded, .cut, .stalled, .garbage, .unreachable: true
      case .rejected, .refused, .unknownModel, .cancelled: false
      }
    }
  }

  package var kind: Kind
  /// One sentence for operators; no prompt, no key.
  package var message: String
  /// HTTP status, when one came.
  package var status: Int?
  /// False: the same model would answer the same.
  package var retryable: Bool
  /// Wait this long before another try, in ms, when the vendor said so.
  package var retryAfterMS: Int?
  /// True once text was handed to `onText`: a second try would repeat it.
  package var afterOutput: Bool
  package var usage: ModelUsage
  package var model: String
  package var requestID: String
  package var ttftMS: Int?
  /// False: it is this request's, and says nothing of how well the vendor is.
  package var concernsVendor: Bool

  package init(
    kind: Kind,
    message: String,
    status: Int? = nil,
    retryable: Bool? = nil,
    retryAfterMS: Int? = nil,
    afterOutput: Bool,
    usage: ModelUsage,
    model: String,
    requestID: String = "",
    ttftMS: Int? = nil,
    concernsVendor: Bool = true
  ) {
    self.kind = kind
    self.message = message
    self.status = status
    self.retryable = retryable ?? kind.isTransient
    self.retryAfterMS = retryAfterMS
    self.afterOutput = afterOutput
    self.usage = usage
    self.model = model
    self.requestID = requestID
    self.ttftMS = ttftMS
    self.concernsVendor = concernsVendor
  }
}
