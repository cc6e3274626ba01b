/// Ids of a turn's calls: each once, whoever made the calls.
///
/// Some vendors give none, or count anew in every answer; others refuse a conversation in which one is
/// there twice. The ids made here are the same on every node, as prompts must be.
enum ToolCallIDs {
  static let prefix = "bindery-call-"

  static func isOwn(_ id: String) -> Bool { id.hasPrefix(prefix) }

  /// Gives an own id to each call without one, or with one that the turn has already.
  static func mended(_ answer: ModelAnswer, in request: ModelRequest) -> ModelAnswer {
    var answer = answer
    var seen: Set<String> = []
    for case .assistant(_, let calls, _) in request.messages { seen.formUnion(calls.map(\.id)) }
    var number = seen.count
    for index in answer.calls.indices {
      var id = answer.calls[index].id
      while id.isEmpty || seen.contains(id) {
        id = "\(prefix)\(number)"
        number += 1
      }
      seen.insert(id)
      answer.calls[index].id = id
    }
    return answer
  }
}
