import Domain
import Foundation
import Logging
import SwiftProtobuf
import Synchronization
import Testing
import Wire

@testable import Changelog

/// A store that was put back to an earlier revision, and nodes that say they are ahead of it.
@Suite struct PutBackTests {
  private typealias Message = Bindery_V1_WatchResponse.OneOf_Message

  private let incarnation = UUID()
  private let tenant = TenantID(UUID())

  private func route(_ number: Int64) -> ConfigResource {
    .route(
      RouteResource(
        channel: "web",
        key: "host-\(number).example",
        tenantID: tenant,
        bindingID: BindingID(UUID())
      )
    )
  }

  private func state(_ revision: Int64, of store: UUID? = nil) -> ConfigState {
    ConfigState(
      incarnation: store ?? incarnation,
      revision: Revision(revision),
      resources: [route(1)]
    )
  }

  private func commit(_ revision: Int64, _ resources: [ConfigResource]) -> Commit {
    Commit(
      revision: Revision(revision),
      committedAt: Date(timeIntervalSince1970: 0),
      resources: resources,
      removed: []
    )
  }

  private func hello(resume: Int64 = 0) -> Bindery_V1_WatchRequest {
    var request = Bindery_V1_WatchRequest()
    request.hello.nodeID = "n1"
    request.hello.mode = .eager
    request.hello.resumeRevision = resume
    request.hello.storeIncarnation = TenantID(incarnation).data
    return request
  }

  private func ack(_ revision: Int64) -> Bindery_V1_WatchRequest {
    var request = Bindery_V1_WatchRequest()
    request.ack.applied = true
    request.ack.revision = revision
    return request
  }

  private func read(_ watcher: Watcher) throws -> [Message] {
    var messages: [Message] = []
    while let frame = try watcher.next() {
      let response = try Bindery_V1_WatchResponse(serializedBytes: frame.bytes)
      if let message = response.message { messages.append(message) }
    }
    return messages
  }

  /// Names of what came, with the revisions that it tells.
  private func told(_ watcher: Watcher) throws -> [String] {
    try read(watcher).compactMap {
      switch $0 {
      case .resumed(let it): "resumed \(it.from)"
      case .snapshotBegin(let it): "snapshot \(it.revision)"
      case .snapshotEnd(let it): "end \(it.revision)"
      case .delta(let it): "delta \(it.fromRevision) \(it.revision)"
      case .cursorExpired: "expired"
      default: nil
      }
    }
  }

  @Test
  func `a cursor beyond the newest revision waits until the store was asked, then is of no use`()
    throws
  {
    let hub = ChangelogHub()
    try hub.reset(state(5))
    hub.confirm(at: .now)
    let rings = Mutex(0)
    let watcher = hub.watch(leaseMilliseconds: 1000) { rings.withLock { $0 += 1 } }
    let other = hub.watch(leaseMilliseconds: 1000)
    try other.receive(hello())
    #expect(try told(other) == ["snapshot 5", "end 5"])
    try watcher.receive(hello(resume: 9))
    #expect(try told(watcher) == [])
    // Asked before the node came: the store may have gone further since.
    hub.confirm(at: .now - .seconds(1))
    #expect(try told(watcher) == [])
    let before = rings.withLock { $0 }
    hub.confirm(at: .now)
    #expect(rings.withLock { $0 } > before)
    #expect(try told(watcher) == ["expired", "snapshot 5", "end 5"])
    #expect(try told(other) == [])
    try hub.publish(commit(6, [route(2)]))
    #expect(try told(watcher) == ["delta 5 6"])
    #expect(try told(other) == ["delta 5 6"])
  }

  @Test func `a cursor that is only ahead of this replica is resumed once it has caught up`() throws
  {
    let hub = ChangelogHub()
    try hub.reset(state(5))
    hub.confirm(at: .now)
    let watcher = hub.watch(leaseMilliseconds: 1000)
    try watcher.receive(hello(resume: 6))
    #expect(try told(watcher) == [])
    #expect(watcher.resumedFrom == nil)
    try hub.publish(commit(6, [route(2)]))
    hub.confirm(at: .now)
    #expect(try told(watcher) == ["resumed 6"])
    #expect(watcher.resumedFrom == Revision(6))
  }

  @Test func `an open stream never stays ahead of a store of the same name that was put back`()
    throws
  {
    let hub = ChangelogHub()
    try hub.reset(state(5))
    let watcher = hub.watch(leaseMilliseconds: 1000)
    try watcher.receive(hello(resume: 5))
    #expect(try told(watcher) == ["resumed 5"])
    try hub.reset(state(3))
    #expect(try told(watcher) == ["expired", "snapshot 3", "end 3"])
    // What it acknowledged of the other past is no fault, and counts for nothing.
    try watcher.receive(ack(5))
    #expect(!watcher.hasSent(Revision(5)))
    #expect(watcher.hasSent(Revision(3)))
  }

