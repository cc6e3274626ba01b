import Domain
import Foundation
import SwiftProtobuf
import Testing
import Wire

@testable import Changelog

@Suite struct WatcherTests {
  private let incarnation = UUID()
  private let tenant = TenantID(UUID())

  private func resource(
    _ tenant: TenantID,
    _ name: String,
    status: TenantStatus = .active,
    at revision: Int64 = 0
  ) -> ConfigResource {
    .tenant(
      TenantResource(
        tenantID: tenant,
        slug: name,
        displayName: name,
        status: status,
        switchRevision: Revision(revision),
        stalePolicy: .serve,
        pausedPolicy: .hold,
        pausedMessage: [:]
      )
    )
  }

  private func commit(_ revision: Int64, _ resources: [ConfigResource]) -> Commit {
    Commit(
      revision: Revision(revision),
      committedAt: Date(),
      resources: resources,
      removed: []
    )
  }

  private func hub(at revision: Int64 = 1) throws -> ChangelogHub {
    let hub = ChangelogHub()
    try hub.reset(
      ConfigState(
        incarnation: incarnation,
        revision: Revision(revision),
        resources: [resource(tenant, "a")]
      )
    )
    return hub
  }

  private func watcher(_ hub: ChangelogHub, resume: Int64 = 0) throws -> Watcher {
    let watcher = hub.watch(leaseMilliseconds: 5000)
    try watcher.receive(hello(resume: resume))
    return watcher
  }

  private func hello(resume: Int64 = 0) -> Bindery_V1_WatchRequest {
    var request = Bindery_V1_WatchRequest()
    request.hello.nodeID = "n1"
    request.hello.mode = .eager
    if resume > 0 {
      request.hello.resumeRevision = resume
      request.hello.storeIncarnation = TenantID(incarnation).data
    }
    return request
  }

  private func status(_ sequence: Int64) -> Bindery_V1_WatchRequest {
    var request = Bindery_V1_WatchRequest()
    request.status.statusSeq = sequence
    return request
  }

  private func read(_ watcher: Watcher) throws -> [Bindery_V1_WatchResponse] {
    var messages: [Bindery_V1_WatchResponse] = []
    while let frame = try watcher.next() {
      messages.append(try Bindery_V1_WatchResponse(serializedBytes: frame.bytes))
    }
    return messages
  }

  @Test func `nothing comes before hello, and what breaks the protocol is named`() throws {
    let hub = try hub()
    let watcher = hub.watch(leaseMilliseconds: 5000)
    #expect(try watcher.next() == nil)
    #expect(throws: WatchFault(.helloMissing, "")) { try watcher.receive(status(1)) }
    var nameless = hello()
    nameless.hello.nodeID = "no spaces"
    #expect(throws: WatchFault(.malformedHello, "")) { try watcher.receive(nameless) }
    try watcher.receive(hello())
    #expect(throws: WatchFault(.helloTwice, "")) { try watcher.receive(hello()) }
  }

  @Test func `a fresh node gets a snapshot, then a delta from there`() throws {
    let hub = try hub()
    let watcher = try watcher(hub)
    let first = try read(watcher)
    #expect(first.count == 3)
    #expect(first[0].snapshotBegin.revision == 1)
    #expect(first[1].snapshotChunk.tenants.map(\.slug) == ["a"])
    #expect(first[2].snapshotEnd.revision == 1)
    try hub.publish(commit(2, [resource(tenant, "b")]))
    let second = try read(watcher)
    #expect(second.count == 1)
    #expect(second[0].delta.fromRevision == 1)
    #expect(second[0].delta.revision == 2)
    #expect(second[0].delta.changes.tenants.map(\.slug) == ["b"])
  }

