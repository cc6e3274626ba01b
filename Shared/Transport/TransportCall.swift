package import GRPCCore
package import NIOCore
package import TLS

/// What a service may know of its call beyond gRPC (`ServerContext.transportSpecific`).
package struct TransportCall: ServerContext.TransportSpecific {
  /// Who the client is, by a certificate that was verified.
  package let identity: PeerIdentity?
  package let outbound: DirectOutbound
}

/// What an interceptor puts around a call's specifics, so that services see both.
package protocol TransportSpecificLayer: ServerContext.TransportSpecific {
  var base: (any ServerContext.TransportSpecific)? { get }
}

extension ServerContext {
  private var transportCall: TransportCall? {
    var specific = transportSpecific
    while let layer = specific as? any TransportSpecificLayer { specific = layer.base }
    return specific as? TransportCall
  }

  /// Who the client is, by a certificate that was verified; nil without TLS or without a certificate.
  package var peerIdentity: PeerIdentity? { transportCall?.identity }

  /// Writes past the call's task; nil on transports that are not ours.
  package var directOutbound: DirectOutbound? { transportCall?.outbound }
}

/// Writes responses from the call's event loop, without a task: one job of a loop can write to all of
/// its streams. The call's metadata has to be sent before.
package struct DirectOutbound: Sendable {
  private let handle: CallHandle

  init(_ handle: CallHandle) { self.handle = handle }

  package var eventLoop: any EventLoop { handle.loop }

  /// Queues a message, which `flush` sends. Only on the event loop.
  ///
  /// - Returns: Whether there is room for more; else wait for `whenThereIsRoom`.
  /// - Throws: `RPCError` when the call is over.
  package func write(_ message: EncodedMessage) throws -> Bool {
    try handle.stream.value.queue(.message(message.bytes))
  }

  /// Sends what is queued. Only on the event loop.
  ///
  /// One stream after the other, written and flushed, costs less than all written and then all flushed:
  /// what a connection consists of is then in the processor's cache.
  package func flush() {
    handle.stream.value.connection.flushUnlessReading()
  }

  /// Where the stream's state lies. Only on the event loop.
  package var location: StreamLocation { StreamLocation(handle.stream.value) }

  /// Calls `body` once, on the loop, when what is queued has drained. Only on the event loop.
  package func whenThereIsRoom(_ body: @escaping @Sendable () -> Void) {
    handle.stream.value.whenThereIsRoom(body)
  }

  /// Ends the call for its client now, from any thread. The handler's RPC is cancelled; what it still
  /// writes is refused.
  package func end(_ status: Status) {
    handle.end(status)
  }
}
