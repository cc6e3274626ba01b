internal import GRPCCore
internal import Synchronization

/// `bindery.bench.Echo` on any transport, with its messages as the transport's own bytes: the service
/// costs next to nothing, so that what is measured is the transport.
///
/// This file is compiled into the servers of all transports of GRPCCore.
enum EchoMethods {
  /// Registered with static types, so that the compiler can specialise a call's whole path.
  static func register<Transport: ServerTransport>(
    on router: inout RPCRouter<Transport>,
    watchers: some EchoWatchers<Transport.Bytes>
  ) {
    let raw = RawBytes<Transport.Bytes>()
    router.registerHandler(forMethod: method("Get"), deserializer: raw, serializer: raw) {
      request,
      _ in
      let request = try await ServerRequest(stream: request)
      return StreamingServerResponse(single: ServerResponse(message: request.message))
    }
    router.registerHandler(forMethod: method("Stream"), deserializer: raw, serializer: raw) {
      request,
      _ in
      let request = try await ServerRequest(stream: request)
      let count = request.message.withUnsafeBytes { bytes in
        bytes.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      }
      let message = Transport.Bytes(repeating: 7, count: 128)
      return StreamingServerResponse { writer in
        for _ in 0 ..< count { try await writer.write(message) }
        return [:]
      }
    }
    router.registerHandler(forMethod: method("Watch"), deserializer: raw, serializer: raw) {
      _,
      context in
      StreamingServerResponse { writer in
        try await watchers.serve(context) { try await writer.write($0) }
        return [:]
      }
    }
    router.registerHandler(forMethod: method("Publish"), deserializer: raw, serializer: raw) {
      request,
      _ in
      let request = try await ServerRequest(stream: request)
      watchers.publish(request.message)
      let empty = Transport.Bytes(repeating: 0, count: 0)
      return StreamingServerResponse(single: ServerResponse(message: empty))
    }
  }

  private static func method(_ name: String) -> MethodDescriptor {
    MethodDescriptor(fullyQualifiedService: "bindery.bench.Echo", method: name)
  }
}

/// All who watch, and get what is published.
protocol EchoWatchers<Message>: Sendable {
  associatedtype Message: GRPCContiguousBytes & Sendable

  func publish(_ message: Message)

  /// Writes a first message of one byte, then all that is published, until the call is cancelled.
  func serve(
    _ context: ServerContext,
    _ write: @escaping @Sendable (Message) async throws -> Void
  ) async throws
}

/// Watchers by gRPC's own means: a task each; a slow one gets the newest message only.
final class TaskWatchers<Message: GRPCContiguousBytes & Sendable>: EchoWatchers {
  private struct State {
    var streams: [UInt64: AsyncStream<Message>.Continuation] = [:]
    var next: UInt64 = 0
  }

  private let state = Mutex(State())

  func publish(_ message: Message) {
    state.withLock { state in
      for stream in state.streams.values { stream.yield(message) }
    }
  }

  func serve(
    _ context: ServerContext,
    _ write: @escaping @Sendable (Message) async throws -> Void
  ) async throws {
    let (stream, continuation) = AsyncStream.makeStream(
      of: Message.self,
      bufferingPolicy: .bufferingNewest(1)
    )
    let id = state.withLock { state in
      state.next += 1
      state.streams[state.next] = continuation
      return state.next
    }
    defer { _ = state.withLock { $0.streams.removeValue(forKey: id) } }
    try await withRPCCancellationHandler {
      try await write(Message(repeating: 1, count: 1))
      for await message in stream { try await write(message) }
    } onCancelRPC: {
      continuation.finish()
    }
  }
}

/// Passes a transport's bytes on as they are.
struct RawBytes<Message: GRPCContiguousBytes & Sendable>: MessageSerializer, MessageDeserializer {
  func serialize<Bytes: GRPCContiguousBytes>(_ message: Message) throws -> Bytes {
    if let bytes = message as? Bytes { return bytes }
    return message.withUnsafeBytes { Bytes($0) }
  }

  func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Message {
    if let message = bytes as? Message { return message }
    return bytes.withUnsafeBytes { Message($0) }
  }
}
