/// Puts one answer together from a vendor's events. No I/O, no clock.
package protocol AnswerStream: Sendable {
  init(_ request: ModelRequest)

  mutating func receive(_ event: ServerSentEvent) -> AnswerStep

  /// A whole answer in one body, from models that don't stream.
  mutating func receive(body: String) -> AnswerStep

  /// The model that answers, as far as it is known.
  var model: String { get }
  /// The vendor's counts where they came, the estimator's where they did not.
  var usage: ModelUsage { get }
  /// The vendor's name for the answer, where its body tells one.
  var answerID: String { get }

  /// Whether there is an answer; counts may still follow.
  var isWhole: Bool { get }

  /// The whole answer; nil before its end.
  func answer(requestID: String, ttftMS: Int?) -> ModelAnswer?
}

/// What an event was.
package enum AnswerStep: Hashable, Sendable {
  case nothing
  /// A sign of life without text to hand out (a tool call, thinking).
  case progress
  case text(String)
  /// The answer is whole; counts may still follow.
  case ending
  /// The answer is whole, and so are its counts.
  case finished
  case failed(ModelFault)
}
