internal import DequeModule
internal import GRPCCore
internal import HTTP2
internal import NIOCore

/// A part that arrived, of a request or of a response.
enum InboundPart: Sendable {
  case metadata(Metadata)
  case message(TransportBytes)
  case status(Status, Metadata)
}

/// A part to send, of a request or of a response.
enum OutboundPart: Sendable {
  case metadata(Metadata)
  case message(TransportBytes)
  case status(Status, Metadata)
}

/// One call on one connection: what arrived and was not read yet, who waits for it, who waits for
/// room to write. Belongs to the connection's event loop.
final class CallStream {
  /// What the call's role adds.
  enum Side {
    case server(ServerCall)
    case client(ClientCall)
  }

  let connection: ConnectionHandler
  /// 0 until a client's request is sent.
  var id: Int32 = 0
  var side: Side
  var decoder: MessageDecoder
  /// Of a server's answer.
  var hasSentHeaders = false
  /// Bytes that a message to send has at most; nil for no limit.
  var maxSentBytes: Int?
  /// `grpc-encoding: gzip` was sent.
  var compresses = false

  private var parts: Deque<InboundPart> = []
  private var reader: CheckedContinuation<InboundPart?, any Error>?
  private var writers: [CheckedContinuation<Void, any Error>] = []
  private var isReadCancelled = false
  private var isWriteCancelled = false
  /// Bytes that wait in `parts` and keep the peer's window closed.
  private var unconsumed = 0

  /// No more parts come: nil with an ordinary end, the error otherwise.
  private(set) var inboundEnd: Result<Void, RPCError>?
  /// Why nothing can be written any more.
  private(set) var outboundFailure: RPCError?
  var isOutboundFinished = false
  var isClosed = false
  private var isAboveHighWater = false
  /// Called once, when what is queued has drained.
  private var onRoom: (@Sendable () -> Void)?

  init(connection: ConnectionHandler, side: Side, maxMessageBytes: Int) {
    self.connection = connection
    self.side = side
    decoder = MessageDecoder(maxMessageBytes: maxMessageBytes)
  }

  /// Of a client's call whose answer begins as a plain HTTP server's: its body holds no messages.
  var httpFailure: RPCError? {
    if case .client(let call) = side { call.httpFailure } else { nil }
  }

  // MARK: - What the connection delivers

  func deliver(_ part: InboundPart) {
    guard inboundEnd == nil else { return }
    if let reader {
      self.reader = nil
      reader.resume(returning: part)
    } else {
      parts.append(part)
    }
  }

  /// Takes DATA; whole messages are delivered, the window stays closed while they wait.
  ///
  /// - Throws: `RPCError` for a message that is too long, compressed or malformed.
  func receive(_ bytes: UnsafeRawBufferPointer) throws(RPCError) {
    guard inboundEnd == nil else {
      connection.session.consume(bytes.count, on: id)
      return
    }
    decoder.append(bytes)
    while let message = try decoder.next() { deliver(.message(message)) }
    unconsumed += bytes.count
    releaseWindow()
  }

  private func releaseWindow() {
    guard parts.isEmpty, unconsumed > 0 else { return }
    connection.session.consume(unconsumed, on: id)
    unconsumed = 0
    connection.scheduleFlush()
  }

  /// Ends what arrives. Parts that wait are still read, but for a failure they are dropped.
  func endInbound(_ end: Result<Void, RPCError>) {
    guard inboundEnd == nil else { return }
    inboundEnd = end
    if case .failure = end {
      parts.removeAll()
      releaseWindow()
    }
    guard let reader, parts.isEmpty else { return }
    self.reader = nil
    reader.resume(with: end.map { nil }.mapError { $0 })
  }

  /// Fails all that waits for room, and all later writes.
  func failOutbound(_ error: RPCError) {
    guard outboundFailure == nil else { return }
    outboundFailure = error
    // Nothing drains any more, and who waits for it may hold this call.
    onRoom = nil
    for writer in writers { writer.resume(throwing: error) }
    writers.removeAll()
  }

  func drained() {
    isAboveHighWater = false
    for writer in writers { writer.resume() }
    writers.removeAll()
    if let onRoom {
      self.onRoom = nil
      onRoom()
    }
  }

  /// Calls `body` once, when what is queued has drained; at once when it has already. Never when the
  /// call is over.
  func whenThereIsRoom(_ body: @escaping @Sendable () -> Void) {
    guard outboundFailure == nil else { return }
    if isAboveHighWater { onRoom = body } else { body() }
  }

  /// Tells the handler that nobody waits for its answer any more.
  func cancelHandler() {
    guard case .server(var call) = side else { return }
    call.isCancelled = true
    side = .server(call)
    call.cancellation?.cancel()
  }

  // MARK: - What the call's task does

  func attach(_ cancellation: ServerContext.RPCCancellationHandle) {
    guard case .server(var call) = side else { return }
    call.cancellation = cancellation
    side = .server(call)
    if call.isCancelled { cancellation.cancel() }
  }

