import API
import Changelog
import Domain
import Foundation
import GRPCCore
import Logging
import NIOPosix
import Switches
import Synchronization
import Testing
import Transport
import Wire
import WireServices

/// What a node says that is wrong, on real sockets: each gets its answer, and the others notice nothing.
@Suite struct BadStreamTests {
  /// A stream as a node's, told by hand.
  private final class Stream: Sendable {
    struct State {
      var told: [Bindery_V1_WatchResponse] = []
      var ending: RPCError?
    }

    let state = Mutex(State())
    let requests: AsyncStream<Bindery_V1_WatchRequest>
    private let sender: AsyncStream<Bindery_V1_WatchRequest>.Continuation

    init() { (requests, sender) = AsyncStream.makeStream(of: Bindery_V1_WatchRequest.self) }

    func say(_ message: Bindery_V1_WatchRequest.OneOf_Message) {
      var request = Bindery_V1_WatchRequest()
      request.message = message
      sender.yield(request)
    }

    func hello(_ name: String, resume: Int64 = 0, of store: UUID? = nil) {
      var hello = Bindery_V1_Hello()
      hello.nodeID = name
      hello.mode = .eager
      hello.resumeRevision = resume
      if let store { hello.storeIncarnation = TenantID(store).data }
      say(.hello(hello))
    }

    func ack(_ revision: Int64) {
      var ack = Bindery_V1_Ack()
      ack.revision = revision
      ack.applied = true
      say(.ack(ack))
    }

    func ack(_ tenant: TenantID, switchRevision: Int64) {
      var ack = Bindery_V1_Ack()
      ack.control.tenantID = tenant.data
      ack.control.switchRevision = switchRevision
      say(.ack(ack))
    }

    func status(_ sequence: Int64) {
      var status = Bindery_V1_NodeStatus()
      status.statusSeq = sequence
      say(.status(status))
    }

    var ending: RPCError? { state.withLock { $0.ending } }

    var revision: Int64? {
      state.withLock { state in
        state.told.reversed().lazy.compactMap { response -> Int64? in
          switch response.message {
          case .snapshotEnd(let end): end.revision
          case .delta(let delta): delta.revision
          case .resumed(let resumed): resumed.from
          default: nil
          }
        }.first
      }
    }

    var heartbeats: [Int64] {
      state.withLock { state in
        state.told.compactMap {
          if case .heartbeat(let it) = $0.message { it.statusSeq } else { nil }
        }
      }
    }

    /// Runs until it ends.
    func run(_ socket: String) async throws {
      let transport = HTTP2ClientTransport(
        endpoints: [.unix(path: socket)],
        group: MultiThreadedEventLoopGroup.singleton,
        logger: Logger(label: "reader")
      )
      do {
        try await withGRPCClient(transport: transport) { client in
          let requests = requests
          let request = StreamingClientRequest<Bindery_V1_WatchRequest> { writer in
            for await message in requests { try await writer.write(message) }
          }
          try await Bindery_V1_Distribution.Client(wrapping: client).watch(request: request) {
            response in
            for try await message in response.messages {
              self.state.withLock { $0.told.append(message) }
            }
          }
        }
      } catch let error as RPCError {
        state.withLock { $0.ending = error }
      }
    }
  }

  private func world() -> ConfigWorld {
    var random = SplitMix(state: 5)
    var world = ConfigWorld()
    for tenant in world.tenants { _ = world.commit(put: [.tenant(world.tenant(tenant))]) }
    for _ in 0 ..< 10 { _ = world.randomCommit(&random) }
    return world
  }