  @Test func `a replica that was further than the store has it named anew, and takes all of it`()
    async throws
  {
    let other = UUID()
    let store = Mutex((incarnation: incarnation, revision: Int64(9)))
    let source = ChangelogTail.Source(
      snapshot: {
        let (incarnation, revision) = store.withLock { $0 }
        return (incarnation, commit(revision, [route(1)]), [])
      },
      wait: { _ in
        try await Task.sleep(for: .milliseconds(1))
        return store.withLock {
          StorePosition(incarnation: $0.incarnation, revision: Revision($0.revision))
        }
      },
      commits: { _ in (store.withLock { $0.incarnation }, []) },
      renew: { old in store.withLock { if $0.incarnation == old { $0.incarnation = other } } }
    )
    let hub = ChangelogHub()
    let tail = ChangelogTail(source: source, hub: hub, logger: Logger(label: "tests"))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await tail.run() }
      func reach(_ revision: Int64) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while hub.revision != Revision(revision) {
          try #require(ContinuousClock.now < deadline)
          try await Task.sleep(for: .milliseconds(1))
        }
      }
      try await reach(9)
      store.withLock { $0.revision = 4 }
      try await reach(4)
      #expect(hub.configuration?.incarnation == other)
      group.cancelAll()
    }
  }

  @Test func `an acknowledgement of what was not sent ends the stream, and no other`() throws {
    let hub = ChangelogHub()
    try hub.reset(state(5))
    let watcher = hub.watch(leaseMilliseconds: 1000)
    let other = hub.watch(leaseMilliseconds: 1000)
    try other.receive(hello())
    try watcher.receive(hello(resume: 5))
    #expect(try told(watcher) == ["resumed 5"])
    _ = try told(other)
    try watcher.receive(ack(5))
    for revision in [6, .max, -1] as [Int64] {
      let fault = #expect(throws: WatchFault.self) { try watcher.receive(ack(revision)) }
      #expect(fault?.code == .unknownRevision)
    }
    try other.receive(ack(5))
    try hub.publish(commit(6, [route(2)]))
    #expect(try told(other) == ["delta 5 6"])
  }

  // MARK: - Commits of this replica's own

  @Test func `what a replica commits itself is pushed at once, and in order`() throws {
    let hub = ChangelogHub()
    #expect(!hub.offer(commit(6, [route(2)]), of: incarnation))
    try hub.reset(state(5))
    let watcher = hub.watch(leaseMilliseconds: 1000)
    try watcher.receive(hello(resume: 5))
    _ = try told(watcher)
    #expect(!hub.offer(commit(6, [route(2)]), of: UUID()))
    // The one ahead of it is another replica's, or slower.
    #expect(!hub.offer(commit(7, [route(3)]), of: incarnation))
    #expect(try told(watcher) == [])
    try hub.publish(commit(6, [route(2)]))
    #expect(hub.revision == Revision(7))
    #expect(try told(watcher) == ["delta 5 7"])
    #expect(hub.offer(commit(8, [route(4)]), of: incarnation))
    // Read from the store a moment later.
    try hub.publish(commit(8, [route(4)]))
    #expect(try told(watcher) == ["delta 7 8"])
    #expect(!hub.offer(commit(8, [route(4)]), of: incarnation))
  }

  @Test func `what a replica commits itself waits while the store may have become another one`()
    throws
  {
    let hub = ChangelogHub()
    try hub.reset(state(5))
    #expect(!hub.offer(commit(7, [route(3)]), of: incarnation))
    hub.takeOffers(false)
    #expect(!hub.offer(commit(6, [route(2)]), of: incarnation))
    #expect(hub.revision == Revision(5))
    hub.takeOffers(true)
    // What was kept before may be of another past.
    #expect(hub.offer(commit(6, [route(2)]), of: incarnation))
    #expect(hub.revision == Revision(6))
  }

  @Test func `a binding whose sections are neither held nor in the commit is read from the store`()
    throws
  {
    let hub = ChangelogHub()
    try hub.reset(state(5))
    let section = SectionResource(
      tenantID: tenant,
      digest: Digest(of: Data("s".utf8)),
      kind: .human,
      content: "s"
    )
    let binding = BindingResource(
      tenantID: tenant,
      bindingID: BindingID(UUID()),
      digest: Digest(of: Data("b".utf8)),
      content: "b",
      sectionDigests: [section.digest],
      isActive: true
    )
    #expect(!hub.offer(commit(6, [.binding(binding)]), of: incarnation))
    #expect(hub.revision == Revision(5))
    try hub.publish(commit(6, [.section(section), .binding(binding)]))
    #expect(hub.offer(commit(7, [.binding(binding)]), of: incarnation))
  }

  @Test func `who comes before the store has been read waits for it`() async throws {
    let hub = ChangelogHub()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await hub.whenRead() }
      group.cancelAll()
    }
    #expect(hub.revision == nil)
    async let read: Void = hub.whenRead()
    try hub.reset(state(5))
    await read
    #expect(hub.revision == Revision(5))
  }

  @Test func `sets of changes are made once for all that stand alike`() throws {
    var view = ChangelogView(state(5))
    _ = try view.fold(commit(6, [route(2)]))
    _ = try view.fold(commit(7, [route(3)]))
    let set = view.changes(after: Revision(5))
    #expect(set?.keys.count == 2)
    #expect(view.changes(after: Revision(5)) === set)
    #expect(view.changes(after: Revision(6))?.keys.count == 1)
    #expect(view.changes(after: Revision(4)) == nil)
    _ = try view.fold(commit(8, [route(4)]))
    #expect(view.changes(after: Revision(5))?.keys.count == 3)
  }
}
