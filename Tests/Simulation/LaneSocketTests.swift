import API
import Domain
import Foundation
import GRPCCore
import Logging
import NIOPosix
import Subscription
import SwiftProtobuf
import Synchronization
import Testing
import Transport
import Wire
import WireServices

/// Lanes and limits on a real socket, by a reader that is not a node.
@Suite struct LaneSocketTests {
  /// Tenants with long texts, 100 kB each.
  private func bulkyWorld(_ tenants: Int = 240) -> ConfigWorld {
    var world = ConfigWorld(tenants: tenants)
    let text = String(repeating: "x", count: 100_000)
    for id in world.tenants {
      var tenant = world.tenant(id)
      tenant.pausedMessage = ["en": text]
      _ = world.commit(put: [.tenant(tenant)])
    }
    return world
  }

  /// A stream of one's own: says Hello and reads until `body` has had enough.
  private func watch(
    _ socket: String,
    until body: @escaping @Sendable (Bindery_V1_WatchResponse) async throws -> Bool
  ) async throws {
    let transport = HTTP2ClientTransport(
      endpoints: [.unix(path: socket)],
      group: MultiThreadedEventLoopGroup.singleton,
      logger: Logger(label: "reader")
    )
    try await withGRPCClient(transport: transport) { client in
      let distribution = Bindery_V1_Distribution.Client(wrapping: client)
      let (never, end) = AsyncStream.makeStream(of: Void.self)
      let request = StreamingClientRequest<Bindery_V1_WatchRequest> { writer in
        var hello = Bindery_V1_WatchRequest()
        hello.hello.nodeID = "reader"
        hello.hello.mode = .eager
        try await writer.write(hello)
        for await _ in never {}
      }
      try await distribution.watch(request: request, options: .defaults) { response in
        for try await message in response.messages where try await body(message) { break }
        end.finish()
      }
    }
  }

  @Test func `a switch waits behind no more of a snapshot than a stream buffers`() async throws {
    let directory = try ScratchDirectory()
    let socket = "\(directory.path)/s"
    let server = try FleetServer(bulkyWorld())
    let tenant = server.expected.tenants[7]
    let ahead = Mutex<Int?>(nil)
    try await server.serve(at: socket) {
      try await self.watch(socket) { message in
        switch message.message {
        case .control(let control):
          #expect(control.tenantID == tenant.data)
          return true
        case .snapshotChunk(let chunk):
          guard ahead.withLock({ $0 == nil }) else {
            let bytes = try chunk.serializedData().count
            ahead.withLock { $0 = ($0 ?? 0) + bytes }
            return false
          }
          // The server has written ahead as far as it may by the time that this is read.
          try server.switchTenant(tenant, to: .paused)
          ahead.withLock { $0 = 0 }
          return false
        case .snapshotEnd:
          Issue.record("the switch came after the snapshot")
          return true
        default: return false
        }
      }
    }
    // The stream's window at the reader, what the server queues, and a frame that was begun.
    let bytes = try #require(ahead.withLock { $0 })
    #expect(bytes < 1_000_000, "\(bytes) bytes were ahead of the switch")
  }

  @Test func `a switch waits behind no more of a flood of pushes than a stream buffers`()
    async throws
  {
    let directory = try ScratchDirectory()
    let socket = "\(directory.path)/s"
    let server = try FleetServer(bulkyWorld(60))
    let tenant = server.expected.tenants[7]
    let ahead = Mutex<Int?>(nil)
    try await server.serve(at: socket) {
      try await self.watch(socket) { message in
        func count(_ message: any SwiftProtobuf.Message) throws {
          let bytes = try message.serializedData().count
          ahead.withLock { if let before = $0 { $0 = before + bytes } }
        }
        switch message.message {
        case .snapshotEnd:
          // 12 MB of pushes, more than any window; then the switch, and then pushes again.
          func flood(_ round: Int) throws {
            for id in server.expected.tenants where id != tenant {
              try server.commit { world in
                var bulky = world.tenant(id)
                bulky.pausedMessage = ["en": String(repeating: "y\(round)", count: 50_000)]
                return world.commit(put: [.tenant(bulky)])
              }
            }
          }
          try flood(1)
          try server.switchTenant(tenant, to: .paused)
          try flood(2)
          ahead.withLock { $0 = 0 }
          return false
        case .control(let control):
          #expect(control.tenantID == tenant.data)
          return true
        case .deltaChunk(let chunk):
          try count(chunk)
          return false
        case .delta(let delta):
          try count(delta.changes)
          if delta.revision == server.revision.value {
            Issue.record("the switch came after the flood")
            return true
          }
          return false
        default: return false
        }
      }
    }
    let bytes = try #require(ahead.withLock { $0 })
    #expect(bytes < 1_500_000, "\(bytes) bytes were ahead of the switch")
    print("\(bytes) bytes of the flood were ahead of the switch")
  }

  @Test func `a reader that has stopped costs the others nothing, and gets what it missed as one`()
    async throws
  {
    let directory = try ScratchDirectory()
    let socket = "\(directory.path)/s"
    let server = try FleetServer(bulkyWorld(40))
    let deltas = Mutex(0)
    try await server.serve(at: socket) {
      let node = try await FleetNode("n1", directory: "\(directory.path)/n1", socket: socket)
      try await node.run { _ in
        try await self.watch(socket) { message in
          switch message.message {
          case .snapshotBegin:
            // From here on it reads nothing until the node has all that is committed.
            for _ in 0 ..< 60 {
              try server.commit { world in
                world.commit(put: [
                  .binding(world.binding(world.tenants[0], BindingID(UUID())))
                ])
              }
            }
            try await eventually("the node has it all") {
              node.cache.snapshot.revision == server.revision
            }
            return false
          case .delta(let delta):
            deltas.withLock { $0 += 1 }
            return delta.revision == server.revision.value
          default: return false
          }
        }
      }
      try await node.close()
    }
    #expect(deltas.withLock { $0 } == 1)
  }

  @Test func `a control plane that goes says so to all, and to those that come meanwhile`()
    async throws
  {
    let directory = try ScratchDirectory()
    let socket = "\(directory.path)/s"
    let server = try FleetServer(ConfigWorld())
    let told = Mutex<[Int64]>([])
    try await server.serve(at: socket) {
      for _ in 0 ..< 2 {
        try await self.watch(socket) { message in
          if case .snapshotEnd = message.message { server.distribution.drain() }
          guard case .drain(let drain) = message.message else { return false }
          told.withLock { $0.append(drain.jitterMs) }
          return true
        }
      }
    }
    // Spread by the number of nodes, within bounds.
    #expect(told.withLock { $0 } == [100, 100])
  }
}
