import Domain
import Foundation
import SwiftProtobuf
import Testing
import Wire
import WireMapping

@testable import Changelog

/// What overtakes what on a stream, and what a lease counts on.
@Suite struct WatchLaneTests {
  private let incarnation = UUID()
  private let one = TenantID(UUID())
  private let other = TenantID(UUID())

  private func tenant(
    _ id: TenantID,
    _ status: TenantStatus = .active,
    at revision: Int64 = 0,
    name: String = "a"
  ) -> ConfigResource {
    .tenant(
      TenantResource(
        tenantID: id,
        slug: id.description,
        displayName: name,
        status: status,
        switchRevision: Revision(revision),
        stalePolicy: .refuse,
        pausedPolicy: .hold,
        pausedMessage: [:]
      )
    )
  }

  private func route(_ number: Int) -> ConfigResource {
    .route(
      RouteResource(
        channel: "web",
        key: "host-\(number).example",
        tenantID: one,
        bindingID: BindingID(UUID())
      )
    )
  }

  private func hub(at revision: Int64 = 5, chunkBytes: Int = 256 * 1024) throws -> ChangelogHub {
    var limits = ChangelogHub.Limits()
    limits.chunkBytes = chunkBytes
    let hub = ChangelogHub(limits: limits)
    try hub.reset(
      ConfigState(
        incarnation: incarnation,
        revision: Revision(revision),
        resources: [tenant(one), tenant(other, .paused, at: 4)]
      )
    )
    return hub
  }

  private func commit(_ revision: Int64, _ resources: [ConfigResource]) -> Commit {
    Commit(
      revision: Revision(revision),
      committedAt: Date(timeIntervalSince1970: 0),
      resources: resources,
      removed: []
    )
  }

  private func hello(
    resume: Int64 = 0,
    of store: UUID? = nil,
    mode: Bindery_V1_WatchMode = .eager
  ) -> Bindery_V1_WatchRequest {
    var request = Bindery_V1_WatchRequest()
    request.hello.nodeID = "n1"
    request.hello.mode = mode
    request.hello.resumeRevision = resume
    if let store { request.hello.storeIncarnation = TenantID(store).data }
    return request
  }

  private func status(_ sequence: Int64) -> Bindery_V1_WatchRequest {
    var request = Bindery_V1_WatchRequest()
    request.status.statusSeq = sequence
    return request
  }

  private func read(
    _ watcher: Watcher,
    _ limit: Int = .max
  ) throws -> [Bindery_V1_WatchResponse] {
    var messages: [Bindery_V1_WatchResponse] = []
    while messages.count < limit, let frame = try watcher.next() {
      messages.append(try Bindery_V1_WatchResponse(serializedBytes: frame.bytes))
    }
    return messages
  }

  private func kinds(_ messages: [Bindery_V1_WatchResponse]) -> [String] {
    messages.map { message in
      switch message.message {
      case .resumed: "resumed"
      case .snapshotBegin: "begin"
      case .snapshotChunk, .deltaChunk: "chunk"
      case .snapshotEnd: "end"
      case .delta: "delta"
      case .invalidation: "invalidation"
      case .control: "control"
      case .heartbeat: "heartbeat"
      case .drain: "drain"
      case .cursorExpired: "expired"
      case nil: "nothing"
      }
    }
  }

  @Test func `before it is admitted, a node gets switches and leases, and no data`() throws {
    let hub = try hub()
    let watcher = hub.watch(leaseMilliseconds: 5000, isAdmitted: false)
    try watcher.receive(hello())
    try hub.publish(commit(6, [tenant(one, .paused, at: 6)]))
    try watcher.receive(status(1))
    watcher.drain(after: 0, jitter: 9)
    #expect(kinds(try read(watcher)) == ["begin", "heartbeat", "drain"])
    try hub.publish(commit(7, [tenant(one, .active, at: 7)]))
    #expect(kinds(try read(watcher)) == ["control"])
    watcher.admit()
    #expect(kinds(try read(watcher)) == ["chunk", "end", "delta"])
  }

  @Test func `a switch comes between two chunks of one delta`() throws {
    let hub = try hub(chunkBytes: 1)
    let watcher = hub.watch(leaseMilliseconds: 5000)
    try watcher.receive(hello())
    _ = try read(watcher)
    try hub.publish(commit(6, (0 ..< 5).map(route)))
    #expect(kinds(try read(watcher, 2)) == ["chunk", "chunk"])
    try hub.publish(commit(7, [tenant(one, .paused, at: 7)]))
    let rest = try read(watcher)
    #expect(kinds(rest) == ["control", "chunk", "chunk", "delta", "delta"])
    #expect(rest[3].delta.revision == 6)
    #expect(rest[4].delta.fromRevision == 6)
  }

