package import GRPCCore
internal import SwiftProtobuf
package import TestWire

/// `grpc.testing.TestService`, gRPC's interoperability service, which clients of every language
/// know how to test.
package struct TestService: Grpc_Testing_TestService.ServiceProtocol {
  /// Names this server when a request asks who answered.
  private let serverID: String

  package init(serverID: String = "interop-server") {
    self.serverID = serverID
  }

  package func emptyCall(
    request: ServerRequest<Grpc_Testing_Empty>,
    context: ServerContext
  ) async throws -> ServerResponse<Grpc_Testing_Empty> {
    ServerResponse(message: Grpc_Testing_Empty())
  }

  package func unaryCall(
    request: ServerRequest<Grpc_Testing_SimpleRequest>,
    context: ServerContext
  ) async throws -> ServerResponse<Grpc_Testing_SimpleResponse> {
    let message = request.message
    if message.hasExpectCompressed { try Compression.check(message.expectCompressed) }
    let trailing = request.metadata.echoedTrailing
    if message.hasResponseStatus { try end(with: message.responseStatus, trailing) }
    var response = Grpc_Testing_SimpleResponse()
    response.payload = try .zeros(message.responseSize)
    if message.fillServerID { response.serverID = serverID }
    return ServerResponse(
      message: response,
      metadata: request.metadata.echoedInitial,
      trailingMetadata: trailing
    )
  }

  package func cacheableUnaryCall(
    request: ServerRequest<Grpc_Testing_SimpleRequest>,
    context: ServerContext
  ) async throws -> ServerResponse<Grpc_Testing_SimpleResponse> {
    try await unaryCall(request: request, context: context)
  }

  package func streamingOutputCall(
    request: ServerRequest<Grpc_Testing_StreamingOutputCallRequest>,
    context: ServerContext
  ) async throws -> StreamingServerResponse<Grpc_Testing_StreamingOutputCallResponse> {
    let trailing = request.metadata.echoedTrailing
    return StreamingServerResponse(metadata: request.metadata.echoedInitial) { writer in
      try await answer(request.message, trailing, writer, context)
      return trailing
    }
  }

  package func streamingInputCall(
    request: StreamingServerRequest<Grpc_Testing_StreamingInputCallRequest>,
    context: ServerContext
  ) async throws -> ServerResponse<Grpc_Testing_StreamingInputCallResponse> {
    var response = Grpc_Testing_StreamingInputCallResponse()
    for try await message in request.messages {
      if message.hasExpectCompressed { try Compression.check(message.expectCompressed) }
      response.aggregatedPayloadSize &+= Int32(message.payload.body.count)
    }
    return ServerResponse(
      message: response,
      metadata: request.metadata.echoedInitial,
      trailingMetadata: request.metadata.echoedTrailing
    )
  }

  package func fullDuplexCall(
    request: StreamingServerRequest<Grpc_Testing_StreamingOutputCallRequest>,
    context: ServerContext
  ) async throws -> StreamingServerResponse<Grpc_Testing_StreamingOutputCallResponse> {
    let trailing = request.metadata.echoedTrailing
    return StreamingServerResponse(metadata: request.metadata.echoedInitial) { writer in
      for try await message in request.messages {
        try await answer(message, trailing, writer, context)
      }
      return trailing
    }
  }

  package func halfDuplexCall(
    request: StreamingServerRequest<Grpc_Testing_StreamingOutputCallRequest>,
    context: ServerContext
  ) async throws -> StreamingServerResponse<Grpc_Testing_StreamingOutputCallResponse> {
    let trailing = request.metadata.echoedTrailing
    return StreamingServerResponse(metadata: request.metadata.echoedInitial) { writer in
      var waiting: [Grpc_Testing_StreamingOutputCallRequest] = []
      for try await var message in request.messages {
        guard waiting.count < Limits.halfDuplexRequests else {
          throw RPCError(
            code: .resourceExhausted,
            message: "at most \(Limits.halfDuplexRequests) requests wait for the half-close"
          )
        }
        // Only what it asks for is kept.
        message.clearPayload()
        waiting.append(message)
      }
      for message in waiting { try await answer(message, trailing, writer, context) }
      return trailing
    }
  }

  package func unimplementedCall(
    request: ServerRequest<Grpc_Testing_Empty>,
    context: ServerContext
  ) async throws -> ServerResponse<Grpc_Testing_Empty> {
    throw RPCError(code: .unimplemented, message: "UnimplementedCall is not implemented on purpose")
  }

  private func answer(
    _ request: Grpc_Testing_StreamingOutputCallRequest,
    _ trailing: Metadata,
    _ writer: RPCWriter<Grpc_Testing_StreamingOutputCallResponse>,
    _ context: ServerContext
  ) async throws {
    if request.hasResponseStatus { try end(with: request.responseStatus, trailing) }
    for parameters in request.responseParameters {
      try await pause(microseconds: parameters.intervalUs, context)
      var response = Grpc_Testing_StreamingOutputCallResponse()
      response.payload = try .zeros(parameters.size)
      try await writer.write(response)
    }
  }

  /// - Throws: `RPCError` with the status, unless it is OK.
  private func end(with status: Grpc_Testing_EchoStatus, _ trailing: Metadata) throws {
    guard let code = Status.Code(rawValue: Int(status.code)) else {
      throw RPCError(code: .invalidArgument, message: "response_status.code is 0 to 16")
    }
    guard let failure = RPCError.Code(code) else { return }
    throw RPCError(code: failure, message: status.message, metadata: trailing)
  }

  /// Waits, but no longer than the call lasts.
  private func pause(microseconds: Int32, _ context: ServerContext) async throws {
    guard microseconds > 0 else { return }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await Task.sleep(for: .microseconds(microseconds)) }
      group.addTask {
        try await context.cancellation.cancelled
        throw RPCError(code: .cancelled, message: "the call ended during a wait")
      }
      try await group.next()
      group.cancelAll()
    }
  }
}

/// What one caller can make the service hold or send.
private enum Limits {
  static let halfDuplexRequests = 1024
  static let payloadBytes: Int32 = 64 * 1024 * 1024
}

/// What the service knows of message compression.
private enum Compression {
  /// - Throws: `RPCError` `invalidArgument` when a message did not come as it says.
  static func check(_ expected: Grpc_Testing_BoolValue) throws {
    // The transport takes no compressed messages yet: one that arrived came uncompressed.
    guard expected.value else { return }
    throw RPCError(
      code: .invalidArgument,
      message: "expect_compressed is set and the message came uncompressed"
    )
  }
}

extension Grpc_Testing_Payload {
  /// - Throws: `RPCError` `invalidArgument` for a size that no answer has.
  fileprivate static func zeros(_ size: Int32) throws -> Self {
    guard (0 ... Limits.payloadBytes).contains(size) else {
      throw RPCError(
        code: .invalidArgument,
        message: "a payload has 0 to \(Limits.payloadBytes) bytes, not \(size)"
      )
    }
    return .zeros(Int(size))
  }
}

extension Metadata {
  fileprivate var echoedInitial: Metadata { only(InteropMetadata.initial) }
  fileprivate var echoedTrailing: Metadata { only(InteropMetadata.trailing) }

  private func only(_ key: String) -> Metadata {
    var result = Metadata()
    for value in self[key] { result.add(value, forKey: key) }
    return result
  }
}
