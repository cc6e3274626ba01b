internal import ArgumentParser
internal import Domain
internal import Foundation
internal import GRPCCore
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Subscription
internal import Synchronization
internal import Transport
internal import WireServices

/// A node's configuration: from the network or from its disk copy, and read while it changes.
///
/// Prints `loaded NANOSECONDS KIB`, then with `--seconds` `lookups NAME PER_SECOND` for each way of
/// reading, and ends with `revision FROM TO` of what was applied meanwhile.
struct LookupNode: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lookup-node",
    abstract: "Hold bindings as a node does (started by 'lookup').",
    shouldDisplay: false
  )

  @Option var port: Int
  @Option var directory: String
  @Option var bindings: Int
  @Option var seconds = 0.0

  func run() async throws {
    let began = monotonicNanoseconds()
    let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
    let copy = try DiskCopy(directory: directory)
    let cache = try await ConfigCache(copy: copy, logger: logger)
    let transport = HTTP2ClientTransport(
      endpoints: [.tcp(host: "127.0.0.1", port: port)],
      group: MultiThreadedEventLoopGroup.singleton,
      logger: logger
    )
    let client = GRPCClient(transport: transport)
    let subscription = SubscriptionClient(
      client: Bindery_V1_Distribution.Client(wrapping: client),
      cache: cache,
      identity: NodeIdentity(nodeID: "bench", region: "bench", version: "1"),
      logger: logger
    ) { .init(spoolDepth: 0, activeTurns: 0) }
    let isFromDisk = cache.isLoaded
    if isFromDisk { try loaded(since: began) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await client.runConnections() }
      group.addTask { await subscription.run() }
      while !cache.isLoaded || !cache.isConnected { try await Task.sleep(for: .milliseconds(1)) }
      if !isFromDisk { try loaded(since: began) }
      if seconds > 0 { try await read(cache) }
      // The last writing of the disk copy is part of the stop.
      group.cancelAll()
      client.beginGracefulShutdown()
    }
    try await copy.close()
  }

  private func loaded(since began: UInt64) throws {
    let own = Int32(ProcessInfo.processInfo.processIdentifier)
    let took = monotonicNanoseconds() - began
    say("loaded \(took) \(Int(try ProcessUsage.residentKiB(of: own)))")
  }

  private func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

  // MARK: - Lookups

  private struct Name: Hashable {
    var channel: String
    var key: String
  }

  private func read(_ cache: ConfigCache) async throws {
    let names = (0 ..< bindings).flatMap { LookupWorld.routes($0) }
      .map { Name(channel: $0.channel, key: $0.key) }
    let image = cache.snapshot
    var plain: [Name: (RouteResource, ResolvedBinding)] = [:]
    plain.reserveCapacity(names.count)
    for name in names {
      guard let route = image.route(channel: name.channel, key: name.key),
        let binding = image.binding(route.bindingID)
      else { throw BenchFailure("no route for \(name)") }
      plain[name] = (route, binding)
    }
    let table = plain
    let from = cache.status.revision
    for threads in [1, 2] {
      let ofNode = try await rate(names, threads) { name in
        let snapshot = cache.snapshot
        guard let route = snapshot.route(channel: name.channel, key: name.key) else { return false }
        return snapshot.binding(route.bindingID) != nil
      }
      say("lookups node-\(threads) \(Int(ofNode))")
      let ofTable = try await rate(names, threads) { table[$0] != nil }
      say("lookups dictionary-\(threads) \(Int(ofTable))")
    }
    say("revision \(from) \(cache.status.revision)")
  }

  /// Lookups per second over so many threads.
  private func rate(
    _ names: [Name],
    _ threads: Int,
    _ look: @escaping @Sendable (Name) -> Bool
  ) async throws -> Double {
    let length = UInt64(seconds * 1e9)
    let counts = try await withThrowingTaskGroup(of: Double.self) { group in
      for thread in 0 ..< threads {
        group.addTask {
          let start = monotonicNanoseconds()
          var index = thread * 7_919 % names.count
          var count = 0
          while count % 256 != 0 || monotonicNanoseconds() - start < length {
            guard look(names[index]) else { throw BenchFailure("no route for \(names[index])") }
            // A stride that no cache line foresees.
            index = (index + 104_729) % names.count
            count += 1
          }
          return Double(count) / (Double(monotonicNanoseconds() - start) / 1e9)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    return counts.reduce(0, +)
  }
}
