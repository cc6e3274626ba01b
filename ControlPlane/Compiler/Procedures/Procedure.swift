internal import Domain

/// A SOP as read: free text for the prompt, or steps that form a graph.
struct Procedure {
  /// JSON Pointer of the block.
  var path: String
  var id: String?
  var steps: [Step] = []
  /// What stands in the prompt as text.
  var prose: [SaidText] = []

  struct Step {
    var path: String
    var id: String
    var action: Action
    /// Where it goes when it has gone well; nil: on to the step below.
    var next: Target?
    var onError: Target?
    var ends = false
  }

  enum Action {
    case ask(slot: String)
    case call(tool: String, path: String)
    /// Falls through to the step below when no branch is an `else`.
    case branch([Target], hasElse: Bool)
    case say
    case escalate(Target)
    /// Nothing that could be read; told already.
    case unknown
  }

  /// A name in the document, and where it stands.
  struct Target {
    var name: String
    var path: String
  }
}

/// A text that a person may get to read as it stands.
struct SaidText {
  var path: String
  var text: String
  /// nil: for any.
  var language: String?

  /// The texts of a localised value; a bare one is for any language.
  static func all(_ text: LocalizedText, at path: String) -> [SaidText] {
    text.sorted { $0.key < $1.key }.map { language, text in
      SaidText(
        path: language.isEmpty ? path : pointer(path, language),
        text: text,
        language: language.isEmpty ? nil : language
      )
    }
  }
}
