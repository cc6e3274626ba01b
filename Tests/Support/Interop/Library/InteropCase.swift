/// The cases of gRPC's interoperability description (doc/interop-test-descriptions.md) that need no
/// credentials, and two of our own: `half_duplex`, `slow_consumer`.
package enum InteropCase: String, CaseIterable, Sendable {
  case emptyUnary = "empty_unary"
  case largeUnary = "large_unary"
  case clientStreaming = "client_streaming"
  case serverStreaming = "server_streaming"
  case pingPong = "ping_pong"
  case emptyStream = "empty_stream"
  case halfDuplex = "half_duplex"
  case cancelAfterBegin = "cancel_after_begin"
  case cancelAfterFirstResponse = "cancel_after_first_response"
  case timeoutOnSleepingServer = "timeout_on_sleeping_server"
  case statusCodeAndMessage = "status_code_and_message"
  case specialStatusMessage = "special_status_message"
  case customMetadata = "custom_metadata"
  case unimplementedMethod = "unimplemented_method"
  case unimplementedService = "unimplemented_service"
  case slowConsumer = "slow_consumer"
  case clientCompressedUnary = "client_compressed_unary"
  case serverCompressedUnary = "server_compressed_unary"
  case clientCompressedStreaming = "client_compressed_streaming"
  case serverCompressedStreaming = "server_compressed_streaming"
}

/// What came is not what the case asks for.
package struct InteropMismatch: Error, CustomStringConvertible {
  package let description: String
}

func expect<Value: Equatable>(_ what: String, _ got: Value, _ wanted: Value) throws {
  guard got == wanted else {
    throw InteropMismatch(description: "\(what) is \(got), expected \(wanted)")
  }
}
