internal import Domain

/// A built-in model without a network, for trying Bindery out and for tests. It says that it is one.
///
/// What it does follows from the prompt and the messages alone:
/// - a message line "say: …" or "repeat: …" is answered with what follows;
/// - a message that asks for a tool (`SimulatedToolChoice`) gets the tool called, one a round, and
///   the answer holds the tools' results;
/// - the first answer of a conversation begins with the persona's greeting;
/// - anything else is answered, in the user's or the persona's language, with who it is and what it
///   heard.
/// The same request is always answered the same. Tokens are counted by `TokenEstimator`.
package struct SimulatedProvider: ModelProvider {
  package let name = "simulated"
  private let pace: Duration

  /// - Parameter pace: wait before each word, so that streaming can be seen.
  package init(pace: Duration = .zero) { self.pace = pace }

  package func run(
    _ request: ModelRequest,
    credentials: ModelCredentials?,
    onText: (String) async throws -> Void
  ) async throws(ModelFailure) -> ModelAnswer {
    let started = ContinuousClock.now
    let reply = SimulatedReply(request)
    var sent = ""
    var ttftMS: Int?
    do {
      for piece in reply.pieces {
        // Without a pace, this is where cancellation is seen.
        if pace > .zero { try await Task.sleep(for: pace) } else { try Task.checkCancellation() }
        if ttftMS == nil { ttftMS = started.elapsedMS }
        sent += piece
        try await onText(piece)
      }
    } catch {
      throw ModelFailure(
        kind: .cancelled,
        message: "the caller ended the call",
        afterOutput: !sent.isEmpty,
        usage: Self.usage(request, text: sent, calls: []),
        model: request.model,
        ttftMS: ttftMS
      )
    }
    return ModelAnswer(
      text: sent,
      calls: reply.calls,
      stop: reply.stop,
      model: request.model,
      usage: Self.usage(request, text: sent, calls: reply.calls),
      requestID: "",
      ttftMS: ttftMS ?? started.elapsedMS
    )
  }

  private static func usage(
    _ request: ModelRequest,
    text: String,
    calls: [ModelToolCall]
  ) -> ModelUsage {
    var usage = ModelUsage(source: .estimated)
    usage.inUncached = TokenEstimator.input(request)
    usage.outVisible = TokenEstimator.output(text: text, calls: calls)
    return usage
  }
}
