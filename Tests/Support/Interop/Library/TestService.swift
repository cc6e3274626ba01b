package import GRPCCore
internal import GRPCProtobuf
internal import SwiftProtobuf
internal import TestWire
internal import Transport

/// `grpc.testing.TestService`, gRPC's interoperability service, which clients of every language
/// know how to test.
package struct TestService: RegistrableRPCService {
  private typealias Method = Grpc_Testing_TestService.Method
  private typealias Marked = MarkedMessage
  private typealias OutputRequest = Marked<Grpc_Testing_StreamingOutputCallRequest>
  private typealias OutputResponse = Marked<Grpc_Testing_StreamingOutputCallResponse>

  /// Names this server when a request asks who answered.
  private let serverID: String

  package init(serverID: String = "interop-server") {
    self.serverID = serverID
  }

  package func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>)
  {
    register(Method.EmptyCall.descriptor, &router) { (request, _) in
      try await answer(request) { (_: Grpc_Testing_Empty, _) in Grpc_Testing_Empty() }
    }
    register(Method.UnaryCall.descriptor, &router) { request, _ in try await unary(request) }
    register(Method.CacheableUnaryCall.descriptor, &router) { request, _ in
      try await unary(request)
    }
    register(Method.StreamingOutputCall.descriptor, &router, output)
    register(Method.FullDuplexCall.descriptor, &router, output)
    register(Method.HalfDuplexCall.descriptor, &router, halfDuplex)
    register(Method.StreamingInputCall.descriptor, &router) { request, _ in try await input(request)
    }
    register(Method.UnimplementedCall.descriptor, &router) { (request, _) in
      try await answer(request) { (_: Grpc_Testing_Empty, _) -> Grpc_Testing_Empty in
        throw RPCError(
          code: .unimplemented,
          message: "UnimplementedCall is not implemented on purpose"
        )
      }
    }
  }

  /// With messages that know whether they are compressed, which generated code has no place for.
  private func register<
    Transport: ServerTransport,
    Request: SwiftProtobuf.Message,
    Response: SwiftProtobuf.Message
  >(
    _ method: MethodDescriptor,
    _ router: inout RPCRouter<Transport>,
    _ handler:
      @escaping @Sendable (StreamingServerRequest<Marked<Request>>, ServerContext) async throws ->
      StreamingServerResponse<Marked<Response>>
  ) {
    router.registerHandler(
      forMethod: method,
      deserializer: MarkedDeserializer(ProtobufDeserializer<Request>()),
      serializer: MarkedSerializer(ProtobufSerializer<Response>()),
      handler: handler
    )
  }

  /// The only message of the request answered by one.
  private func answer<Request, Response>(
    _ request: StreamingServerRequest<Marked<Request>>,
    _ body: (Request, inout Metadata) throws -> Response
  ) async throws -> StreamingServerResponse<Marked<Response>> {
    let only = try await ServerRequest(stream: request)
    var metadata = only.metadata.echoedInitial
    let response = try body(only.message.message, &metadata)
    return StreamingServerResponse(
      single: ServerResponse(
        message: Marked(response, isCompressed: true),
        metadata: metadata,
        trailingMetadata: only.metadata.echoedTrailing
      )
    )
  }

  private func unary(
    _ request: StreamingServerRequest<Marked<Grpc_Testing_SimpleRequest>>
  ) async throws -> StreamingServerResponse<Marked<Grpc_Testing_SimpleResponse>> {
    let only = try await ServerRequest(stream: request)
    let message = only.message.message
    if message.hasExpectCompressed {
      try Compression.check(message.expectCompressed, only.message.isCompressed)
    }
    let trailing = only.metadata.echoedTrailing
    if message.hasResponseStatus { try end(with: message.responseStatus, trailing) }
    var response = Grpc_Testing_SimpleResponse()
    response.payload = try .zeros(message.responseSize)
    if message.fillServerID { response.serverID = serverID }
    var metadata = only.metadata.echoedInitial
    if message.hasResponseCompressed {
      metadata.compression = message.responseCompressed.value ? .gzip : CompressionAlgorithm.none
    }
    return StreamingServerResponse(
      single: ServerResponse(
        message: Marked(response, isCompressed: true),
        metadata: metadata,
        trailingMetadata: trailing
      )
    )
  }

  private func input(
    _ request: StreamingServerRequest<Marked<Grpc_Testing_StreamingInputCallRequest>>
  ) async throws -> StreamingServerResponse<Marked<Grpc_Testing_StreamingInputCallResponse>> {
    var response = Grpc_Testing_StreamingInputCallResponse()
    for try await marked in request.messages {
      let message = marked.message
      if message.hasExpectCompressed {
        try Compression.check(message.expectCompressed, marked.isCompressed)
      }
      response.aggregatedPayloadSize &+= Int32(message.payload.body.count)
    }
    return StreamingServerResponse(
      single: ServerResponse(
        message: Marked(response, isCompressed: true),
        metadata: request.metadata.echoedInitial,
        trailingMetadata: request.metadata.echoedTrailing
      )
    )
  }

  @Sendable private func output(
    _ request: StreamingServerRequest<OutputRequest>,
    _ context: ServerContext
  ) async throws -> StreamingServerResponse<OutputResponse> {
    stream(request) { writer, trailing in
      for try await message in request.messages {
        try await answer(message.message, trailing, writer, context)
      }
    }
  }

  @Sendable private func halfDuplex(
    _ request: StreamingServerRequest<OutputRequest>,
    _ context: ServerContext
  ) async throws -> StreamingServerResponse<OutputResponse> {
    stream(request) { writer, trailing in
      var waiting: [Grpc_Testing_StreamingOutputCallRequest] = []
      for try await var message in request.messages {
        guard waiting.count < Limits.halfDuplexRequests else {
          throw RPCError(
            code: .resourceExhausted,
            message: "at most \(Limits.halfDuplexRequests) requests wait for the half-close"
          )
        }
        // Only what it asks for is kept.
        message.message.clearPayload()
        waiting.append(message.message)
      }
      for message in waiting { try await answer(message, trailing, writer, context) }
    }
  }

  /// An answer of several messages; each says whether it wants compression.
  private func stream(
    _ request: StreamingServerRequest<OutputRequest>,
    _ body: @escaping @Sendable (RPCWriter<OutputResponse>, Metadata) async throws -> Void
  ) -> StreamingServerResponse<OutputResponse> {
    let trailing = request.metadata.echoedTrailing
    var metadata = request.metadata.echoedInitial
    metadata.compression = .gzip
    return StreamingServerResponse(metadata: metadata) { writer in
      try await body(writer, trailing)
      return trailing
    }
  }

  private func answer(
    _ request: Grpc_Testing_StreamingOutputCallRequest,
    _ trailing: Metadata,
    _ writer: RPCWriter<OutputResponse>,
    _ context: ServerContext
  ) async throws {
    if request.hasResponseStatus { try end(with: request.responseStatus, trailing) }
    for parameters in request.responseParameters {
      try await pause(microseconds: parameters.intervalUs, context)
      var response = Grpc_Testing_StreamingOutputCallResponse()
      response.payload = try .zeros(parameters.size)
      try await writer.write(Marked(response, isCompressed: parameters.compressed.value))
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
  static func check(_ expected: Grpc_Testing_BoolValue, _ isCompressed: Bool) throws {
    guard expected.value != isCompressed else { return }
    throw RPCError(
      code: .invalidArgument,
      message: "expect_compressed is \(expected.value) and the message came "
        + (isCompressed ? "compressed" : "uncompressed")
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
