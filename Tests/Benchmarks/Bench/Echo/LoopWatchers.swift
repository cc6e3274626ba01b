internal import GRPCCore
internal import NIOCore
internal import Synchronization
internal import Transport

/// Watchers on the product's transport, written to as the control plane's watch streams are: one job a
/// loop writes to all of its streams; one whose reader does not read is passed over.
final class LoopWatchers: EchoWatchers {
  private let parts = Mutex<[ObjectIdentifier: Part]>([:])
  private let next = Atomic<UInt64>(0)

  func publish(_ message: TransportBytes) {
    for part in parts.withLock({ Array($0.values) }) {
      // A copy for each loop: a shared buffer's reference count would pass from core to core.
      let copy = EncodedMessage(TransportBytes(ByteBuffer(bytes: message.buffer.readableBytesView)))
      part.loop.execute { part.write(copy) }
    }
  }

  func serve(
    _ context: ServerContext,
    _ write: @escaping @Sendable (TransportBytes) async throws -> Void
  ) async throws {
    guard let outbound = context.directOutbound else {
      throw RPCError(code: .internalError, message: "not on the product's transport")
    }
    let part = part(of: outbound.eventLoop)
    let id = next.add(1, ordering: .relaxed).newValue
    let (cancelled, continuation) = AsyncStream.makeStream(of: Void.self)
    try await withRPCCancellationHandler {
      try await write(TransportBytes(repeating: 1, count: 1))
      part.add(outbound, id)
      defer { part.remove(id) }
      for await _ in cancelled {}
    } onCancelRPC: {
      continuation.finish()
    }
  }

  private func part(of loop: any EventLoop) -> Part {
    parts.withLock { parts in
      let part = parts[ObjectIdentifier(loop)] ?? Part(loop)
      parts[ObjectIdentifier(loop)] = part
      return part
    }
  }

  /// The watchers of one loop.
  private final class Part: Sendable {
    let loop: any EventLoop
    private let watchers = Mutex<[UInt64: DirectOutbound]>([:])

    init(_ loop: any EventLoop) { self.loop = loop }

    func add(_ outbound: DirectOutbound, _ id: UInt64) {
      watchers.withLock { $0[id] = outbound }
    }

    func remove(_ id: UInt64) {
      _ = watchers.withLock { $0.removeValue(forKey: id) }
    }

    /// Only on the loop.
    func write(_ message: EncodedMessage) {
      for (id, watcher) in watchers.withLock({ $0 }) {
        do {
          let hasRoom = try watcher.write(message)
          watcher.flush()
          guard !hasRoom else { continue }
          remove(id)
          watcher.whenThereIsRoom { self.add(watcher, id) }
        } catch {
          // The call is over; its task removes it.
        }
      }
    }
  }
}
