internal import GRPCCore
internal import NIOCore

/// An accepted connection; its calls are child tasks of the server's.
///
/// Calls of methods that the configuration names run on the connection's loop: they begin in the turn
/// of the loop that read them, and as long as they wait for nothing but their stream, nothing is
/// handed from thread to thread.
final class ServerConnection: Sendable {
  typealias Serve =
    @concurrent @Sendable (
      RPCStream<HTTP2ServerTransport.Inbound, HTTP2ServerTransport.Outbound>, ServerContext
    ) async -> Void

  private struct Call: Sendable {
    let handle: CallHandle
    let descriptor: MethodDescriptor
  }

  let security = ConnectionSecurity()
  let executor: LoopExecutor
  private let handler: NIOLoopBound<ConnectionHandler>
  private let channel: any Channel
  private let runsOnLoop: @Sendable (MethodDescriptor) -> Bool
  private let calls: NIOLoopBound<CallQueue<Call>>

  /// Only on the channel's event loop.
  init(
    _ handler: ConnectionHandler,
    channel: any Channel,
    runsOnLoop: @escaping @Sendable (MethodDescriptor) -> Bool
  ) {
    let loop = channel.eventLoop
    self.channel = channel
    self.runsOnLoop = runsOnLoop
    executor = LoopExecutor(loop)
    self.handler = NIOLoopBound(handler, eventLoop: loop)
    let calls = CallQueue<Call>()
    self.calls = NIOLoopBound(calls, eventLoop: loop)
    var descriptors = DescriptorCache()
    handler.onCall = { stream, path in
      calls.add(
        Call(handle: CallHandle(stream, loop: loop), descriptor: descriptors.descriptor(of: path))
      )
    }
    handler.onInactive = { calls.finish() }
  }

  /// Runs the calls of the connection until it is closed and they are over. To be called by a task
  /// that prefers `executor`.
  func run(_ serve: @escaping Serve) async {
    let remote = TransportAddress(channel.remoteAddress).peerName
    let local = TransportAddress(channel.localAddress).peerName
    await withDiscardingTaskGroup { group in
      while let batch = await nextCalls() {
        // One that was reset in the read that brought it costs no task and no handler.
        for call in batch where !call.handle.isOver {
          let context = ServerContextParts(call: call, remote: remote, local: local)
          if runsOnLoop(call.descriptor) {
            group.addImmediateTask(executorPreference: executor) {
              await self.run(context, serve)
            }
          } else {
            group.addTask(executorPreference: globalConcurrentExecutor) {
              await self.run(context, serve)
            }
          }
        }
      }
    }
  }

  private func nextCalls() async -> [Call]? {
    if let batch = calls.value.takeNow() { return batch.isEmpty ? nil : batch }
    await withCheckedContinuation { calls.value.wait($0) }
    return await nextCalls()
  }

  private struct ServerContextParts: Sendable {
    let call: Call
    let remote: String
    let local: String
  }

  private func run(_ parts: ServerContextParts, _ serve: Serve) async {
    let call = parts.call
    let stream = RPCStream(
      descriptor: call.descriptor,
      inbound: RPCAsyncSequence(wrapping: InboundSequence.requests(of: call.handle)),
      outbound: RPCWriter.Closable(wrapping: OutboundWriter.responses(of: call.handle))
    )
    await withServerContextRPCCancellationHandle { cancellation in
      call.handle.attach(cancellation)
      var context = ServerContext(
        descriptor: call.descriptor,
        remotePeer: parts.remote,
        localPeer: parts.local,
        cancellation: cancellation
      )
      context.transportSpecific = TransportCall(
        identity: security.peer,
        outbound: DirectOutbound(call.handle)
      )
      await serve(stream, context)
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

/// The methods that a client calls, by their paths. Bounded: what is beyond is made anew each time.
private struct DescriptorCache {
  private var descriptors: [String: MethodDescriptor] = [:]

  mutating func descriptor(of path: String) -> MethodDescriptor {
    if let known = descriptors[path] { return known }
    let made = MethodDescriptor(path: path)
    if descriptors.count < 64 { descriptors[path] = made }
    return made
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
