package import Changelog
internal import Domain
internal import Foundation
package import GRPCCore
internal import GRPCProtobuf
package import Logging
internal import NIOCore
package import Switches
internal import Synchronization
internal import Transport
internal import Wire
internal import WireMapping
internal import WireServices

/// `bindery.v1.Distribution` on the changelog. Frames are written as they were encoded, once for all
/// streams.
package final class DistributionAPI: RegistrableRPCService {
  private let hub: ChangelogHub
  private let nodes: NodeRegistry
  private let logger: Logger
  private let fanout = WatchFanout()
  private let watchers = Mutex<[ObjectIdentifier: Watcher]>([:])
  private let ramp = Mutex(AdmissionRamp())
  private let streams = NodeStreams()
  /// Set once all nodes were told to go; those that come later are told at once.
  private let draining = Mutex<DrainSpread?>(nil)

  package init(hub: ChangelogHub, nodes: NodeRegistry, logger: Logger) {
    self.hub = hub
    self.nodes = nodes
    self.logger = logger
  }

  package func registerMethods<Transport: ServerTransport>(
    with router: inout RPCRouter<Transport>
  ) {
    router.registerHandler(
      forMethod: Bindery_V1_Distribution.Method.Watch.descriptor,
      deserializer: ProtobufDeserializer<Bindery_V1_WatchRequest>(),
      serializer: EncodedMessageSerializer()
    ) { request, context in
      let messages = request.messages
      let outbound = context.directOutbound
      return StreamingServerResponse { writer in
        if let outbound {
          try await self.watch(messages, outbound)
        } else {
          try await self.watch(messages, writer)
        }
        return [:]
      }
    }
    router.registerHandler(
      forMethod: Bindery_V1_Distribution.Method.Fetch.descriptor,
      deserializer: ProtobufDeserializer<Bindery_V1_FetchRequest>(),
      serializer: ProtobufSerializer<Bindery_V1_FetchResponse>()
    ) { request, _ in
      let single = try await ServerRequest(stream: request)
      let response = try self.fetch(single.message)
      return StreamingServerResponse(single: ServerResponse(message: response))
    }
  }

  /// Tells all nodes to reconnect elsewhere, spread over a time that grows with their number, so that
  /// those who take them in are not flooded.
  package func drain() {
    let spread = DrainSpread(watchers: watchers.withLock { $0.count })
    // Whoever comes from here on is told when it comes.
    draining.withLock { $0 = spread }
    for watcher in watchers.withLock({ Array($0.values) }) {
      watcher.drain(after: spread.after, jitter: spread.jitter)
    }
  }

  // MARK: - Watch

  /// On our own transport: frames are written from the stream's event loop.
  private func watch(
    _ requests: RPCAsyncSequence<Bindery_V1_WatchRequest, any Error>,
    _ outbound: DirectOutbound
  ) async throws {
    let pump = WatchPump(outbound, fanout)
    try await serve(requests, ring: { pump.ring() }) { try await pump.run($0) }
  }

  /// On any other transport: by a task of the stream.
  private func watch(
    _ requests: RPCAsyncSequence<Bindery_V1_WatchRequest, any Error>,
    _ writer: RPCWriter<EncodedMessage>
  ) async throws {
    let (rings, continuation) = AsyncStream.makeStream(
      of: Void.self,
      bufferingPolicy: .bufferingNewest(1)
    )
    try await serve(requests, ring: { continuation.yield() }) { watcher in
      for await _ in rings {
        while let frame = try watcher.next() { try await writer.write(frame.message) }
      }
    }
  }

  /// Whichever direction ends first ends the stream.
  private func serve(
    _ requests: RPCAsyncSequence<Bindery_V1_WatchRequest, any Error>,
    ring: @escaping @Sendable () -> Void,
    write: @escaping @Sendable (Watcher) async throws -> Void
  ) async throws {
    let watcher = hub.watch(
      leaseMilliseconds: nodes.options.leaseMilliseconds,
      isAdmitted: false,
      isRegistered: !nodes.options.isShared,
      ring: ring
    )
    watchers.withLock { $0[ObjectIdentifier(watcher)] = watcher }
    if let spread = draining.withLock({ $0 }) {
      watcher.drain(after: spread.after, jitter: spread.jitter)
    }
    defer {
      watcher.close()
      watchers.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(watcher)) }
    }
    try await withThrowingTaskGroup { group in
      let (ended, end) = AsyncStream.makeStream(of: Void.self)
      group.addTask { try await self.read(requests, watcher, end: end) }
      group.addTask { try await write(watcher) }
      group.addTask {
        for await _ in ended {}
        try Task.checkCancellation()
        throw RPCError(
          code: .aborted,
          message: "STREAM_REPLACED: this node has opened newer watch streams"
        )
      }
      defer {
        group.cancelAll()
        withExtendedLifetime(end) {}
      }
      try await group.next()
    }
  }

  private func read(
    _ requests: RPCAsyncSequence<Bindery_V1_WatchRequest, any Error>,
    _ watcher: Watcher,
    end: AsyncStream<Void>.Continuation
  ) async throws {
    var stream: (nodeID: String, connection: Int)?
    var isHeld = false
    /// Of what it holds, until that is known here.
    var refused: [NodeRejection] = []
    var admission: Task<Void, any Error>?
    defer {
      admission?.cancel()
      if let stream {
        streams.end(stream.connection, of: stream.nodeID)
        nodes.disconnected(stream.nodeID, connection: stream.connection)
        logger.info("node left", metadata: ["node": "\(stream.nodeID)"])
      }
    }
    do {
      for try await request in requests {
        // The registry first: an answer to this may be acknowledged before the next line runs.
        if case .hello(let hello) = request.message, stream == nil {
          let greeting = try WatchGreeting(hello)
          // What it holds can be judged once it is known what there is.
          await hub.whenRead()
          try Task.checkCancellation()
          let holds = held(greeting)
          isHeld = holds != nil
          let connection = nodes.connected(greeting, holds: holds, watcher: watcher)
          stream = (greeting.nodeID, connection)
          streams.begin(connection, of: greeting.nodeID, end: end)
          refused = greeting.rejected.compactMap(NodeRejection.init)
          if let holds, !refused.isEmpty {
            nodes.acknowledged(greeting.nodeID, holds, rejected: refused)
          }
          logger.info(
            "node came",
            metadata: ["node": "\(greeting.nodeID)", "holds": "\(holds ?? .zero)"]
          )
          admission = admit(watcher, canResume: canResume(from: holds))
        } else if let stream {
          // One that was ahead of this replica has been resumed meanwhile.
          if !isHeld, let from = watcher.resumedFrom {
            isHeld = true
            nodes.acknowledged(stream.nodeID, from, rejected: refused)
            refused = []
          }
          note(request, from: stream.nodeID, watcher)
        }
        try watcher.receive(request)
      }
    } catch let fault as WatchFault {
      throw RPCError(
        code: fault.code == .replicaBehind ? .unavailable : .invalidArgument,
        message: fault.description
      )
    }
  }

  /// The revision that a node serves; nil for nothing, another store's, or one that there is not, or not
  /// yet as far as this replica knows.
  private func held(_ greeting: WatchGreeting) -> Revision? {
    guard let configuration = hub.configuration, let cursor = greeting.cursor,
      cursor.incarnation == greeting.scope.incarnation(of: configuration.incarnation),
      cursor.revision <= configuration.revision
    else { return nil }
    nodes.follow(store: configuration.incarnation)
    return cursor.revision
  }

  private func canResume(from revision: Revision?) -> Bool {
    guard let revision, let oldest = hub.oldestRevision else { return false }
    return revision >= oldest
  }

  /// Lets data flow: at once to who can go on from where it stands, to the others in turn.
  private func admit(_ watcher: Watcher, canResume: Bool) -> Task<Void, any Error>? {
    if canResume {
      watcher.admit()
      return nil
    }
    let wait = ramp.withLock { $0.reserve(at: .now) }
    guard wait > .zero else {
      watcher.admit()
      return nil
    }
    return Task {
      try await Task.sleep(for: wait)
      watcher.admit()
    }
  }

  private func note(
    _ request: Bindery_V1_WatchRequest,
    from nodeID: String,
    _ watcher: Watcher
  ) {
    switch request.message {
    case .status(let status):
      nodes.reported(
        nodeID,
        spoolDepth: status.spoolDepth,
        activeTurns: status.activeTurns
      )
    case .ack(let ack) where ack.hasControl:
      // What this control plane knows nothing of counts for nobody.
      guard let tenant = TenantID(bytes: ack.control.tenantID),
        let configuration = hub.configuration, configuration[.tenant(tenant)] != nil,
        Revision(ack.control.switchRevision) <= configuration.revision
      else { return }
      nodes.follow(store: configuration.incarnation)
      nodes.acknowledged(
        nodeID,
        tenant,
        switchRevision: Revision(ack.control.switchRevision)
      )
    case .ack(let ack) where ack.applied:
      // One of a store that is no longer followed may still come.
      guard watcher.hasSent(Revision(ack.revision)) else { return }
      nodes.follow(store: hub.configuration?.incarnation)
      let rejected = ack.rejected.compactMap(NodeRejection.init)
      for it in rejected {
        logger.warning(
          "node refuses a resource",
          metadata: ["node": "\(nodeID)", "key": "\(it.key.wire.key)", "code": "\(it.code)"]
        )
      }
      nodes.acknowledged(nodeID, Revision(ack.revision), rejected: rejected)
    case .ack, .hello, .subscribe, nil: break
    }
  }

  // MARK: - Fetch

  private func fetch(_ request: Bindery_V1_FetchRequest) throws -> Bindery_V1_FetchResponse {
    guard request.keys.count <= 1000 else {
      throw RPCError(code: .invalidArgument, message: "keys: at most 1000")
    }
    guard let node = nodes.connectedHere(request.nodeID) else {
      throw RPCError(
        code: .failedPrecondition,
        message: "node_id: this node has no watch stream here"
      )
    }
    var keys: [ResourceKey] = []
    for wire in request.keys {
      do {
        keys.append(try ResourceKey(wire: wire))
      } catch {
        throw RPCError(code: .invalidArgument, message: "keys: \(error)")
      }
    }
    do throws(FetchFault) {
      return try hub.fetch(
        keys,
        at: Revision(request.atRevision),
        of: TenantID(bytes: request.storeIncarnation)?.uuid,
        scope: node.scope,
        place: node.place
      )
    } catch {
      switch error {
      case .behind:
        throw RPCError(
          code: .unavailable,
          message: "this replica has not reached at_revision; try again shortly"
        )
      case .otherStore:
        throw RPCError(
          code: .failedPrecondition,
          message:
            "store_incarnation: this is another store; the watch will bring its configuration"
        )
      case .tooOld:
        throw RPCError(
          code: .failedPrecondition,
          message: "at_revision is too long ago; the watch will bring a newer one"
        )
      }
    }
  }
}

/// How nodes are told to go: at once, but to come back spread over a time.
struct DrainSpread: Hashable, Sendable {
  /// In ms.
  var after: Int64
  var jitter: Int64

  /// A millisecond a node, within 0.1 to 20 s.
  init(watchers: Int) {
    after = 0
    jitter = min(max(Int64(watchers), 100), 20_000)
  }
}

extension NodeRejection {
  /// nil for a key that can't be read: this control plane never sent it.
  init?(_ wire: Bindery_V1_Rejection) {
    guard let key = try? ResourceKey(wire: wire.key) else { return nil }
    self.init(
      key: key,
      digest: Digest(bytes: wire.digest),
      code: wire.code,
      message: wire.message
    )
  }

  var wire: Bindery_V1_Rejection {
    var wire = Bindery_V1_Rejection()
    wire.key = key.wire
    wire.digest = digest?.data ?? Data()
    wire.code = code
    wire.message = message
    return wire
  }
}
