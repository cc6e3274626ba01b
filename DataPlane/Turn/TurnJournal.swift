internal import Domain
internal import Foundation
package import Models
package import Wire

/// What a lost attempt at the same inputs did, so that this one does not do it again.
package struct TurnJournal: Sendable {
  /// What is known of one call of a non-idempotent tool.
  package enum Memory: Hashable, Sendable {
    /// Never begun: it may run.
    case fresh
    case finished(content: String, isError: Bool)
    /// Begun, and nobody knows how it ended.
    case unknown
  }

  static let startedKind = "tool_started"
  static let finishedKind = "tool_finished"

  /// Calls of lost attempts by tool, in the order of their start; each is used up once.
  private var earlier: [String: [Memory]] = [:]
  private var nextStep: Int32 = 1

  package init(_ entries: [Bindery_V1_JournalEntry]) {
    var places: [Int32: (tool: String, index: Int)] = [:]
    for entry in entries.sorted(by: { $0.step < $1.step }) {
      nextStep = max(nextStep, entry.step &+ 1)
      guard let payload = Self.decode(entry.payloadJson) else { continue }
      switch entry.kind {
      case Self.startedKind:
        guard let tool = payload["tool"]?.stringValue else { continue }
        places[entry.step] = (tool, earlier[tool, default: []].count)
        earlier[tool, default: []].append(.unknown)
      case Self.finishedKind:
        guard let started = payload["started_step"]?.intValue.flatMap(Int32.init(exactly:)),
          let place = places[started]
        else { continue }
        earlier[place.tool]?[place.index] = .finished(
          content: payload["content"]?.stringValue ?? "",
          isError: payload["is_error"]?.boolValue ?? false
        )
      default: continue
      }
    }
  }

  /// The memory of the next call of a tool.
  ///
  /// Matched by name and order, not by arguments: a model asked again may word them differently,
  /// and a payment must not be made twice for a comma.
  package mutating func recall(tool: String) -> Memory {
    guard var memories = earlier[tool], !memories.isEmpty else { return .fresh }
    let memory = memories.removeFirst()
    earlier[tool] = memories
    return memory
  }

  package mutating func started(_ call: ModelToolCall) -> Bindery_V1_JournalEntry {
    entry(Self.startedKind, ["tool": .string(call.name), "call_id": .string(call.id)])
  }

  package mutating func finished(
    _ call: ModelToolCall,
    startedStep: Int32,
    content: String,
    isError: Bool
  ) -> Bindery_V1_JournalEntry {
    entry(
      Self.finishedKind,
      [
        "tool": .string(call.name), "started_step": .int(Int64(startedStep)),
        "content": .string(content), "is_error": .bool(isError),
      ]
    )
  }

  private mutating func entry(
    _ kind: String,
    _ payload: [String: JSONValue]
  ) -> Bindery_V1_JournalEntry {
    var entry = Bindery_V1_JournalEntry()
    entry.step = nextStep
    entry.kind = kind
    entry.payloadJson = RowJSON.text(.object(payload))
    nextStep += 1
    return entry
  }

  /// nil for what is no JSON: a newer node's form, which this one can only pass over.
  private static func decode(_ text: String) -> JSONValue? {
    do {
      return try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    } catch {
      return nil
    }
  }
}
