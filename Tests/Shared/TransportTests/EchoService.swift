import GRPCCore
import Synchronization
import TLS
import Transport

/// Messages as plain bytes.
struct RawSerializer: MessageSerializer {
  func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }
}

struct RawDeserializer: MessageDeserializer {
  func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
    bytes.withUnsafeBytes { Array($0) }
  }
}

/// `bindery.test.Echo`: one method for each thing that a transport must carry.
final class EchoService: RegistrableRPCService {
  static let name = "bindery.test.Echo"
  /// What Large answers.
  static let largeBytes = 12 * 1024 * 1024
  /// Calls of Hang that were cancelled, and messages that Flood wrote.
  let cancelled = Mutex(0)
  let flooded = Mutex(0)
  /// Who called.
  let callers = Mutex<[PeerIdentity?]>([])

  static func method(_ name: String) -> MethodDescriptor {
    MethodDescriptor(fullyQualifiedService: Self.name, method: name)
  }

  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    // Update: every message comes back; metadata comes back as initial and as trailing metadata.
    register("Update", &router) { request in
      StreamingServerResponse(metadata: Self.echoed(request.metadata, "initial")) { writer in
        for try await message in request.messages { try await writer.write(message) }
        return Self.echoed(request.metadata, "trailing")
      }
    }
    // Collect: all messages come back as one.
    register("Collect", &router) { request in
      StreamingServerResponse { writer in
        var all: [UInt8] = []
        for try await message in request.messages { all += message }
        try await writer.write(all)
        return [:]
      }
    }
    // Expand: every byte of the message comes back as a message.
    register("Expand", &router) { request in
      StreamingServerResponse { writer in
        for try await message in request.messages {
          for byte in message { try await writer.write([byte]) }
        }
        return [:]
      }
    }
    // Fail: ends with a status and trailing metadata before anything is sent.
    register("Fail", &router) { request in
      StreamingServerResponse(
        error: RPCError(
          code: .failedPrecondition,
          message: "nö: 100% of \n it",
          metadata: ["why": "because", "raw-bin": .binary([0, 255, 1])]
        )
      )
    }
    // FailAtLength: the same with more to say than peers take.
    register("FailAtLength", &router) { request in
      let message = String(repeating: "ವಿವರ ", count: 30_000)
      return StreamingServerResponse(error: RPCError(code: .notFound, message: message))
    }
    // Hang: answers nothing until it is cancelled.
    register("Hang", &router) { [self] request in
      StreamingServerResponse { writer in
        try await writer.write([1])
        let (gate, continuation) = AsyncStream.makeStream(of: Void.self)
        await withRPCCancellationHandler {
          for await _ in gate { break }
        } onCancelRPC: {
          continuation.finish()
        }
        self.cancelled.withLock { $0 += 1 }
        return [:]
      }
    }
    // Large: one message, larger than all that lies between a handler and a reader.
    register("Large", &router) { request in
      StreamingServerResponse { writer in
        for try await _ in request.messages {}
        try await writer.write([UInt8](repeating: 3, count: Self.largeBytes))
        return [:]
      }
    }
    // Flood: writes messages of 16 KiB without end.
    register("Flood", &router) { [self] request in
      StreamingServerResponse { writer in
        while true {
          try await writer.write([UInt8](repeating: 7, count: 16 * 1024))
          self.flooded.withLock { $0 += 1 }
        }
      }
    }
  }

  private func register<Transport: ServerTransport>(
    _ name: String,
    _ router: inout RPCRouter<Transport>,
    _ handler:
      @escaping @Sendable (StreamingServerRequest<[UInt8]>) async throws ->
      StreamingServerResponse<[UInt8]>
  ) {
    router.registerHandler(
      forMethod: Self.method(name),
      deserializer: RawDeserializer(),
      serializer: RawSerializer()
    ) { [self] request, context in
      callers.withLock { $0.append(context.peerIdentity) }
      return try await handler(request)
    }
  }

  private static func echoed(_ metadata: Metadata, _ prefix: String) -> Metadata {
    var result = Metadata()
    for (key, value) in metadata where key.hasPrefix("x-") {
      switch value {
      case .string(let text): result.addString(text, forKey: "\(prefix)-\(key)")
      case .binary(let bytes): result.addBinary(bytes, forKey: "\(prefix)-\(key)")
      }
    }
    return result
  }
}
