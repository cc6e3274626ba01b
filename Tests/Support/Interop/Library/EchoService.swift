package import GRPCCore
internal import Synchronization
package import TestWire

/// `bindery.test.Echo` (Tests/Fixtures/python/echo.proto): what stock clients call to see all that a
/// transport must carry.
package final class EchoService: Bindery_Test_Echo.StreamingServiceProtocol {
  private struct Counts {
    var held: Int32 = 0
    var released: Int32 = 0
  }

  private typealias Writer = RPCWriter<Bindery_Test_EchoResponse>

  private let counts = Mutex(Counts())

  package init() {}

  package func get(
    request: StreamingServerRequest<Bindery_Test_EchoRequest>,
    context: ServerContext
  ) async throws -> StreamingServerResponse<Bindery_Test_EchoResponse> {
    let report = try report(request.metadata)
    return try answer(request, context) { messages, writer in
      for try await message in messages {
        try await writer.write(.init(message, count: report ?? message.count))
      }
    }
  }

  package func collect(
    request: StreamingServerRequest<Bindery_Test_EchoRequest>,
    context: ServerContext
  ) async throws -> StreamingServerResponse<Bindery_Test_EchoResponse> {
    try answer(request, context) { messages, writer in
      var all = Bindery_Test_EchoResponse()
      for try await message in messages {
        all.text += message.text
        all.payload += message.payload
        all.count += 1
      }
      try await writer.write(all)
    }
  }

  package func expand(
    request: StreamingServerRequest<Bindery_Test_EchoRequest>,
    context: ServerContext
  ) async throws -> StreamingServerResponse<Bindery_Test_EchoResponse> {
    try answer(request, context) { messages, writer in
      for try await message in messages where message.count > 0 {
        for number in 0 ..< message.count { try await writer.write(.init(message, count: number)) }
      }
    }
  }

  package func update(
    request: StreamingServerRequest<Bindery_Test_EchoRequest>,
    context: ServerContext
  ) async throws -> StreamingServerResponse<Bindery_Test_EchoResponse> {
    try answer(request, context) { messages, writer in
      var number: Int32 = 0
      for try await message in messages {
        try await writer.write(.init(message, count: number))
        number += 1
      }
    }
  }

  /// The number that "echo-report" asks for.
  private func report(_ metadata: Metadata) throws -> Int32? {
    guard let what = metadata.first("echo-report") else { return nil }
    return try counts.withLock { counts in
      switch what {
      case "held": counts.held
      case "released": counts.released
      default: throw RPCError(code: .invalidArgument, message: "echo-report is held or released")
      }
    }
  }

  /// Does what the request's metadata asks for, then lets `body` write.
  private func answer(
    _ request: StreamingServerRequest<Bindery_Test_EchoRequest>,
    _ context: ServerContext,
    _ body:
      @escaping @Sendable (
        RPCAsyncSequence<Bindery_Test_EchoRequest, any Error>, Writer
      ) async throws -> Void
  ) throws -> StreamingServerResponse<Bindery_Test_EchoResponse> {
    let metadata = request.metadata
    if let number = metadata.first("echo-fail") {
      guard let code = Int(number).flatMap(Status.Code.init(rawValue:)).flatMap(RPCError.Code.init)
      else {
        throw RPCError(code: .invalidArgument, message: "echo-fail is 1 to 16")
      }
      throw RPCError(
        code: code,
        message: "nö: 100% of\nit",
        metadata: ["why": "because", "raw-bin": .binary([0, 255, 1])]
      )
    }
    let isHeld = metadata.first("echo-hold") != nil
    return StreamingServerResponse(metadata: metadata.echoed(as: "initial-")) { writer in
      if isHeld {
        self.counts.withLock { $0.held += 1 }
        defer { self.counts.withLock { $0.released += 1 } }
        try await context.cancellation.cancelled
        throw RPCError(code: .cancelled, message: "the call was held until it was cancelled")
      }
      try await body(request.messages, writer)
      return metadata.echoed(as: "trailing-")
    }
  }
}

extension Bindery_Test_EchoResponse {
  fileprivate init(_ request: Bindery_Test_EchoRequest, count: Int32) {
    self.init()
    text = request.text
    payload = request.payload
    self.count = count
  }
}

extension Metadata {
  fileprivate func first(_ key: String) -> String? {
    self[stringValues: key].first { _ in true }
  }

  /// Every value whose key begins with "x-", under the prefixed key.
  fileprivate func echoed(as prefix: String) -> Metadata {
    var echoed = Metadata()
    for (key, value) in self where key.hasPrefix("x-") { echoed.add(value, forKey: prefix + key) }
    return echoed
  }
}

extension Metadata {
  mutating func add(_ value: Metadata.Value, forKey key: String) {
    switch value {
    case .string(let text): addString(text, forKey: key)
    case .binary(let bytes): addBinary(bytes, forKey: key)
    }
  }
}
