internal import Codecs
package import Domain

/// Counts tokens where no vendor's count is at hand: the offline model, calls that broke, the split
/// of a prompt by tier.
///
/// The rule, per Unicode scalar: ASCII 1/4 token; other Latin, Greek, Cyrillic and punctuation
/// below U+0900 1/2; the scripts of India (U+0900 through U+0DFF) 2/3; everything else (CJK, emoji)
/// 1. A text's sum is rounded up. Each message adds 4 for its frame, each tool 8. Against vendors'
/// tokenizers this is within a factor of two, and every figure made by it is stored as `estimated`.
package enum TokenEstimator {
  package static func tokens(_ text: String) -> Int { (twelfths(text) + 11) / 12 }

  /// The sum before rounding, in twelfths of a token.
  static func twelfths(_ text: String) -> Int {
    var twelfths = 0
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0 ..< 0x80: twelfths += 3
      case 0x80 ..< 0x900: twelfths += 6
      case 0x900 ..< 0xE00: twelfths += 8
      default: twelfths += 12
      }
    }
    return twelfths
  }

  package static func tokens(_ message: ModelMessage) -> Int {
    switch message {
    case .user(let text): 4 + tokens(text)
    case .assistant(let text, let calls, _): 4 + tokens(text) + calls.reduce(0) { $0 + tokens($1) }
    case .toolResults(let results): results.reduce(4) { $0 + 4 + tokens($1.content) }
    }
  }

  package static func tokens(_ call: ModelToolCall) -> Int {
    4 + tokens(call.name) + tokens(call.argumentsJSON)
  }

  package static func tokens(_ tool: ToolSpec) -> Int {
    8 + tokens(tool.name) + tokens(tool.description) + tokens(tool.schema.canonicalText)
  }

  package static func input(_ request: ModelRequest) -> Int {
    request.system.reduce(0) { $0 + tokens($1.text) }
      + request.messages.reduce(0) { $0 + tokens($1) }
      + request.tools.reduce(0) { $0 + tokens($1) }
  }

  package static func output(text: String, calls: [ModelToolCall]) -> Int {
    tokens(text) + calls.reduce(0) { $0 + tokens($1) }
  }
}
