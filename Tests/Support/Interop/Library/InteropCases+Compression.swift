internal import GRPCCore
internal import GRPCProtobuf
internal import SwiftProtobuf
internal import TestWire
internal import Transport

// Messages in gzip, beside others of the same call that are not. The stubs can't tell which came how,
// so these calls are made without them.
extension InteropCases {
  /// With the published probe: a server that does not notice a broken expectation can't be tested.
  func clientCompressedUnary() async throws {
    var request = Grpc_Testing_SimpleRequest.large
    request.expectCompressed = .with { $0.value = true }
    let probe = request
    try await expectStatus(.invalidArgument) {
      _ = try await unary(probe, compression: CompressionAlgorithm.none)
    }
    for isCompressed in [true, false] {
      request.expectCompressed = .with { $0.value = isCompressed }
      let answer = try await unary(
        request,
        compression: isCompressed ? .gzip : CompressionAlgorithm.none
      )
      try expect("the payload", answer.message.payload, .zeros(314_159))
    }
  }

  func serverCompressedUnary() async throws {
    for isCompressed in [true, false] {
      var request = Grpc_Testing_SimpleRequest.large
      request.responseCompressed = .with { $0.value = isCompressed }
      let answer = try await unary(request, compression: nil)
      try expect("compression of the answer", answer.isCompressed, isCompressed)
      try expect("the payload", answer.message.payload, .zeros(314_159))
    }
  }

  func clientCompressedStreaming() async throws {
    try await expectStatus(.invalidArgument) {
      _ = try await sum([(27_182, expected: true, isCompressed: false)])
    }
    let answer = try await sum([
      (27_182, expected: true, isCompressed: true), (45_904, expected: false, isCompressed: false),
    ])
    try expect("the sum of the sizes", answer, 73_086)
  }

  func serverCompressedStreaming() async throws {
    var request = Grpc_Testing_StreamingOutputCallRequest.asking(for: [31_415, 92_653])
    request.responseParameters[0].compressed = .with { $0.value = true }
    request.responseParameters[1].compressed = .with { $0.value = false }
    try await client.serverStreaming(
      request: ClientRequest(message: MarkedMessage(request, isCompressed: true)),
      descriptor: Grpc_Testing_TestService.Method.StreamingOutputCall.descriptor,
      serializer: MarkedSerializer(ProtobufSerializer()),
      deserializer: MarkedDeserializer(
        ProtobufDeserializer<Grpc_Testing_StreamingOutputCallResponse>()
      ),
      options: options
    ) { response in
      var flags: [Bool] = []
      var sizes: [Int] = []
      for try await answer in response.messages {
        flags.append(answer.isCompressed)
        sizes.append(answer.message.payload.body.count)
      }
      try expect("the sizes", sizes, [31_415, 92_653])
      try expect("the compression of the answers", flags, [true, false])
    }
  }

  private func unary(
    _ request: Grpc_Testing_SimpleRequest,
    compression: CompressionAlgorithm?
  ) async throws -> MarkedMessage<Grpc_Testing_SimpleResponse> {
    var options = options
    options.compression = compression
    return try await client.unary(
      request: ClientRequest(message: MarkedMessage(request, isCompressed: true)),
      descriptor: Grpc_Testing_TestService.Method.UnaryCall.descriptor,
      serializer: MarkedSerializer(ProtobufSerializer()),
      deserializer: MarkedDeserializer(ProtobufDeserializer()),
      options: options
    ) { try $0.message }
  }

  /// The sum that the server makes of payloads, some compressed, with what it is told of each.
  private func sum(
    _ messages: [(size: Int, expected: Bool, isCompressed: Bool)]
  ) async throws -> Int32 {
    var options = options
    options.compression = .gzip
    return try await client.clientStreaming(
      request: StreamingClientRequest { writer in
        for message in messages {
          var request = Grpc_Testing_StreamingInputCallRequest()
          request.payload = .zeros(message.size)
          request.expectCompressed = .with { $0.value = message.expected }
          try await writer.write(MarkedMessage(request, isCompressed: message.isCompressed))
        }
      },
      descriptor: Grpc_Testing_TestService.Method.StreamingInputCall.descriptor,
      serializer: MarkedSerializer(ProtobufSerializer()),
      deserializer: MarkedDeserializer(
        ProtobufDeserializer<Grpc_Testing_StreamingInputCallResponse>()
      ),
      options: options
    ) { try $0.message.message.aggregatedPayloadSize }
  }
}
