internal import Foundation
internal import NIOCore
internal import NIOHTTP1

/// One call's way from the response head to an answer or a failure.
struct AnthropicCall {
  private enum State {
    case waiting
    case streaming
    /// A response that is not 200: its body is collected for its error type.
    case refused(status: Int, headers: HTTPHeaders, body: String)
  }

  private let started = ContinuousClock.now
  private var state = State.waiting
  private var parser = ServerSentEventParser()
  private var stream: AnthropicStream
  private var requestID = ""
  private var ttftMS: Int?
  private var handedOut = false

  init(_ request: ModelRequest) {
    stream = AnthropicStream(request)
  }

  /// Returns true once the answer is whole.
  mutating func receive(
    _ part: HTTPExchange.Part,
    _ deadline: ProgressDeadline,
    _ timeouts: ModelTimeouts,
    _ onText: (String) async throws -> Void
  ) async throws -> Bool {
    switch (part, state) {
    case (.head(let status, let headers), _):
      try open(status, headers)
      return false
    case (.bytes(let bytes), .refused(let status, let headers, let body)):
      if body.utf8.count < 65_536 {
        state = .refused(status: status, headers: headers, body: body + String(buffer: bytes))
      }
      return false
    case (.bytes(let bytes), _):
      let events: [ServerSentEvent]
      do {
        events = try parser.push(bytes.readableBytesView)
      } catch {
        throw failure(.garbage, "the model's API sent no event stream (\(error))")
      }
      for event in events {
        if try await take(event, deadline, timeouts, onText) { return true }
      }
      return false
    }
  }

  private mutating func open(_ status: Int, _ headers: HTTPHeaders) throws(ModelFailure) {
    requestID = headers.first(name: "request-id") ?? ""
    guard status == 200 else {
      state = .refused(status: status, headers: headers, body: "")
      return
    }
    state = .streaming
    let type = headers.first(name: "content-type") ?? ""
    guard type.lowercased().hasPrefix("text/event-stream") else {
      throw failure(.garbage, "the model's API answered 200 without an event stream")
    }
  }

  private mutating func take(
    _ event: ServerSentEvent,
    _ deadline: ProgressDeadline,
    _ timeouts: ModelTimeouts,
    _ onText: (String) async throws -> Void
  ) async throws -> Bool {
    switch stream.receive(event) {
    case .nothing:
      return false
    case .progress:
      progress(deadline, timeouts)
      return false
    case .text(let piece):
      progress(deadline, timeouts)
      handedOut = true
      // Time that the caller takes is not the vendor's.
      deadline.extend(by: timeouts.total)
      try await onText(piece)
      deadline.extend(by: timeouts.stall)
      return false
    case .finished:
      return true
    case .failed(let fault):
      throw failure(fault)
    }
  }

  private mutating func progress(_ deadline: ProgressDeadline, _ timeouts: ModelTimeouts) {
    if ttftMS == nil { ttftMS = started.elapsedMS }
    deadline.extend(by: timeouts.stall)
  }

  /// The answer, or why there is none.
  func finish(_ end: HTTPExchange.End) throws(ModelFailure) -> ModelAnswer {
    if let answer = stream.answer(requestID: requestID, ttftMS: ttftMS) { return answer }
    switch (end, state) {
    case (.cancelled, _):
      throw failure(.cancelled, "the caller ended the call")
    case (_, .refused(let status, let headers, let body)):
      let fault = AnthropicFault(status: status, headers: headers, body: body, now: Date())
      throw failure(fault, status: status)
    case (.timedOut, _):
      throw failure(.stalled, "the model sent nothing for too long")
    case (.tooLong, _):
      throw failure(.garbage, "the model's answer is longer than the limit")
    case (.unreachable(let why), _):
      throw failure(.unreachable, "no connection to the model's API (\(why))")
    case (.broken, _), (.complete, _):
      throw failure(.cut, "the model's stream ended before its end")
    }
  }

  func failure(_ kind: ModelFailure.Kind, _ message: String) -> ModelFailure {
    failure(AnthropicFault(kind: kind, message: message))
  }

  /// Nothing was generated, so nothing is billed, where no stream had begun; a connection that broke
  /// after sending counts as read by the vendor.
  private func failure(_ fault: AnthropicFault, status: Int? = nil) -> ModelFailure {
    let usage: ModelUsage
    switch (state, fault.kind) {
    case (.refused, _), (.waiting, .unreachable): usage = ModelUsage(source: .estimated)
    default: usage = stream.usage
    }
    return ModelFailure(
      kind: fault.kind,
      message: fault.message,
      status: status,
      retryable: fault.retryable,
      retryAfterMS: fault.retryAfterMS,
      afterOutput: handedOut,
      usage: usage,
      model: stream.model,
      requestID: requestID,
      ttftMS: ttftMS
    )
  }
}

extension ContinuousClock.Instant {
  /// Whole ms from here to now.
  var elapsedMS: Int {
    let (seconds, attoseconds) = duration(to: .now).components
    return Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
  }
}
