import Compiler
import Domain
import Foundation
import Store
import Testing

@Suite struct `A start from a while ago` {
  @Test func `is the state of then, and its commits lead to the newest`() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let shop = AuthoredShop(store)
      var seen: [Revision: Set<ConfigResource>] = [.zero: []]
      func note() async throws {
        let commit = try await store.fullSnapshot().commit
        seen[commit.revision] = Set(commit.resources)
      }
      var documents = AuthoredShop.whole
      try await shop.apply(documents, source: "repo")
      try await note()
      for step in 0 ..< 12 {
        switch step % 4 {
        case 0:
          documents.append(
            AuthoredShop.binding("b-\(step)", human: "asha", host: "h\(step).example")
          )
        case 1: documents[1] = AuthoredShop.human("asha", "Asha \(step)")
        case 2:
          try await store.setTenantStatus(
            slug: "shop",
            status: step == 2 ? .paused : .active,
            author: "tests",
            reason: ""
          )
        default: documents.removeLast()
        }
        if step % 4 != 2 {
          try await shop.apply(documents, source: "repo", prune: .init(isConfirmed: true))
        }
        try await note()
      }
      let newest = try await store.currentRevision().value
      #expect(newest > 10)
      for back in [0, 1, 4, 7, 1000] as [Int64] {
        let (_, base, recent) = try await store.recentSnapshot(revisions: back)
        #expect(base.revision.value == max(0, newest - back))
        #expect(Set(base.resources) == seen[base.revision], "\(back) revisions back")
        #expect(
          recent.map(\.revision.value) == Array(base.revision.value ..< newest).map { $0 + 1 }
        )
      }
      // Not further back than so many changes.
      let (_, near, _) = try await store.recentSnapshot(changes: 3)
      #expect(near.revision.value > newest - 4)
    }
  }
}
