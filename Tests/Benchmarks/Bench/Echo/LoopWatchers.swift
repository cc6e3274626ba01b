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
      part.loop.execute { part.add(outbound, id) }
      defer { part.loop.execute { part.remove(id) } }
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
    private struct Watcher {
      let id: UInt64
      let outbound: DirectOutbound
      let location: StreamLocation
    }

    let loop: any EventLoop
    private let watchers: NIOLoopBoundBox<[Watcher]>

    init(_ loop: any EventLoop) {
      self.loop = loop
      watchers = .makeBoxSendingValue([], eventLoop: loop)
    }

    /// Only on the loop, as all of this.
    func add(_ outbound: DirectOutbound, _ id: UInt64) {
      let watcher = Watcher(id: id, outbound: outbound, location: outbound.location)
      watchers.withValue { $0.append(watcher) }
    }

    func remove(_ id: UInt64) {
      watchers.withValue { $0.removeAll { $0.id == id } }
    }

    func write(_ message: EncodedMessage) {
      var all: [Watcher] = []
      watchers.withValue { swap(&$0, &all) }
      var waiting: [Int] = []
      for index in all.indices {
        let next = index + StreamLocation.distance
        if next < all.count { all[next].location.prefetch() }
        do {
          let hasRoom = try all[index].outbound.write(message)
          all[index].outbound.flush()
          if !hasRoom { waiting.append(index) }
        } catch {
          // The call is over; its task removes it.
        }
      }
      watchers.withValue { swap(&$0, &all) }
      // `all` are the few that were added meanwhile.
      for watcher in all { add(watcher.outbound, watcher.id) }
      for index in waiting.reversed() {
        let watcher = watchers.withValue { $0.remove(at: index) }
        watcher.outbound.whenThereIsRoom { self.add(watcher.outbound, watcher.id) }
      }
    }
  }
}
