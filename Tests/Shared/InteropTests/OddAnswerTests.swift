import GRPCCore
import GRPCProtobuf
import Logging
import NIOPosix
import Scenario
import TestWire
import Testing
import Transport

/// What our client makes of answers that no gRPC server gives, but proxies and broken servers do.
/// The server is Tests/Fixtures/python/odd_server.py; methods are named by what it answers.
@Suite struct `Odd answers` {
  /// gRPC's doc/http-grpc-status-mapping.md.
  @Test func `an HTTP status without a gRPC one becomes the status of the mapping`() async throws {
    let mapped: [(Int, RPCError.Code)] = [
      (400, .internalError), (401, .unauthenticated), (403, .permissionDenied),
      (404, .unimplemented), (429, .unavailable), (502, .unavailable), (503, .unavailable),
      (504, .unavailable), (302, .unknown), (405, .unknown), (418, .unknown),
      (500, .unknown), (501, .unknown),
    ]
    try await withOddServer { call in
      for (status, code) in mapped {
        for shape in ["", "-bare", "-reset"] {
          let error = await call.failure("http-\(status)\(shape)")
          #expect(error?.code == code, "HTTP \(status)\(shape)")
          #expect(error?.message.contains("\(status)") == true)
        }
      }
    }
  }

  @Test func `a gRPC status beats the HTTP status that it comes with`() async throws {
    try await withOddServer { call in
      for status in [200, 400, 503] {
        let error = await call.failure("http-\(status)-grpc")
        #expect(error?.code == .notFound)
        #expect(error?.message == "from the service")
      }
    }
  }

  /// gRPC's doc/PROTOCOL-HTTP2.md, "Errors"; codes without a mapping are INTERNAL.
  @Test(arguments: ["reset", "late-reset"])
  func `a reset stream becomes the status of the mapping`(how: String) async throws {
    let mapped: [(Int, RPCError.Code)] = [
      (0, .internalError), (1, .internalError), (2, .internalError), (3, .internalError),
      (4, .internalError), (5, .internalError), (6, .internalError), (7, .unavailable),
      (8, .cancelled), (9, .internalError), (10, .internalError), (11, .resourceExhausted),
      (12, .permissionDenied), (13, .internalError), (99, .internalError),
    ]
    try await withOddServer { call in
      for (reset, code) in mapped {
        let error = await call.failure("\(how)-\(reset)")
        #expect(error?.code == code, "\(how) \(reset)")
      }
    }
  }

  @Test func `an answer without a valid status is UNKNOWN`() async throws {
    try await withOddServer { call in
      for method in [
        "html", "no-status", "trailers-without", "status-", "status-x", "status-99", "status--1",
      ] {
        let error = await call.failure(method)
        #expect(error?.code == .unknown, "\(method)")
      }
    }
  }

  @Test func `a broken message fails the call although the status is OK`() async throws {
    try await withOddServer { call in
      for (method, code) in [
        ("cut-prefix", RPCError.Code.internalError), ("cut", .internalError),
        ("flag-1", .internalError), ("flag-2", .internalError), ("flag-255", .internalError),
        ("encoded", .internalError), ("huge", .resourceExhausted),
      ] {
        let error = await call.failure(method)
        #expect(error?.code == code, "\(method)")
      }
    }
  }

  @Test func `informational answers are passed over`() async throws {
    try await withOddServer { call in
      let error = await call.failure("information")
      #expect(error == nil)
    }
  }

  @Test func `escapes in a message that are none are left as they are`() async throws {
    try await withOddServer { call in
      let error = await call.failure("percent")
      #expect(error?.code == .notFound)
      #expect(error?.message == "100%, %zz and €%")
    }
  }

  /// RFC 9113 section 8.1: a complete answer, then RST_STREAM with NO_ERROR.
  @Test func `an answer before the end of the request is taken`() async throws {
    try await withOddServer { call in
      let error = await call.failure("early", isEndless: true)
      #expect(error?.code == .failedPrecondition)
    }
  }
}

/// Calls to the odd server.
private struct OddCalls: Sendable {
  let client: GRPCClient<HTTP2ClientTransport>

  /// How a call of the method fails; nil when it does not.
  func failure(_ method: String, isEndless: Bool = false) async -> RPCError? {
    var options = CallOptions.defaults
    options.timeout = .seconds(20)
    do {
      try await client.bidirectionalStreaming(
        request: StreamingClientRequest { writer in
          try await writer.write(Grpc_Testing_Empty())
          while isEndless { try await writer.write(Grpc_Testing_Empty()) }
        },
        descriptor: MethodDescriptor(fullyQualifiedService: "bindery.test.Odd", method: method),
        serializer: ProtobufSerializer<Grpc_Testing_Empty>(),
        deserializer: ProtobufDeserializer<Grpc_Testing_Empty>(),
        options: options
      ) { response in
        for try await _ in response.messages {}
      }
      return nil
    } catch let error as RPCError {
      return error
    } catch {
      return RPCError(code: .unknown, message: "no status at all: \(error)")
    }
  }
}

/// After all the odd answers, an ordinary call on the same connection must work.
private func withOddServer(
  _ body: @escaping @Sendable (OddCalls) async throws -> Void
) async throws {
  try await Peers.use { peers in
    try await peers.serve("odd_server.py") { address in
      let transport = HTTP2ClientTransport(
        endpoints: [try TransportAddress(parsing: address)],
        group: MultiThreadedEventLoopGroup.singleton,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      )
      try await withGRPCClient(transport: transport) { client in
        let calls = OddCalls(client: client)
        try await body(calls)
        let error = await calls.failure("ok")
        #expect(error == nil)
      }
    }
  }
}