  /// A part that is there already, or the end; nil when one has to wait.
  func readNow() -> Result<InboundPart?, any Error>? {
    if isReadCancelled { return .failure(cancellation) }
    if let part = parts.popFirst() {
      releaseWindow()
      return .success(part)
    }
    return inboundEnd.map { end in end.map { nil }.mapError { $0 } }
  }

  func read(_ continuation: CheckedContinuation<InboundPart?, any Error>) {
    if let ready = readNow() {
      continuation.resume(with: ready)
    } else if reader != nil {
      continuation.resume(
        throwing: RPCError(code: .internalError, message: "two tasks read the same call")
      )
    } else {
      reader = continuation
    }
  }

  func cancelRead() {
    isReadCancelled = true
    reader?.resume(throwing: cancellation)
    reader = nil
  }

  /// What a cancelled task of the call gets. A caller's must be a status: GRPCCore makes UNKNOWN of
  /// any other error.
  private var cancellation: any Error {
    switch side {
    case .client: RPCError(code: .cancelled, message: "the call was cancelled")
    case .server: CancellationError()
    }
  }

  func cancelWriters() {
    isWriteCancelled = true
    for writer in writers { writer.resume(throwing: cancellation) }
    writers.removeAll()
  }

  /// Sends a part. Returns whether the writer may go on at once.
  ///
  /// - Throws: `RPCError` when the call is over.
  func write(_ part: OutboundPart) throws -> Bool {
    let hasRoom = try queue(part)
    connection.scheduleFlush()
    return hasRoom
  }

  /// Like `write`, for one who flushes the connection himself.
  func queue(_ part: OutboundPart) throws -> Bool {
    if let outboundFailure {
      // A status after the end is no fault of the handler's.
      if case .status = part { return true }
      throw outboundFailure
    }
    guard !isOutboundFinished else {
      throw RPCError(code: .failedPrecondition, message: "the call was finished already")
    }
    switch part {
    case .message(let bytes): try send(bytes)
    case .metadata(let metadata):
      switch side {
      case .server: try connection.sendResponse(metadata, on: self)
      case .client: try connection.sendRequest(metadata, on: self)
      }
    case .status(let status, let metadata):
      guard case .server = side else {
        throw RPCError(code: .internalError, message: "clients send no status")
      }
      try connection.sendStatus(status, metadata, on: self)
    }
    return !isAboveHighWater
  }

  private func send(_ bytes: TransportBytes) throws {
    if let limit = maxSentBytes, bytes.count > limit {
      throw RPCError(
        code: .resourceExhausted,
        message: "the message has \(bytes.count) bytes; at most \(limit) are sent"
      )
    }
    if !hasSentHeaders, case .server = side { try connection.sendResponse([:], on: self) }
    if compresses, bytes.isCompressed, let smaller = try Gzip.compressed(bytes.buffer) {
      isAboveHighWater = !connection.session.send(
        smaller,
        prefix: BodyPrefix(flag: 1, messageLength: UInt32(smaller.readableBytes)),
        on: id
      )
      return
    }
    isAboveHighWater = !connection.session.send(
      bytes.buffer,
      prefix: BodyPrefix(messageLength: UInt32(bytes.count)),
      on: id
    )
  }

  func write(_ part: OutboundPart, _ continuation: CheckedContinuation<Void, any Error>) {
    do {
      if try write(part) {
        continuation.resume()
      } else if isWriteCancelled {
        // Its task was cancelled before it came here: nobody would wake it.
        continuation.resume(throwing: cancellation)
      } else {
        writers.append(continuation)
      }
    } catch {
      continuation.resume(throwing: error)
    }
  }

  func waitForRoom(_ continuation: CheckedContinuation<Void, any Error>) {
    if let outboundFailure {
      continuation.resume(throwing: outboundFailure)
    } else if isAboveHighWater, isWriteCancelled {
      continuation.resume(throwing: cancellation)
    } else if isAboveHighWater {
      writers.append(continuation)
    } else {
      continuation.resume()
    }
  }

  /// Ends our side, or with an error the whole call.
  func finish(_ error: (any Error)?) {
    guard !isOutboundFinished, !isClosed else { return }
    switch side {
    case .server:
      // A handler that ends without a status was cut short.
      isOutboundFinished = true
      connection.session.reset(id, errorCode: HTTP2ErrorCode.internalError)
    case .client:
      isOutboundFinished = true
      if error != nil {
        connection.abandon(self)
      } else if id != 0 {
        connection.session.finish(id)
      }
    }
    connection.scheduleFlush()
  }
}

/// What only a server's call has.
struct ServerCall {
  /// GRPCCore's handle, once the call's task runs.
  var cancellation: ServerContext.RPCCancellationHandle?
  var isCancelled = false
  /// The client's `grpc-accept-encoding` names gzip.
  var acceptsGzip = false
  var deadline: Scheduled<Void>?
}

/// What only a client's call has.
struct ClientCall {
  let path: String
  let authority: String
  var receivedHeaders = false
  /// An HTTP status that is not 200, or a content type that is not gRPC's: the call fails with it.
  var httpFailure: RPCError?
}
