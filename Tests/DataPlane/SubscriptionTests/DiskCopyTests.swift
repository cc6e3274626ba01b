import Domain
import Foundation
import Logging
import Testing
import Wire
import WireMapping

@testable import Subscription

@Suite struct DiskCopyTests {
  private let incarnation = UUID()
  private let tenant = TenantID(UUID())
  private let logger = Logger(label: "disk-copy-tests")

  private func batch(_ revision: Int64, _ name: String) -> SubscriptionMachine.Batch {
    let resource = TenantResource(
      tenantID: tenant,
      slug: name,
      displayName: name,
      status: .active,
      switchRevision: .zero,
      stalePolicy: .serve,
      pausedPolicy: .hold,
      pausedMessage: [:]
    )
    var changes = Bindery_V1_Changes()
    changes.put(.tenant(resource))
    return .init(
      cursor: .init(incarnation: incarnation, revision: Revision(revision)),
      isWhole: true,
      changes: [changes],
      invalidated: []
    )
  }

  private func made(_ revision: Int64, _ status: TenantStatus) -> SubscriptionMachine.Switch {
    .init(
      tenantID: tenant,
      revision: Revision(revision),
      status: status,
      incarnation: incarnation
    )
  }

  private func image(_ revision: Int64, _ name: String) -> ConfigImage {
    var builder = ImageBuilder(ConfigImage(), isWhole: true)
    builder.apply(batch(revision, name))
    return builder.image
  }

  private func with<Result>(
    _ body: (_ directory: String, _ copy: DiskCopy) async throws -> Result
  ) async throws -> Result {
    let directory = FileManager.default.temporaryDirectory.appending(path: "copy-\(UUID())").path()
    let copy = try DiskCopy(directory: directory)
    let result = try await body(directory, copy)
    try await copy.close()
    try FileManager.default.removeItem(atPath: directory)
    return result
  }

  @Test func `a copy comes back as it was written`() async throws {
    try await with { _, copy in
      try await copy.write(image(7, "a"))
      let (found, faults) = try await copy.readConfiguration()
      #expect(faults.isEmpty)
      #expect(found?.image.cursor == .init(incarnation: incarnation, revision: Revision(7)))
      #expect(found?.image.tenant(slug: "a")?.tenantID == tenant)
    }
  }

  @Test func `with no whole copy a node starts empty and takes live updates`() async throws {
    try await with { directory, copy in
      try Data("nonsense".utf8).write(to: URL(filePath: "\(directory)/configuration"))
      let cache = try await ConfigCache(copy: copy, logger: logger)
      #expect(!cache.isLoaded)
      #expect(cache.gate(tenant) == .closed)
      #expect(cache.apply(batch(3, "c")) { [] }.rejected.isEmpty)
      try await cache.writeSwitches()
      #expect(cache.gate(tenant) == .open)
    }
  }

  @Test func `what is refused is still refused after a start, and tried again by another program`()
    throws
  {
    var refused = image(7, "a")
    let key = ResourceKey.binding(tenant, BindingID(UUID()))
    let digest = Digest(of: Data("bad".utf8))
    refused.rejections[key] = Rejection(key: key, digest: digest, code: "X", message: "x")
    let cursor = try #require(refused.cursor)
    let bytes = try DiskCopy.encode(refused, cursor, writtenBy: "1")
    let same = try DiskCopy.decode(bytes, readBy: "1")
    #expect(same.rejections[key]?.digest == digest)
    #expect(same.resumable == cursor)
    let next = try DiskCopy.decode(bytes, readBy: "2")
    #expect(next.cursor == cursor)
    #expect(next.resumable == nil)
  }

  @Test func `a switch is kept though the copy of the configuration is older`() async throws {
    try await with { _, copy in
      let first = try await ConfigCache(copy: copy, logger: logger)
      _ = first.apply(batch(3, "c")) { [] }
      try await first.writeSwitches()
      try await copy.write(first.image)
      #expect(first.take(made(4, .paused))?.inForce == Revision(4))
      try await first.writeSwitches()
      let second = try await ConfigCache(copy: copy, logger: logger)
      #expect(second.snapshot.revision == Revision(3))
      #expect(second.gate(tenant) == .paused(.hold, message: [:]))
      // An older one changes nothing.
      #expect(second.take(made(2, .active))?.inForce == Revision(4))
      #expect(second.gate(tenant) == .paused(.hold, message: [:]))
    }
  }

  @Test func `switches that can't be read keep the node from starting`() async throws {
    try await with { directory, copy in
      let cache = try await ConfigCache(copy: copy, logger: logger)
      _ = cache.apply(batch(3, "c")) { [] }
      _ = cache.take(made(4, .paused))
      try await cache.writeSwitches()
      for name in ["switches", "switches.mirror"] {
        try Data("nonsense".utf8).write(to: URL(filePath: "\(directory)/\(name)"))
      }
      await #expect(throws: SealedFile.Fault(code: .damaged, what: "")) {
        try await ConfigCache(copy: copy, logger: logger)
      }
    }
  }
}
