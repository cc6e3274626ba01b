package import GRPCCore
internal import TestWire

/// Runs the cases against a server of `grpc.testing.TestService`.
package struct InteropCases<Transport: ClientTransport>: Sendable {
  let client: GRPCClient<Transport>
  let service: Grpc_Testing_TestService.Client<Transport>
  let options: CallOptions

  /// - Parameter timeout: Of every call that is to be answered.
  package init(client: GRPCClient<Transport>, timeout: Duration = .seconds(20)) {
    self.client = client
    service = Grpc_Testing_TestService.Client(wrapping: client)
    var options = CallOptions.defaults
    options.timeout = timeout
    // So that one call takes any answer of the cases.
    options.maxResponseMessageBytes = 16 * 1024 * 1024
    self.options = options
  }

  /// - Throws: `InteropMismatch`; `RPCError` when a call ends as it should not.
  package func run(_ test: InteropCase) async throws {
    switch test {
    case .emptyUnary: try await emptyUnary()
    case .largeUnary: try await largeUnary()
    case .clientStreaming: try await clientStreaming()
    case .serverStreaming: try await serverStreaming()
    case .pingPong: try await pingPong()
    case .emptyStream: try await emptyStream()
    case .halfDuplex: try await halfDuplex()
    case .cancelAfterBegin: try await cancelAfterBegin()
    case .cancelAfterFirstResponse: try await cancelAfterFirstResponse()
    case .timeoutOnSleepingServer: try await timeoutOnSleepingServer()
    case .statusCodeAndMessage:
      try await statusIsEchoed(message: "test status message")
    case .specialStatusMessage:
      try await statusIsEchoed(
        message: "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
      )
    case .customMetadata: try await customMetadata()
    case .unimplementedMethod: try await unimplementedMethod()
    case .unimplementedService: try await unimplementedService()
    case .slowConsumer: try await slowConsumer()
    case .clientCompressedUnary: try await clientCompressedUnary()
    case .serverCompressedUnary: try await serverCompressedUnary()
    case .clientCompressedStreaming: try await clientCompressedStreaming()
    case .serverCompressedStreaming: try await serverCompressedStreaming()
    }
  }

  /// Runs a call that must end with `code`, and with `message` when given.
  func expectStatus(
    _ code: RPCError.Code,
    message: String? = nil,
    _ call: @Sendable () async throws -> Void
  ) async throws {
    do {
      try await call()
    } catch let error as RPCError {
      try expect("the status", error.code, code)
      if let message { try expect("the message", error.message, message) }
      return
    }
    throw InteropMismatch(description: "the call was answered, expected \(code)")
  }
}

// MARK: - Unary calls, statuses and metadata

extension InteropCases {
  private func emptyUnary() async throws {
    let answer = try await service.emptyCall(Grpc_Testing_Empty(), options: options)
    try expect("the answer", answer, Grpc_Testing_Empty())
  }

  /// Sizes of the published description.
  private func largeUnary() async throws {
    let answer = try await service.unaryCall(.large, options: options)
    try expect("the payload", answer.payload, .zeros(314_159))
    // And several of megabytes, of less than what servers take by default.
    var request = Grpc_Testing_SimpleRequest()
    request.payload = .zeros(3 * 1024 * 1024)
    request.responseSize = 3 * 1024 * 1024
    let larger = try await service.unaryCall(request, options: options)
    try expect("the payload of 3 MiB", larger.payload, request.payload)
  }

  private func statusIsEchoed(message: String) async throws {
    var status = Grpc_Testing_EchoStatus()
    status.code = 2
    status.message = message
    let asked = status
    try await expectStatus(.unknown, message: message) {
      var request = Grpc_Testing_SimpleRequest()
      request.responseStatus = asked
      _ = try await service.unaryCall(request, options: options)
    }
    try await expectStatus(.unknown, message: message) {
      var request = Grpc_Testing_StreamingOutputCallRequest()
      request.responseStatus = asked
      let only = request
      _ = try await service.fullDuplexCall(options: options) { writer in
        try await writer.write(only)
      } onResponse: { response in
        for try await _ in response.messages {}
      }
    }
  }

  private func customMetadata() async throws {
    let word = "test_initial_metadata_value"
    let bytes: [UInt8] = [0xAB, 0xAB, 0xAB]
    let sent: Metadata = [
      InteropMetadata.initial: .string(word), InteropMetadata.trailing: .binary(bytes),
    ]
    let unary = try await service.unaryCall(.large, metadata: sent, options: options) {
      try expect("the payload", $0.message.payload, .zeros(314_159))
      return ($0.metadata, $0.trailingMetadata)
    }
    let stream = try await service.fullDuplexCall(metadata: sent, options: options) {
      try await $0.write(.asking(for: [314_159], payload: 271_828))
    } onResponse: { response in
      let contents = try response.accepted.get()
      var trailing = Metadata()
      var sizes: [Int] = []
      for try await part in contents.bodyParts {
        switch part {
        case .message(let message): sizes.append(message.payload.body.count)
        case .trailingMetadata(let metadata): trailing = metadata
        }
      }
      try expect("the sizes", sizes, [314_159])
      return (contents.metadata, trailing)
    }
    for (kind, got) in [("unary", unary), ("stream", stream)] {
      let initial = Array(got.0[stringValues: InteropMetadata.initial])
      try expect("the initial metadata (\(kind))", initial, [word])
      let trailing = Array(got.1[binaryValues: InteropMetadata.trailing])
      try expect("the trailing metadata (\(kind))", trailing, [bytes])
    }
  }

  private func unimplementedMethod() async throws {
    try await expectStatus(.unimplemented) {
      _ = try await service.unimplementedCall(Grpc_Testing_Empty(), options: options)
    }
  }

  private func unimplementedService() async throws {
    let nowhere = Grpc_Testing_UnimplementedService.Client(wrapping: client)
    try await expectStatus(.unimplemented) {
      _ = try await nowhere.unimplementedCall(Grpc_Testing_Empty(), options: options)
    }
  }
}

extension Grpc_Testing_SimpleRequest {
  static var large: Self {
    var request = Grpc_Testing_SimpleRequest()
    request.responseSize = 314_159
    request.payload = .zeros(271_828)
    return request
  }
}
