internal import Codecs
internal import Domain

/// A model vendor whose wire format a fake can write.
package enum Vendor: String, CaseIterable, Sendable {
  case anthropic
  case google
  case sarvam
  case openAI
}

/// What a fake vendor answers, in no vendor's terms; `stream` and `whole` write it as the vendor would.
package struct VendorAnswer: Sendable {
  package struct Call: Sendable {
    package var id: String
    package var name: String
    /// A JSON object.
    package var arguments: String

    package init(id: String, name: String, arguments: String) {
      self.id = id
      self.name = name
      self.arguments = arguments
    }
  }

  package enum Stop: Sendable {
    case end
    case length
    case refused
  }

  /// Tokens in the buckets of one normalised record; each vendor adds them up in its own way.
  package struct Usage: Sendable {
    package var uncached = 25
    package var cached = 300
    package var visible = 12
    package var reasoning = 5

    package init() {}
  }

  /// Pieces in which the text comes.
  package var texts: [String]
  package var calls: [Call]
  /// Thinking, with the signature that must come back.
  package var thought: (text: String, signature: String)?
  package var stop: Stop
  /// nil: the vendor omits it.
  package var usage: Usage?
  package var model: String

  package init(
    _ texts: [String] = ["Hel", "lo, नमस्ते"],
    calls: [Call] = [],
    thought: (text: String, signature: String)? = nil,
    stop: Stop = .end,
    usage: Usage? = Usage(),
    model: String = "model-2026"
  ) {
    self.texts = texts
    self.calls = calls
    self.thought = thought
    self.stop = stop
    self.usage = usage
    self.model = model
  }

  /// The body of an event stream.
  package func stream(of vendor: Vendor) -> String {
    switch vendor {
    case .anthropic: AnthropicText(self).stream
    case .google: GeminiText(self).stream
    case .sarvam: ChatText(self, isSarvam: true).stream
    case .openAI: ChatText(self, isSarvam: false).stream
    }
  }

  /// The body of an answer in one piece.
  package func whole(of vendor: Vendor) -> String {
    switch vendor {
    case .anthropic: AnthropicText(self).whole
    case .google: GeminiText(self).whole
    case .sarvam: ChatText(self, isSarvam: true).whole
    case .openAI: ChatText(self, isSarvam: false).whole
    }
  }
}

/// Cuts a text into two, to be joined by the reader.
func halves(_ text: String) -> [String] {
  let middle = text.index(text.startIndex, offsetBy: text.count / 2)
  return [String(text[..<middle]), String(text[middle...])].filter { !$0.isEmpty }
}

func parsed(_ json: String) -> JSONValue {
  do {
    return try JSONText.parse(json)
  } catch {
    preconditionFailure("a test's arguments are no JSON: \(json)")
  }
}
