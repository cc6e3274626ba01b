import Domain
import Foundation
import Testing
import Wire

@testable import Changelog

@Suite struct FetchTests {
  private let tenant = TenantID(UUID())
  private let id = BindingID(UUID())

  private func binding(_ content: String) -> ConfigResource {
    .binding(
      BindingResource(
        tenantID: tenant,
        bindingID: id,
        digest: Digest(of: Data(content.utf8)),
        content: content,
        sectionDigests: [],
        isActive: true
      )
    )
  }

  private func hub(through revision: Int64) throws -> ChangelogHub {
    let hub = ChangelogHub()
    try hub.reset(
      ConfigState(incarnation: UUID(), revision: Revision(1), resources: [binding("form 1")])
    )
    for number in 2 ... revision {
      try hub.publish(
        Commit(
          revision: Revision(number),
          committedAt: Date(timeIntervalSince1970: 0),
          resources: number == revision ? [] : [binding("form \(number)")],
          removed: number == revision ? [.binding(tenant, id)] : []
        )
      )
    }
    return hub
  }

  private func fetch(
    _ hub: ChangelogHub,
    at revision: Int64,
    scope: WatchScope = WatchScope(mode: .lazy)
  ) throws(FetchFault) -> [String] {
    try hub.fetch([.binding(tenant, id)], at: Revision(revision), scope: scope)
      .changes.bindings.map { String(decoding: $0.content, as: UTF8.self) }
  }

  @Test func `the answer is as of the node's own revision`() throws {
    let hub = try hub(through: 9)
    for revision in 1 ... 8 as ClosedRange<Int64> {
      #expect(try fetch(hub, at: revision) == ["form \(revision)"])
    }
    #expect(try fetch(hub, at: 9).isEmpty)
    #expect(throws: FetchFault.behind) { try fetch(hub, at: 10) }
    // One who holds nothing reads the newest.
    #expect(try hub.fetch([], at: .zero, scope: WatchScope(mode: .lazy)).revision == 9)
  }

  @Test func `what is not within the filter is absent, like what does not exist`() throws {
    let stranger = WatchScope(mode: .lazy, tenants: [TenantID(UUID())])
    #expect(try fetch(try hub(through: 9), at: 3, scope: stranger).isEmpty)
  }

  @Test func `a revision that is too long ago is said to be, not made up`() throws {
    let hub = try hub(through: 400)
    #expect(throws: FetchFault.tooOld) { try fetch(hub, at: 2) }
    #expect(try fetch(hub, at: 300) == ["form 300"])
  }
}
