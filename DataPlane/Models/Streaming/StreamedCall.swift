internal import Foundation
internal import NIOCore
internal import NIOHTTP1

/// One call's way from the response head to an answer or a failure.
struct StreamedCall<Dialect: ModelDialect> {
  private enum State {
    case waiting
    case streaming
    /// A whole answer in one body.
    case whole(body: ByteBuffer)
    /// A response that is not 200: its body is collected for its error type.
    case refused(status: Int, headers: HTTPHeaders, body: ByteBuffer)
  }

  private let dialect: Dialect
  private let request: ModelRequest
  private let timeouts: ModelTimeouts
  private let started = ContinuousClock.now
  private var state = State.waiting
  private var parser = ServerSentEventParser()
  private var stream: Dialect.Stream
  private var requestID = ""
  private var ttftMS: Int?
  private var handedOut = false

  private static var mostCalls: Int { 32 }

  /// How long counts may follow a whole answer.
  private var afterwards: Duration { min(timeouts.stall, .seconds(1)) }

  init(_ dialect: Dialect, _ request: ModelRequest) {
    self.dialect = dialect
    self.request = request
    timeouts = dialect.timeouts(for: request)
    stream = Dialect.Stream(request)
  }

  /// Returns true once the answer is whole.
  mutating func receive(
    _ part: HTTPExchange.Part,
    _ deadline: ProgressDeadline,
    _ onText: (String) async throws -> Void
  ) async throws -> Bool {
    switch (part, state) {
    case (.head(let status, let headers), _):
      try open(status, headers)
      return false
    case (.bytes(let bytes), .refused(let status, let headers, var body)):
      if body.readableBytes < 65_536 {
        body.writeImmutableBuffer(bytes)
        state = .refused(status: status, headers: headers, body: body)
      }
      return false
    case (.bytes(let bytes), .whole(var body)):
      progress(deadline)
      // The buffer has one owner, so that a long body is not copied with each piece.
      state = .waiting
      body.writeImmutableBuffer(bytes)
      state = .whole(body: body)
      return false
    case (.end, .whole(let body)):
      return try await take(stream.receive(body: String(buffer: body)), deadline, onText)
    case (.end, _):
      return false
    case (.bytes(let bytes), _):
      let events: [ServerSentEvent]
      do {
        events = try parser.push(bytes.readableBytesView)
      } catch {
        throw failure(.garbage("no event stream (\(error))"))
      }
      for event in events {
        if try await take(stream.receive(event), deadline, onText) { return true }
      }
      return false
    }
  }

  private mutating func open(_ status: Int, _ headers: HTTPHeaders) throws(ModelFailure) {
    requestID = dialect.requestID(headers)
    guard status == 200 else {
      state = .refused(status: status, headers: headers, body: ByteBuffer())
      return
    }
    state = .streaming
    let type = (headers.first(name: "content-type") ?? "").lowercased()
    // What was asked to stream may answer in one body all the same: some servers can't do both.
    if type.hasPrefix("application/json") {
      state = .whole(body: ByteBuffer())
    } else if !type.hasPrefix("text/event-stream") {
      throw failure(.garbage("an answer that is neither an event stream nor JSON"))
    }
  }

  private mutating func take(
    _ step: AnswerStep,
    _ deadline: ProgressDeadline,
    _ onText: (String) async throws -> Void
  ) async throws -> Bool {
    switch step {
    case .nothing:
      return false
    case .progress:
      progress(deadline)
      return false
    case .text(let piece):
      progress(deadline)
      handedOut = true
      // Time that the caller takes is not the vendor's.
      deadline.extend(by: timeouts.total)
      try await onText(piece)
      deadline.extend(by: stream.isWhole ? afterwards : timeouts.stall)
      return false
    case .ending:
      progress(deadline)
      deadline.extend(by: afterwards)
      return false
    case .finished:
      return true
    case .failed(let fault):
      throw failure(fault)
    }
  }

  private mutating func progress(_ deadline: ProgressDeadline) {
    if ttftMS == nil { ttftMS = started.elapsedMS }
    deadline.extend(by: timeouts.stall)
  }

  /// The answer, or why there is none.
  func finish(_ end: HTTPExchange.End) throws(ModelFailure) -> ModelAnswer {
    if let answer = stream.answer(requestID: callID, ttftMS: ttftMS) {
      guard answer.calls.count <= Self.mostCalls else {
        throw failure(.garbage("more than \(Self.mostCalls) calls of tools at once"))
      }
      return ToolCallIDs.mended(answer, in: request)
    }
    switch (end, state) {
    case (.cancelled, _):
      throw failure(.cancelled, "the caller ended the call")
    case (_, .refused(let status, let headers, let body)):
      throw failure(
        dialect.fault(status: status, headers: headers, body: String(buffer: body), now: Date()),
        status: status
      )
    case (.timedOut, _):
      throw failure(.stalled, "the model sent nothing for too long")
    case (.tooLong, _):
      throw failure(.garbage, "the model's answer is longer than the limit")
    case (.invalid(let why), _):
      throw failure(.rejected, "the call can't be sent (\(why)); look at the vendor's base URL")
    case (.unreachable(let why), _):
      throw failure(.unreachable, "no connection to the model's API (\(why))")
    case (.broken, _), (.complete, _):
      throw failure(.cut, "the model's answer ended before its end")
    }
  }

  private var callID: String { requestID.isEmpty ? stream.answerID : requestID }

  func failure(_ kind: ModelFailure.Kind, _ message: String) -> ModelFailure {
    failure(ModelFault(kind: kind, message: message))
  }

  /// Nothing was generated, so nothing is billed, where no stream had begun; a connection that broke
  /// after sending counts as read by the vendor.
  private func failure(_ fault: ModelFault, status: Int? = nil) -> ModelFailure {
    let usage: ModelUsage
    switch (state, fault.kind) {
    case (.refused, _), (.waiting, .unreachable), (.waiting, .rejected):
      usage = ModelUsage(source: .estimated)
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
      requestID: callID,
      ttftMS: ttftMS,
      concernsVendor: fault.concernsVendor
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
