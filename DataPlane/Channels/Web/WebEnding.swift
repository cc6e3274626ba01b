internal import Domain
internal import Foundation
internal import Turn

/// How the stream of one web message ends: `done` after COMMIT, `interrupted` when it was paused or
/// failed midway, `error` when there is no answer.
struct WebEnding: Hashable, Sendable {
  enum Event: String {
    case done
    case interrupted
    case error
  }

  var event: Event
  /// Said in full before the end, where no model wrote anything.
  var text = ""
  var data: [String: JSONValue]

  init(_ event: Event, reason: String, message: String = "") {
    self.event = event
    data = ["reason": .string(reason)]
    if !message.isEmpty { data["message"] = .string(message) }
  }

  init(_ end: TurnEnd, language: String) {
    switch end.kind {
    case .replied, .blocked, .failed:
      self.init(end.isInterrupted ? .interrupted : .done, reason: end.kind.name)
      if let id = end.messageID { data["message_id"] = .string(id.description) }
      if end.isDegraded { data["degraded"] = true }
    case .held:
      self.init(.interrupted, reason: "held", message: "The answer follows later.")
    case .refused(let texts):
      self.init(.done, reason: "refused")
      text = ReplyLanguage.text(texts, language: language)
    case .humanOwned: self.init(.done, reason: end.kind.name)
    case .nothingDue, .duplicate: self.init(.done, reason: end.kind.name)
    case .unknown: self.init(.error, reason: "not_found", message: "not found")
    case .busy, .waiting, .abandoned:
      self.init(.error, reason: end.kind.name, message: "Try again in a moment.")
    }
    if end.isInterrupted, end.kind == .abandoned { event = .interrupted }
  }
}

/// Server-sent events (WHATWG HTML, section 9.2).
enum ServerSentEvent {
  /// One event with JSON data, which has no line breaks of its own.
  static func event(_ name: String, _ data: [String: JSONValue]) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = String(decoding: try encoder.encode(JSONValue.object(data)), as: UTF8.self)
    return "event: \(name)\ndata: \(json)\n\n"
  }

  static let comment = ":\n\n"
}
