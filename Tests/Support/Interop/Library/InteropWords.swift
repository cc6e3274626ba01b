internal import Foundation
internal import TestWire

/// Metadata that the interoperability service sends back.
enum InteropMetadata {
  static let initial = "x-grpc-test-echo-initial"
  static let trailing = "x-grpc-test-echo-trailing-bin"
}

extension Grpc_Testing_Payload {
  static func zeros(_ count: Int) -> Self {
    var payload = Grpc_Testing_Payload()
    payload.body = Data(count: count)
    return payload
  }
}