  @Test func `chunks of one delta are the same bytes for all, whoever comes first`() throws {
    let hub = try hub(chunkBytes: 1)
    let watchers = try (0 ..< 3).map { _ in
      let watcher = hub.watch(leaseMilliseconds: 5000)
      try watcher.receive(hello())
      _ = try read(watcher)
      return watcher
    }
    try hub.publish(commit(6, (0 ..< 7).map(route)))
    var frames: [[ObjectIdentifier]] = [[], [], []]
    var held: [EncodedFrame] = []
    // In turns that are not even.
    for place in [0, 0, 1, 0, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2, 2] {
      guard let frame = try watchers[place].next() else { continue }
      held.append(frame)
      frames[place].append(frame.identity)
    }
    #expect(frames[0].count == 7)
    #expect(frames[0] == frames[1])
    #expect(frames[0] == frames[2])
  }

  @Test func `who serves what is of no use to go on from gets all switches ahead of the snapshot`()
    throws
  {
    for request in [hello(resume: 9, of: UUID()), hello(of: incarnation)] {
      let watcher = try hub().watch(leaseMilliseconds: 5000)
      try watcher.receive(request)
      try watcher.receive(status(1))
      let found = kinds(try read(watcher)).filter { $0 != "expired" }
      #expect(found == ["begin", "control", "heartbeat", "chunk", "end"])
    }
    // Who serves nothing does not need them.
    let fresh = try hub().watch(leaseMilliseconds: 5000)
    try fresh.receive(hello())
    #expect(kinds(try read(fresh)) == ["begin", "chunk", "end"])
  }

  @Test func `another store under an open stream takes nothing along of the one before`() throws {
    let hub = try hub()
    let watcher = hub.watch(leaseMilliseconds: 5000)
    try watcher.receive(hello())
    _ = try read(watcher)
    try hub.publish(commit(6, [tenant(one, .paused, at: 6)]))
    try hub.reset(
      ConfigState(
        incarnation: UUID(),
        revision: Revision(3),
        resources: [tenant(one), tenant(other, .archived, at: 2)]
      )
    )
    let messages = try read(watcher)
    #expect(kinds(messages) == ["expired", "begin", "control", "chunk", "end"])
    #expect(messages[2].control.switchRevision == 2)
  }

  @Test func `a lease is shorter by how long the store has not been seen`() throws {
    let hub = try hub()
    let start = ContinuousClock.now
    let watcher = hub.watch(leaseMilliseconds: 5000)
    try watcher.receive(hello(), at: start)
    func lease(_ sequence: Int64, at seconds: Int) throws -> Int64? {
      try watcher.receive(status(sequence), at: start + .seconds(seconds))
      return try read(watcher).last { kinds([$0]) == ["heartbeat"] }?.heartbeat.leaseMs
    }
    #expect(try lease(1, at: 1) == 5000)
    hub.confirm(at: start + .seconds(2))
    #expect(try lease(2, at: 2) == 5000)
    #expect(try lease(3, at: 5) == 2000)
    #expect(try lease(4, at: 60) == 0)
    // An older look changes nothing.
    hub.confirm(at: start + .seconds(61))
    hub.confirm(at: start + .seconds(3))
    #expect(try lease(5, at: 62) == 4000)
  }

  @Test func `a node that is ahead waits for this replica, but not for ever`() throws {
    let watcher = try hub().watch(leaseMilliseconds: 5000)
    try watcher.receive(hello(resume: 9, of: incarnation))
    for sequence in 1 ... 10 as ClosedRange<Int64> {
      try watcher.receive(status(sequence))
      #expect(kinds(try read(watcher)) == ["heartbeat"])
    }
    #expect(throws: WatchFault(.replicaBehind, "")) { try watcher.receive(status(11)) }
  }

  @Test func `an invalidation says which subscribes it takes into account`() throws {
    let hub = try hub()
    let watcher = hub.watch(leaseMilliseconds: 5000)
    try watcher.receive(hello(mode: .lazy))
    _ = try read(watcher)
    try hub.publish(commit(6, [route(1)]))
    #expect(try read(watcher).map(\.invalidation.subscribeSeq) == [.max])
    var subscribe = Bindery_V1_WatchRequest()
    subscribe.subscribe.subscribeSeq = 3
    try watcher.receive(subscribe)
    try hub.publish(commit(7, [route(2)]))
    #expect(try read(watcher).map(\.invalidation.subscribeSeq) == [3])
  }
}
