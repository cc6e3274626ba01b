import HTTP2
import Testing
import Transport
import TransportFuzz

@Suite struct `Writing past the channel` {
  /// Windows beyond what sockets hold, so that these are full and the channel takes over, again and
  /// again, on both sides.
  @Test(arguments: [1, 2] as [UInt64])
  func `keeps the order of the bytes when the socket is full`(seed: UInt64) async throws {
    var wide = HTTP2Configuration()
    wide.streamWindow = 64 * 1024 * 1024
    wide.connectionWindow = 256 * 1024 * 1024
    wide.highWater = 32 * 1024 * 1024
    wide.lowWater = 16 * 1024 * 1024
    var (server, client) = (ServerTransportConfiguration(), ClientTransportConfiguration())
    (server.http2, client.http2) = (wide, wide)
    var random = SeededGenerator(seed: seed)
    let pattern = (0 ..< 600_000).map { _ in UInt8.random(in: 0 ... 255, using: &random) }
    let calls = (0 ..< 4).map { _ in
      (0 ..< 40).map { _ in
        let start = Int.random(in: 0 ... 300_000, using: &random)
        return Array(pattern[start ..< start + Int.random(in: 0 ... 300_000, using: &random)])
      }
    }
    try await withEcho(server: server, client: client) { _, client, _ in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for messages in calls {
          group.addTask { try await client.echo("Update", messages).messages == messages }
        }
        for try await isEqual in group { #expect(isEqual) }
      }
    }
  }
}
