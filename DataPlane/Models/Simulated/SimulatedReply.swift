internal import Domain

/// What the offline model answers to a request. Pure.
struct SimulatedReply {
  private(set) var pieces: [String] = []
  private(set) var calls: [ModelToolCall] = []
  private(set) var stop = ModelAnswer.Stop.endTurn

  init(_ request: ModelRequest) {
    let dialogue = Dialogue(request.messages)
    let persona = SimulatedPersona(request.system)
    let language = persona.language(for: dialogue.message)
    let phrases = SimulatedPhrases(language: language)
    if let told = Self.toldText(dialogue.message) {
      write(told, request.maxTokens)
      return
    }
    var sentences: [String] = []
    if dialogue.isFirst, let greeting = persona.greeting(in: language), !greeting.isEmpty {
      sentences.append(greeting)
    }
    let choice =
      request.toolsAllowed
      ? SimulatedToolChoice.choose(
        request.tools,
        message: dialogue.message,
        called: dialogue.called
      ) : nil
    if case .call(let name, let arguments) = choice {
      calls = [
        ModelToolCall(
          id: "call_\(dialogue.called.count + 1)",
          name: name,
          argumentsJSON: arguments
        )
      ]
      stop = .toolUse
      return
    }
    for (tool, result) in dialogue.results {
      sentences.append(
        result.isError ? phrases.failed(tool) : phrases.found(tool, result.content)
      )
    }
    if case .missing(let tool, let argument) = choice {
      sentences.append(phrases.missing(tool, argument))
    } else if dialogue.results.isEmpty {
      sentences.append(phrases.honest(name: persona.name))
      let message = dialogue.message.trimmingWhitespace
      if !message.isEmpty { sentences.append(phrases.heard(String(message.prefix(200)))) }
    }
    write(sentences.joined(separator: " "), request.maxTokens)
  }

  /// Cuts the text into words, each with the space before it, and stops at the limit.
  private mutating func write(_ text: String, _ maxTokens: Int) {
    var piece = ""
    var left = maxTokens * 12
    for character in text + " " {
      if character.isWhitespace, piece.last?.isWhitespace == false {
        left -= TokenEstimator.twelfths(piece)
        guard left >= 0 else {
          stop = .maxTokens
          return
        }
        pieces.append(piece)
        piece = ""
      }
      piece.append(character)
    }
  }

  /// What follows "say:" or "repeat:" at the begin of a line, to the message's end.
  private static func toldText(_ message: String) -> String? {
    var rest = message[...]
    while !rest.isEmpty {
      let line = rest.drop(while: \.isWhitespace)
      let lower = line.prefix(8).lowercased()
      for word in ["say:", "repeat:"] where lower.hasPrefix(word) {
        let text = line.dropFirst(word.count).trimmingWhitespace
        return text.isEmpty ? nil : text
      }
      guard let end = line.firstIndex(where: \.isNewline) else { return nil }
      rest = line[line.index(after: end)...]
    }
    return nil
  }
}

/// The end of a conversation: the newest user message and what was called since.
private struct Dialogue {
  var message = ""
  /// True until the assistant has said something.
  var isFirst = true
  var called: Set<String> = []
  var results: [(tool: String, result: ModelToolResult)] = []

  init(_ messages: [ModelMessage]) {
    var names: [String: String] = [:]
    for message in messages {
      switch message {
      case .user(let text):
        self.message = text
        (called, results, names) = ([], [], [:])
      case .assistant(let text, let calls, _):
        if !text.isEmpty { isFirst = false }
        for call in calls {
          called.insert(call.name)
          names[call.id] = call.name
        }
      case .toolResults(let new):
        results += new.map { (names[$0.id] ?? "tool", $0) }
      }
    }
  }
}