  @Test func `heartbeats overtake what waits, and only the newest status is echoed`() throws {
    let watcher = try watcher(try hub())
    try watcher.receive(status(1))
    try watcher.receive(status(2))
    let messages = try read(watcher)
    // Only which store it is comes ahead of them.
    #expect(messages[0].snapshotBegin.revision == 1)
    #expect(messages[1].heartbeat.statusSeq == 2)
    #expect(messages[1].heartbeat.leaseMs == 5000)
    #expect(
      messages.filter {
        $0.message.map { if case .heartbeat = $0 { true } else { false } } ?? false
      }.count == 1
    )
  }

  @Test func `commits that a reader missed are one delta, each key once`() throws {
    let hub = try hub()
    let watcher = try watcher(hub)
    _ = try read(watcher)
    for revision in 2 ... 20 as ClosedRange<Int64> {
      try hub.publish(commit(revision, [resource(tenant, "name-\(revision)")]))
    }
    let messages = try read(watcher)
    #expect(messages.count == 1)
    #expect(messages[0].delta.revision == 20)
    #expect(messages[0].delta.changes.tenants.map(\.slug) == ["name-20"])
  }

  @Test func `watchers that stand alike get the very same bytes`() throws {
    let hub = try hub()
    let watchers = try (0 ..< 3).map { _ in try watcher(hub) }
    for watcher in watchers { _ = try read(watcher) }
    try hub.publish(commit(2, [resource(tenant, "b")]))
    let addresses = try watchers.map { watcher in
      let frame = try #require(try watcher.next())
      return frame.bytes.withUnsafeBytes { Int(bitPattern: $0.baseAddress) }
    }
    #expect(Set(addresses).count == 1)
  }

  @Test func `a switch comes ahead of its delta, and a resume tells those made since`() throws {
    let hub = try hub()
    let watcher = try watcher(hub)
    _ = try read(watcher)
    try hub.publish(commit(2, [resource(tenant, "a", status: .paused, at: 2)]))
    let messages = try read(watcher)
    #expect(messages.count == 2)
    #expect(messages[0].control.status == .paused)
    #expect(messages[0].control.switchRevision == 2)
    #expect(messages[1].delta.revision == 2)
    let late = try read(self.watcher(hub, resume: 1))
    #expect(late.map { $0.control.switchRevision } == [0, 2, 0])
    #expect(late[0].resumed.from == 1)
    #expect(late[2].delta.revision == 2)
  }

  @Test func `a cursor that is too old gets a snapshot, one in the future waits`() throws {
    let hub = try hub(at: 5)
    let old = try read(watcher(hub, resume: 3))
    #expect(old[0].cursorExpired.oldestRevision == 5)
    #expect(old[1].snapshotBegin.revision == 5)
    // This replica has not seen yet what another one has served.
    let early = try watcher(hub, resume: 6)
    #expect(try read(early).isEmpty)
    try hub.publish(commit(6, [resource(tenant, "b")]))
    #expect(try read(early).map(\.resumed.from) == [6])
  }

  @Test func `a node of other tenants than before gets everything anew, of the same it resumes`()
    throws
  {
    let hub = try hub(at: 5)
    let other = TenantID(UUID())
    func came(
      _ tenants: [TenantID],
      resume incarnation: Data? = nil
    ) throws
      -> [Bindery_V1_WatchResponse]
    {
      var request = hello()
      request.hello.filter.tenantIds = tenants.map(\.data)
      if let incarnation {
        request.hello.resumeRevision = 5
        request.hello.storeIncarnation = incarnation
      }
      let watcher = hub.watch(leaseMilliseconds: 5000)
      try watcher.receive(request)
      return try read(watcher)
    }
    let one = try came([tenant])[0].snapshotBegin.storeIncarnation
    let both = try came([other, tenant])[0].snapshotBegin.storeIncarnation
    let all = try came([])[0].snapshotBegin.storeIncarnation
    #expect(Set([one, both, all]).count == 3)
    #expect(all == TenantID(incarnation).data)
    for (tenants, known) in [([tenant], one), ([tenant, other], both), ([], all)] {
      #expect(try came(tenants, resume: known).map(\.resumed.from) == [5])
      for stranger in [one, both, all] where stranger != known {
        let messages = try came(tenants, resume: stranger)
        #expect(messages[0].cursorExpired.oldestRevision == 5)
        #expect(messages[1].snapshotBegin.storeIncarnation == known)
      }
    }
  }

  @Test func `a commit is taken in once, and a gap is told`() throws {
    let hub = try hub(at: 1)
    try hub.publish(commit(2, [resource(tenant, "b")]))
    try hub.publish(commit(2, [resource(tenant, "c")]))
    #expect(hub.revision == Revision(2))
    #expect(throws: ChangelogError.gap(after: Revision(2), found: Revision(4))) {
      try hub.publish(commit(4, []))
    }
  }

  @Test func `the log forgets its oldest keys beyond its limit`() {
    var log = CommitLog(at: Revision(10), keyLimit: 6)
    for revision in 11 ... 15 as ClosedRange<Int64> {
      log.append(
        .init(
          revision: Revision(revision),
          committedAt: Date(timeIntervalSince1970: Double(revision)),
          keys: [.tenant(tenant)]
        )
      )
    }
    #expect(log.oldest == Revision(12))
    #expect(log.keys(after: Revision(11)) == nil)
    #expect(log.keys(after: Revision(12)) == [.tenant(tenant)])
    #expect(log.keys(after: Revision(15)) == [])
    #expect(log.keys(after: Revision(16)) == nil)
    #expect(log.committedAt(Revision(14)) == Date(timeIntervalSince1970: 14))
    #expect(log.committedAt(Revision(12)) == nil)
  }
}
