internal import GRPCCore
internal import NIOCore

/// An accepted connection; its calls are child tasks of the server's.
///
/// They run on the global executor: with a task executor of the connection's loop, calls that opened a
/// connection of the Postgres pool (an actor with an executor of its own) never resumed.
final class ServerConnection: Sendable {
  private struct Call: Sendable {
    let handle: CallHandle
    let descriptor: MethodDescriptor
  }

  let security = ConnectionSecurity()
  private let handler: NIOLoopBound<ConnectionHandler>
  private let channel: any Channel
  private let calls: AsyncStream<Call>
  private let continuation: AsyncStream<Call>.Continuation

  /// Only on the channel's event loop.
  init(_ handler: ConnectionHandler, channel: any Channel) {
    let loop = channel.eventLoop
    self.channel = channel
    self.handler = NIOLoopBound(handler, eventLoop: loop)
    let (calls, continuation) = AsyncStream.makeStream(of: Call.self)
    (self.calls, self.continuation) = (calls, continuation)
    handler.onCall = { stream, path in
      continuation.yield(
        Call(handle: CallHandle(stream, loop: loop), descriptor: MethodDescriptor(path: path))
      )
    }
    handler.onInactive = { continuation.finish() }
  }

  /// Runs the calls of the connection until it is closed and they are over.
  func run(
    _ serve:
      @escaping @concurrent @Sendable (
        RPCStream<HTTP2ServerTransport.Inbound, HTTP2ServerTransport.Outbound>, ServerContext
      ) async -> Void
  ) async {
    let remote = TransportAddress(channel.remoteAddress).peerName
    let local = TransportAddress(channel.localAddress).peerName
    await withDiscardingTaskGroup { group in
      for await call in calls {
        group.addTask {
          let stream = RPCStream(
            descriptor: call.descriptor,
            inbound: RPCAsyncSequence(wrapping: InboundSequence.requests(of: call.handle)),
            outbound: RPCWriter.Closable(wrapping: OutboundWriter.responses(of: call.handle))
          )
          await withServerContextRPCCancellationHandle { cancellation in
            call.handle.attach(cancellation)
            var context = ServerContext(
              descriptor: call.descriptor,
              remotePeer: remote,
              localPeer: local,
              cancellation: cancellation
            )
            context.transportSpecific = self.security.peer
            await serve(stream, context)
          }
        }
      }
    }
  }

  func beginGracefulShutdown(drain: TimeAmount) {
    let handler = handler
    channel.eventLoop.execute { handler.value.beginGracefulShutdown() }
    channel.eventLoop.scheduleTask(in: drain) { handler.value.closeNow() }
  }

  func closeNow() {
    let handler = handler
    channel.eventLoop.execute { handler.value.closeNow() }
  }
}

extension MethodDescriptor {
  /// From a request's path, "/package.Service/Method"; one that is no such path names nothing.
  init(path: String) {
    let parts = path.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].isEmpty, !parts[1].isEmpty, !parts[2].isEmpty else {
      self.init(fullyQualifiedService: "", method: path)
      return
    }
    self.init(fullyQualifiedService: String(parts[1]), method: String(parts[2]))
  }
}
