package import Domain
internal import Foundation
internal import GRPCCore
internal import HashTreeCollections
package import Logging
internal import Synchronization
internal import Wire
internal import WireMapping
package import WireServices

/// Follows the control plane for as long as it runs: watches, applies, acknowledges, reconnects.
package final class SubscriptionClient<Client: Bindery_V1_Distribution.ClientProtocol>: Sendable {
  /// What a node says of itself with each sign of life.
  package struct Load: Hashable, Sendable {
    package var spoolDepth: Int
    package var activeTurns: Int

    package init(spoolDepth: Int, activeTurns: Int) {
      self.spoolDepth = spoolDepth
      self.activeTurns = activeTurns
    }
  }

  package struct Options: Sendable {
    /// The disk copy is written at most once in this time.
    package var copyInterval: Duration = .seconds(1)
    /// A stream on which nothing comes for so long is given up.
    package var patience: Duration = .seconds(15)
    package var firstBackoff: Duration = .seconds(1)
    package var lastBackoff: Duration = .seconds(30)

    package init() {}
  }

  private let client: Client
  private let cache: ConfigCache
  private let identity: NodeIdentity
  private let options: Options
  private let load: @Sendable () -> Load
  private let logger: Logger
  /// The stream that is open.
  private let stream = Mutex<WatchStream?>(nil)

  package init(
    client: Client,
    cache: ConfigCache,
    identity: NodeIdentity,
    options: Options = Options(),
    logger: Logger,
    load: @escaping @Sendable () -> Load
  ) {
    self.client = client
    self.cache = cache
    self.identity = identity
    self.options = options
    self.logger = logger
    self.load = load
  }

  /// Runs until cancelled; what fails is tried again, with exponential waits.
  package func run() async {
    await withTaskGroup { group in
      group.addTask { await self.cache.keepCopy(interval: self.options.copyInterval) }
      await follow()
      group.cancelAll()
    }
  }

  private func follow() async {
    var reconnect = Reconnect(first: options.firstBackoff, last: options.lastBackoff)
    while !Task.isCancelled {
      let stream = WatchStream(cache)
      do {
        try await watch(stream)
      } catch {
        if Task.isCancelled { break }
        logger.info("watch ended", metadata: ["error": "\(error)"])
      }
      cache.setStreaming(false)
      self.stream.withLock { $0 = nil }
      let wait = reconnect.wait(
        wasLive: stream.wasLive,
        drain: stream.drain,
        chance: Double.random(in: 0 ..< 1)
      )
      do { try await Task.sleep(for: wait) } catch { break }
    }
    cache.setStreaming(false)
  }

  /// One stream, until it ends.
  private func watch(_ stream: WatchStream) async throws {
    self.stream.withLock { $0 = stream }
    let hello = stream.hello(identity)
    let request = StreamingClientRequest<Bindery_V1_WatchRequest> { writer in
      try await writer.write(hello)
      for await _ in stream.wakeups {
        for message in stream.take() { try await writer.write(message) }
      }
    }
    defer { stream.finish() }
    try await client.watch(request: request, options: .defaults) { response in
      try await withThrowingTaskGroup { group in
        group.addTask {
          for try await message in response.messages {
            guard try await stream.receive(message) else { return }
          }
        }
        group.addTask { try await self.keepAlive(stream) }
        defer { group.cancelAll() }
        try await group.next()
      }
    }
  }

  /// Sends signs of life; throws when nothing has come for too long.
  private func keepAlive(_ stream: WatchStream) async throws {
    if identity.mode == .lazy {
      stream.subscribe(add: Set(cache.image.bindings.keys))
    }
    while true {
      guard !stream.isSilent(for: options.patience) else {
        throw SubscriptionMachine.Fault(code: .silent, what: "nothing for \(options.patience)")
      }
      let load = load()
      var status = Bindery_V1_NodeStatus()
      status.revision = cache.image.revision.value
      status.spoolDepth = Int64(load.spoolDepth)
      status.activeTurns = Int32(clamping: load.activeTurns)
      stream.tell(status)
      try await Task.sleep(for: stream.statusInterval)
    }
  }

  /// LAZY: reads a binding that is not here yet; nil when there is none, or not for this node.
  package func fetch(_ binding: BindingID, of tenant: TenantID) async throws -> ResolvedBinding? {
    // What is applied meanwhile may have changed it: then it is asked for again.
    for _ in 0 ..< 5 {
      let image = cache.image
      if let known = image.binding(binding) { return known }
      if image.refuses(binding, of: tenant) { return nil }
      let stream = stream.withLock { $0 }
      stream?.subscribe(add: [binding])
      var request = Bindery_V1_FetchRequest()
      request.keys = [ResourceKey.binding(tenant, binding).wire]
      request.atRevision = image.revision.value
      request.nodeID = identity.nodeID
      request.storeIncarnation = image.cursor.map { TenantID($0.incarnation).data } ?? Data()
      let response = try await client.fetch(request: ClientRequest(message: request)) {
        try $0.message
      }
      let revision = Revision(response.revision)
      let taken = cache.take(response.changes, asOf: revision) {
        guard let stream else { return false }
        return self.stream.withLock { $0 === stream } && stream.serves(binding)
      }
      if let taken {
        stream?.refused(taken.rejected, asOf: revision, after: taken.change)
        break
      }
    }
    return cache.image.binding(binding)
  }
}
