/// Why a tool has no result. The texts are for the model: no host, secret or stack trace in them.
struct ToolFailure: Error, Hashable {
  enum Code: Hashable {
    case unknownTool(known: [String])
    case badArguments([String])
    case badSchema
    case badURL
    case insecureURL
    case privateAddress
    case unresolved
    case unreachable
    case busy
    case noSecret
    case status(Int)
    /// The connection broke after the request was sent.
    case cut
    case timedOut
    case tooLarge(limit: Int)
    case notText
    case notJSON
  }

  var code: Code

  init(_ code: Code) { self.code = code }

  /// The class of failure, for records and metrics.
  var name: String {
    switch code {
    case .unknownTool: "unknown_tool"
    case .badArguments: "bad_arguments"
    case .badSchema: "bad_schema"
    case .badURL: "bad_url"
    case .insecureURL: "insecure_url"
    case .privateAddress: "private_address"
    case .unresolved: "unresolved"
    case .unreachable: "unreachable"
    case .busy: "busy"
    case .noSecret: "no_secret"
    case .status(let status): "http_\(status)"
    case .cut: "cut"
    case .timedOut: "timed_out"
    case .tooLarge: "too_large"
    case .notText: "not_text"
    case .notJSON: "not_json"
    }
  }

  /// What the model is to see.
  var content: String {
    switch code {
    case .unknownTool(let known):
      "There is no such tool. Tools: \(known.isEmpty ? "none" : known.joined(separator: ", "))."
    case .badArguments(let problems):
      "The arguments don't fit the tool's schema: \(problems.joined(separator: "; "))."
    case .badSchema, .badURL, .insecureURL, .privateAddress, .noSecret:
      "The tool is not set up correctly; do not try it again."
    case .unresolved, .unreachable, .busy:
      "The tool can't be reached right now; nothing was done."
    case .status(let status) where (300 ..< 400).contains(status):
      "The tool answered with a redirect, which is not followed."
    case .status(let status):
      "The tool answered with HTTP status \(status)."
    case .cut, .timedOut:
      "The tool gave no answer in time; it is unknown whether it took effect."
    case .tooLarge(let limit):
      "The tool's answer is longer than \(limit) bytes and was dropped."
    case .notText, .notJSON:
      "The tool's answer can't be read."
    }
  }
}
