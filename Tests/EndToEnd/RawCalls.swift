import Foundation
import GRPCCore
import Logging
import NIOCore
import NIOPosix
import Scenario
import SwiftProtobuf
import TLS
import Transport
import WireServices

/// Calls any method of a control plane with any credential, by bytes.
struct RawCalls: Sendable {
  var address: String
  /// Value of "authorization"; nil leaves it away.
  var authorization: String?
  var tls: ReloadingTLSContext?

  init(_ address: String, token: String? = nil) {
    self.address = address
    authorization = token.map { "Bearer \($0)" }
  }

  /// How a call ended.
  struct Ending: Sendable {
    var code: Status.Code
    var message: String
    var answers: [[UInt8]]
  }

  /// Sends messages, runs `beforeEnd` before it ends the request, leaves the call open until it ends by itself or `until` has seen enough.
  func call(
    _ method: MethodDescriptor,
    _ messages: [any SwiftProtobuf.Message & Sendable],
    staysOpen: Bool = false,
    seconds: Int64 = 20,
    until isEnough: @escaping @Sendable ([[UInt8]]) async throws -> Bool = { _ in false },
    beforeEnd: (@Sendable () async throws -> Void)? = nil
  ) async throws -> Ending {
    do {
      return try await withClient { client in
        try await self.call(
          on: client,
          method,
          messages,
          staysOpen: staysOpen,
          seconds: seconds,
          until: isEnough,
          beforeEnd: beforeEnd
        )
      }
    } catch let error as RPCError {
      return Ending(code: Status.Code(error.code), message: error.message, answers: [])
    }
  }

  /// One connection for several calls.
  func withClient<Result: Sendable>(
    _ body: @Sendable (GRPCClient<HTTP2ClientTransport>) async throws -> Result
  ) async throws -> Result {
    var configuration = ClientTransportConfiguration()
    configuration.tls = tls
    configuration.tlsServerName = "localhost"
    let transport = HTTP2ClientTransport(
      endpoints: [try TransportAddress(parsing: address)],
      configuration: configuration,
      group: MultiThreadedEventLoopGroup.singleton,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    return try await withGRPCClient(transport: transport) { try await body($0) }
  }

  /// Like `call`, on a connection that there is.
  func call(
    on client: GRPCClient<HTTP2ClientTransport>,
    _ method: MethodDescriptor,
    _ messages: [any SwiftProtobuf.Message & Sendable],
    staysOpen: Bool = false,
    seconds: Int64 = 20,
    until isEnough: @escaping @Sendable ([[UInt8]]) async throws -> Bool = { _ in false },
    beforeEnd: (@Sendable () async throws -> Void)? = nil
  ) async throws -> Ending {
    let bytes = try messages.map { try $0.serializedBytes() as [UInt8] }
    var metadata: Metadata = [:]
    if let authorization { metadata.addString(authorization, forKey: "authorization") }
    let request = StreamingClientRequest<[UInt8]>(metadata: metadata) { writer in
      for message in bytes { try await writer.write(message) }
      try await beforeEnd?()
      if staysOpen { try await Task.sleep(for: .seconds(seconds)) }
    }
    var options = CallOptions.defaults
    options.timeout = .seconds(seconds)
    let callOptions = options
    do {
      return try await client.bidirectionalStreaming(
        request: request,
        descriptor: method,
        serializer: Bytes(),
        deserializer: Bytes(),
        options: callOptions
      ) { response in
        var answers: [[UInt8]] = []
        do {
          for try await message in response.messages {
            answers.append(message)
            if try await isEnough(answers) { break }
          }
          return Ending(code: .ok, message: "", answers: answers)
        } catch let error as RPCError {
          return Ending(code: Status.Code(error.code), message: error.message, answers: answers)
        }
      }
    } catch let error as RPCError {
      return Ending(code: Status.Code(error.code), message: error.message, answers: [])
    }
  }

  private struct Bytes: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes {
      Bytes(message)
    }

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
      bytes.withUnsafeBytes { Array($0) }
    }
  }
}

/// Every method of Bindery's services.
let allMethods: [MethodDescriptor] =
  Bindery_V1_Admin.Method.descriptors + Bindery_V1_Distribution.Method.descriptors
  + Bindery_V1_Conversations.Method.descriptors + Bindery_V1_Ledger.Method.descriptors

/// A method by its names.
func bindery(_ service: String, _ method: String) -> MethodDescriptor {
  MethodDescriptor(fullyQualifiedService: "bindery.v1.\(service)", method: method)
}
