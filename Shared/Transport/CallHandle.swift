internal import GRPCCore
internal import NIOCore

/// A `CallStream` as tasks hold it: goes to its loop for everything.
///
/// On the loop already, reading what is there and writing where there is room suspend nothing.
struct CallHandle: Sendable {
  let loop: any EventLoop
  let stream: NIOLoopBound<CallStream>

  /// Only on the stream's event loop.
  init(_ stream: CallStream, loop: any EventLoop) {
    self.loop = loop
    self.stream = NIOLoopBound(stream, eventLoop: loop)
  }

  /// Ended by the peer or with its connection. Only on the stream's event loop.
  var isOver: Bool { stream.value.isClosed }

  private func onLoop(_ body: @escaping @Sendable (CallStream) -> Void) {
    if loop.inEventLoop {
      body(stream.value)
    } else {
      loop.execute { body(stream.value) }
    }
  }

  func next() async throws -> InboundPart? {
    if loop.inEventLoop, let ready = stream.value.readNow() { return try ready.get() }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        onLoop { $0.read(continuation) }
      }
    } onCancel: {
      loop.execute { stream.value.cancelRead() }
    }
  }

  func write(_ part: OutboundPart) async throws {
    if loop.inEventLoop {
      if try stream.value.write(part) { return }
      return try await suspended { $0.waitForRoom($1) }
    }
    try await suspended { $0.write(part, $1) }
  }

  private func suspended(
    _ body: @escaping @Sendable (CallStream, CheckedContinuation<Void, any Error>) -> Void
  ) async throws {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        onLoop { body($0, continuation) }
      }
    } onCancel: {
      loop.execute { stream.value.cancelWriters() }
    }
  }

  func attach(_ cancellation: ServerContext.RPCCancellationHandle) {
    onLoop { $0.attach(cancellation) }
  }

  func end(_ status: Status) {
    onLoop { stream in
      guard !stream.isClosed else { return }
      stream.connection.sendFailure(status, on: stream)
      stream.cancelHandler()
    }
  }

  func finish(_ error: (any Error)? = nil) {
    onLoop { $0.finish(error) }
  }

  /// The call's task is over: what is still open is reset.
  func abandon() {
    onLoop { $0.connection.abandon($0) }
  }
}

/// The parts of a call as they arrive, for one reader.
struct InboundSequence<Part: Sendable>: AsyncSequence, Sendable {
  let handle: CallHandle
  let convert: @Sendable (InboundPart) throws -> Part

  func makeAsyncIterator() -> Iterator { Iterator(handle: handle, convert: convert) }

  struct Iterator: AsyncIteratorProtocol {
    let handle: CallHandle
    let convert: @Sendable (InboundPart) throws -> Part

    mutating func next() async throws -> Part? {
      try await handle.next().map(convert)
    }

    mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> Part? {
      try await handle.next().map(convert)
    }
  }
}

/// Writes the parts of a call.
struct OutboundWriter<Part: Sendable>: ClosableRPCWriterProtocol {
  let handle: CallHandle
  let convert: @Sendable (Part) -> OutboundPart

  func write(_ element: Part) async throws {
    try await handle.write(convert(element))
  }

  func write(contentsOf elements: some Sequence<Part>) async throws {
    for element in elements { try await handle.write(convert(element)) }
  }

  func finish() async { handle.finish() }

  func finish(throwing error: any Error) async { handle.finish(error) }
}

extension InboundSequence where Part == RPCRequestPart<TransportBytes> {
  static func requests(of handle: CallHandle) -> Self {
    Self(handle: handle) { part in
      switch part {
      case .metadata(let metadata): .metadata(metadata)
      case .message(let bytes): .message(bytes)
      case .status: throw RPCError(code: .internalError, message: "a request has no status")
      }
    }
  }
}

extension InboundSequence where Part == RPCResponsePart<TransportBytes> {
  static func responses(of handle: CallHandle) -> Self {
    Self(handle: handle) { part in
      switch part {
      case .metadata(let metadata): .metadata(metadata)
      case .message(let bytes): .message(bytes)
      case .status(let status, let metadata): .status(status, metadata)
      }
    }
  }
}

extension OutboundWriter where Part == RPCRequestPart<TransportBytes> {
  static func requests(of handle: CallHandle) -> Self {
    Self(handle: handle) { part in
      switch part {
      case .metadata(let metadata): .metadata(metadata)
      case .message(let bytes): .message(bytes)
      }
    }
  }
}

extension OutboundWriter where Part == RPCResponsePart<TransportBytes> {
  static func responses(of handle: CallHandle) -> Self {
    Self(handle: handle) { part in
      switch part {
      case .metadata(let metadata): .metadata(metadata)
      case .message(let bytes): .message(bytes)
      case .status(let status, let metadata): .status(status, metadata)
      }
    }
  }
}