  private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      return (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
    }
  }

  /// A server with a well-behaved node beside it, which must get what is committed at the end.
  private func beside(
    isRead: Bool = true,
    _ body:
      @escaping @Sendable (FleetServer, _ open: @escaping @Sendable () -> Stream) async throws
      -> Void
  ) async throws {
    let directory = try ScratchDirectory()
    let socket = "\(directory.path)/s"
    let server = try FleetServer(world(), isRead: isRead)
    try await server.serve(at: socket) {
      try await withThrowingTaskGroup(of: Void.self) { group in
        let (opened, opener) = AsyncStream.makeStream(of: Stream.self)
        group.addTask {
          await withThrowingTaskGroup(of: Void.self) { streams in
            for await stream in opened { streams.addTask { try await stream.run(socket) } }
            streams.cancelAll()
          }
        }
        let open: @Sendable () -> Stream = {
          let stream = Stream()
          opener.yield(stream)
          return stream
        }
        let good = open()
        good.hello("good")
        if isRead { try await eventually("it stands") { good.revision == server.revision.value } }
        try await body(server, open)
        try server.commit { $0.commit(put: []) }
        try await eventually("the good one goes on") { good.revision == server.revision.value }
        #expect(good.ending == nil)
        group.cancelAll()
      }
    }
  }

  @Test func `a cursor from the future gets a snapshot, and does not count as confirmed`()
    async throws
  {
    try await beside { server, open in
      let stream = open()
      let store = server.expected.incarnation
      stream.hello("liar", resume: .max - 1, of: store)
      try await eventually("it came") { server.nodes.nodes.count == 2 }
      let target = ConvergenceTarget.revision(server.revision)
      let judged = Convergence(
        of: target,
        over: server.nodes.nodes,
        committedAt: Date(),
        now: .now
      )
      #expect(judged.unconfirmed.contains("liar"))
      // The store was asked since, and there is no such revision.
      try await eventually("a snapshot") {
        server.hub.confirm(at: .now)
        return stream.revision == server.revision.value
      }
      #expect(stream.ending == nil)
    }
  }

  @Test func `a cursor of another database gets a snapshot, a malformed one is refused by name`()
    async throws
  {
    try await beside { server, open in
      let foreign = open()
      foreign.hello("foreign", resume: 3, of: UUID())
      try await eventually("a snapshot") { foreign.revision == server.revision.value }
      let malformed = open()
      var hello = Bindery_V1_Hello()
      hello.nodeID = "malformed"
      hello.mode = .eager
      hello.resumeRevision = 3
      hello.storeIncarnation = Data([1, 2, 3])
      malformed.say(.hello(hello))
      try await eventually("it ends") { malformed.ending != nil }
      #expect(malformed.ending?.code == .invalidArgument)
      #expect(malformed.ending?.message == "MALFORMED_ID: store_incarnation")
      #expect(server.nodes.nodes.map(\.nodeID) == ["foreign", "good"])
    }
  }

  @Test func `acknowledgements of what there is not count for nothing`() async throws {
    try await beside { server, open in
      let stream = open()
      stream.hello("liar")
      try await eventually("it stands") { stream.revision == server.revision.value }
      // A switch of the future, and tenants that do not exist.
      let tenant = server.expected.tenants[0]
      stream.ack(tenant, switchRevision: .max)
      for _ in 0 ..< 3_000 { stream.ack(TenantID(UUID()), switchRevision: 1) }
      stream.status(1)
      try await eventually("all was read") { stream.heartbeats == [1] }
      let next = server.revision.next
      let judged = Convergence(
        of: .tenantSwitch(tenant, next, .serve),
        over: server.nodes.nodes,
        committedAt: Date(),
        now: .now
      )
      #expect(judged.unconfirmed.contains("liar"))
      stream.ack(next.value)
      try await eventually("it ends") { stream.ending != nil }
      #expect(stream.ending?.code == .invalidArgument)
      #expect(stream.ending?.message == "UNKNOWN_REVISION: ack.revision")
      #expect(server.nodes.nodes.first { $0.nodeID == "liar" }?.revision != next)
    }
  }

  @Test func `of many streams of one node the oldest end, and the newest serve`() async throws {
    try await beside { server, open in
      var streams: [Stream] = []
      for _ in 0 ..< 7 {
        let stream = open()
        stream.hello("greedy")
        try await eventually("it stands") { stream.revision == server.revision.value }
        streams.append(stream)
      }
      let old = streams.prefix(3)
      try await eventually("the oldest end") { old.allSatisfy { $0.ending != nil } }
      for stream in old {
        #expect(stream.ending?.code == .aborted)
        #expect(stream.ending?.message.hasPrefix("STREAM_REPLACED") == true)
      }
      try server.commit { $0.commit(put: []) }
      try await eventually("the newest serve") {
        streams.suffix(4).allSatisfy { $0.revision == server.revision.value }
      }
      #expect(server.nodes.nodes.first { $0.nodeID == "greedy" }?.isConnected == true)
    }
  }

  @Test func `signs of life in any order renew a lease by the newest only`() async throws {
    try await beside { server, open in
      let stream = open()
      stream.hello("odd")
      try await eventually("it stands") { stream.revision == server.revision.value }
      for sequence in [5, 3, -1, 0, .max, 6] as [Int64] { stream.status(sequence) }
      try await eventually("the newest") { stream.heartbeats.last == .max }
      #expect(stream.heartbeats == stream.heartbeats.sorted())
      #expect(stream.ending == nil)
    }
  }

  @Test func `who comes before the store has been read is judged by what there is`() async throws {
    try await beside(isRead: false) { server, open in
      let stream = open()
      stream.hello("early", resume: server.revision.value, of: server.expected.incarnation)
      // Another call is answered meanwhile: the server stands.
      #expect(server.nodes.nodes.isEmpty)
      try server.read()
      try await eventually("it is resumed") { stream.revision == server.revision.value }
      try await eventually("and known to serve it") {
        server.nodes.nodes.first { $0.nodeID == "early" }?.revision == server.revision
      }
    }
  }
}
