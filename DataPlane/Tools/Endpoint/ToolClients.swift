internal import AsyncHTTPClient
internal import Logging
internal import NIOCore
internal import Synchronization

/// One HTTP client for each (host, address), so that a name always goes to the address it was judged
/// by; bounded in number and in connections.
final class ToolClients: Sendable {
  private struct Key: Hashable {
    var host: String
    var address: String
  }

  private struct Entry {
    var client: HTTPClient
    var users = 0
    /// Rises with every use.
    var lastUse: UInt64 = 0
  }

  private struct State {
    var entries: [Key: Entry] = [:]
    var uses: UInt64 = 0
    var isClosed = false
  }

  private let state = Mutex(State())
  private let limit: Int
  private let logger: Logger

  /// - Parameter limit: most clients kept; when all are in use, a call for another host is `busy`.
  init(limit: Int = 256, logger: Logger) {
    self.limit = limit
    self.logger = logger
  }

  /// Lends the client that connects to `address` when asked for `host`.
  func with<Value>(
    _ host: String,
    _ address: SocketAddress,
    _ body: (HTTPClient) async throws -> Value
  ) async throws -> Value {
    guard let ip = address.ipAddress else { throw ToolFailure(.privateAddress) }
    let key = Key(host: host, address: ip)
    let (client, evicted) = try take(key)
    if let evicted { await close(evicted) }
    defer { giveBack(key) }
    return try await body(client)
  }

  private func take(_ key: Key) throws -> (HTTPClient, evicted: HTTPClient?) {
    try state.withLock { state in
      guard !state.isClosed else { throw ToolFailure(.busy) }
      state.uses += 1
      var evicted: HTTPClient?
      if state.entries[key] == nil, state.entries.count >= limit {
        let idle = state.entries.filter { $0.value.users == 0 }
        guard let oldest = idle.min(by: { $0.value.lastUse < $1.value.lastUse }) else {
          throw ToolFailure(.busy)
        }
        evicted = state.entries.removeValue(forKey: oldest.key)?.client
      }
      var entry = state.entries[key] ?? Entry(client: Self.client(key))
      entry.users += 1
      entry.lastUse = state.uses
      state.entries[key] = entry
      return (entry.client, evicted)
    }
  }

  private func giveBack(_ key: Key) { state.withLock { $0.entries[key]?.users -= 1 } }

  private static func client(_ key: Key) -> HTTPClient {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(connect: .seconds(5))
    )
    configuration.dnsOverride = [key.host: key.address]
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 16
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.connectionPool.idleTimeout = .seconds(30)
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  private func close(_ client: HTTPClient) async {
    do {
      try await client.shutdown()
    } catch {
      logger.warning("a tool's HTTP client did not close cleanly", metadata: ["why": "\(error)"])
    }
  }

  /// Ends all clients; calls that still run fail.
  func shutDown() async {
    let clients = state.withLock { state in
      state.isClosed = true
      defer { state.entries = [:] }
      return state.entries.values.map(\.client)
    }
    for client in clients { await close(client) }
  }
}
