internal import GRPCCore
internal import TestWire

// Streams, and calls that end before their time. Sizes are those of the published description.
private let requestSizes = [27_182, 8, 1_828, 45_904]
private let responseSizes = [31_415, 9, 2_653, 58_979]

extension InteropCases {
  func clientStreaming() async throws {
    let answer = try await service.streamingInputCall(options: options) { writer in
      for size in requestSizes {
        var request = Grpc_Testing_StreamingInputCallRequest()
        request.payload = .zeros(size)
        try await writer.write(request)
      }
    }
    try expect("the sum of the sizes", answer.aggregatedPayloadSize, 74_922)
  }

  func serverStreaming() async throws {
    let request = Grpc_Testing_StreamingOutputCallRequest.asking(for: responseSizes)
    try await service.streamingOutputCall(request, options: options) { response in
      try await expectZeros(response, responseSizes)
    }
  }

  /// Every request is sent only after the answer to the one before.
  func pingPong() async throws {
    let (turns, nextTurn) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .unbounded)
    nextTurn.yield(0)
    try await service.fullDuplexCall(options: options) { writer in
      for await turn in turns {
        try await writer.write(
          .asking(for: [responseSizes[turn]], payload: requestSizes[turn])
        )
      }
    } onResponse: { response in
      defer { nextTurn.finish() }
      var turn = 0
      for try await message in response.messages {
        try expect("the answer to turn \(turn)", message.payload, .zeros(responseSizes[turn]))
        turn += 1
        if turn < responseSizes.count {
          nextTurn.yield(turn)
        } else {
          nextTurn.finish()
        }
      }
      try expect("the number of answers", turn, responseSizes.count)
    }
  }

  func emptyStream() async throws {
    try await service.fullDuplexCall(options: options) { _ in
    } onResponse: { response in
      try await expectZeros(response, [])
    }
  }

  func halfDuplex() async throws {
    try await service.halfDuplexCall(options: options) { writer in
      for size in responseSizes { try await writer.write(.asking(for: [size])) }
    } onResponse: { response in
      try await expectZeros(response, responseSizes)
    }
  }

  func cancelAfterBegin() async throws {
    let (begun, signal) = AsyncStream.makeStream(of: Void.self)
    try await expectCancelled(after: begun, signal) {
      _ = try await service.streamingInputCall(options: options) { _ in
        signal.finish()
        try await untilCancelled()
      }
    }
  }

  func cancelAfterFirstResponse() async throws {
    let (answered, signal) = AsyncStream.makeStream(of: Void.self)
    try await expectCancelled(after: answered, signal) {
      _ = try await service.fullDuplexCall(options: options) { writer in
        try await writer.write(
          .asking(for: [responseSizes[0]], payload: requestSizes[0])
        )
        try await untilCancelled()
      } onResponse: { response in
        for try await message in response.messages {
          try expect("the first answer", message.payload, .zeros(responseSizes[0]))
          signal.finish()
        }
      }
    }
  }

  /// The published case, whose deadline may pass before anything was sent, and one where the server
  /// sleeps.
  func timeoutOnSleepingServer() async throws {
    for (timeout, interval) in [
      (Duration.milliseconds(1), Int32(0)), (.milliseconds(300), 60_000_000),
    ] {
      var hasty = options
      hasty.timeout = timeout
      let options = hasty
      try await expectStatus(.deadlineExceeded) {
        try await service.fullDuplexCall(options: options) { writer in
          var request = Grpc_Testing_StreamingOutputCallRequest()
          request.payload = .zeros(27_182)
          if interval > 0 {
            request.responseParameters = [.init(size: 9, intervalMicroseconds: interval)]
          }
          try await writer.write(request)
          try await untilCancelled()
        } onResponse: { response in
          for try await _ in response.messages {}
        }
      }
    }
  }

  /// A reader that stops in the middle of 16 MiB, more than any window: calls beside it go on, and
  /// nothing is lost when it reads again.
  func slowConsumer() async throws {
    let sizes = Array(repeating: 64 * 1024, count: 256)
    try await service.streamingOutputCall(.asking(for: sizes), options: options) { response in
      var seen = 0
      for try await message in response.messages {
        try expect("the size of message \(seen)", message.payload.body.count, sizes[0])
        seen += 1
        guard seen % 64 == 1 else { continue }
        for _ in 0 ..< 16 {
          let beside = try await service.unaryCall(.large, options: options)
          try expect("the payload beside it", beside.payload.body.count, 314_159)
        }
      }
      try expect("the number of messages", seen, sizes.count)
    }
  }

  private func expectZeros(
    _ response: StreamingClientResponse<Grpc_Testing_StreamingOutputCallResponse>,
    _ sizes: [Int]
  ) async throws {
    var seen = 0
    for try await message in response.messages {
      guard seen < sizes.count else { throw InteropMismatch(description: "an answer too many") }
      try expect("answer \(seen)", message.payload, .zeros(sizes[seen]))
      seen += 1
    }
    try expect("the number of answers", seen, sizes.count)
  }

  /// Cancels the call once `moment` has come; it must end with CANCELLED.
  private func expectCancelled(
    after moment: AsyncStream<Void>,
    _ signal: AsyncStream<Void>.Continuation,
    _ call: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        // A call that fails before the moment must not be waited for.
        defer { signal.finish() }
        try await expectStatus(.cancelled) { try await call() }
      }
      for await _ in moment {}
      group.cancelAll()
      try await group.waitForAll()
    }
  }
}

/// Keeps a call's sending side open until the call is over.
private func untilCancelled() async throws {
  let (never, continuation) = AsyncStream.makeStream(of: Void.self)
  defer { continuation.finish() }
  for await _ in never {}
  try Task.checkCancellation()
}

extension Grpc_Testing_StreamingOutputCallRequest {
  /// Asks for responses of these sizes.
  static func asking(for sizes: [Int], payload: Int = 0) -> Self {
    var request = Grpc_Testing_StreamingOutputCallRequest()
    request.responseParameters = sizes.map { .init(size: $0, intervalMicroseconds: 0) }
    if payload > 0 { request.payload = .zeros(payload) }
    return request
  }
}

extension Grpc_Testing_ResponseParameters {
  fileprivate init(size: Int, intervalMicroseconds: Int32) {
    self.init()
    self.size = Int32(size)
    intervalUs = intervalMicroseconds
  }
}
